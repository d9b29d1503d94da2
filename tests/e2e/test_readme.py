"""Every command of README.md does what it says there."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller_runtime.envtest.assets import find_asset
from controller_runtime.envtest.processes import ChildProcess

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]
ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def console() -> list[tuple[str, str]]:
    """Commands of the console blocks with what they print; `...` stands for anything."""
    pairs = []
    for block in blocks("console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            pairs.append((command, output))
    return pairs


def matches(expected: str, printed: str) -> bool:
    """Whether the output is as expected; runs of blanks are equal, `...` matches anything."""

    def normal(text: str) -> str:
        return re.sub(r"[ \t]+", " ", text).strip()

    pattern = ".*".join(re.escape(piece) for piece in normal(expected).split("..."))
    return re.fullmatch(pattern, normal(printed), re.DOTALL) is not None


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildProcess]:
    """`make run`, ready."""
    log = tmp_path_factory.mktemp("run") / "make-run.log"
    process = ChildProcess([shutil.which("make") or "make", "-C", str(ROOT), "run"], log=log)
    process.start()
    try:
        process.wait_until(lambda: "Ctrl-C" in process.log_since_start(), "say that it runs", 1e12)
        yield process
    finally:
        process.signal(signal.SIGINT)
        process.stop(60)


def test_the_commands_print_what_the_readme_shows(running: ChildProcess, tmp_path: Path) -> None:
    assert len(console()) >= 7
    environment = {"PATH": f"{find_asset('kubectl').parent}:/usr/local/bin:/usr/bin:/bin"}
    environment["HOME"] = str(tmp_path)  # kubectl caches there, and without it in the checkout
    for command, expected in console():
        if command.startswith("export "):
            environment.update([shlex.split(command)[1].split("=", 1)])
            continue
        done = subprocess.run(
            ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60, check=False
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert matches(expected, done.stdout), f"{command} printed:\n{done.stdout}"


def test_the_commands_within_sentences_work(running: ChildProcess, tmp_path: Path) -> None:
    (manifest,) = blocks("yaml")
    kubectl = [find_asset("kubectl"), f"--kubeconfig={ROOT}/.run/kubeconfig"]
    environment = {"PATH": f"{find_asset('kubectl').parent}:/usr/bin:/bin", "KUBECONFIG": f"{ROOT}/.run/kubeconfig"}
    environment["HOME"] = str(tmp_path)
    commands = re.findall(r"`((?:kubectl|\.venv/bin/[a-z-]+) -?[^`]+)`", README)
    assert len(commands) >= 2
    subprocess.run([*kubectl, "apply", "-f", "-"], input=manifest, text=True, check=True)
    try:
        for command in commands:
            done = subprocess.run(
                ["bash", "-c", command],
                capture_output=True,
                text=True,
                cwd=ROOT,
                env=environment,
                timeout=60,
                check=False,
            )
            assert done.returncode == 0, f"{command}: {done.stderr}"
    finally:
        subprocess.run([*kubectl, "delete", "-f", "-"], input=manifest, text=True, check=True)


def test_every_make_target_that_the_readme_names_is_run_by_ci_or_by_a_test() -> None:
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", README, re.MULTILINE))
    run = set(re.findall(r"^(?:env .*)?make ([a-z-]+)", CI, re.MULTILINE))
    assert named - run == {"run", "boot-demo"}  # those two are run in this module


def test_the_boot_demo_boots(tmp_path: Path) -> None:
    done = subprocess.run(["make", "boot-demo"], capture_output=True, text=True, cwd=ROOT, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the machine booted" in done.stdout
