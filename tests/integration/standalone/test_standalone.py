"""A lab: what it serves, what it keeps, what it says, and that nothing of it is left."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from api.v1alpha1 import HTTPBootConfig, IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.client import AiohttpTransport, Client, NotFoundError, load_config
from controller_runtime.envtest.processes import ChildProcess
from hack.operator_process import PROGRAM, OperatorProcess
from tests.integration.envtest.processes_of import Deaths, children

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]

SAMPLES = Path(__file__).parents[3] / "config" / "samples"
MACHINE_1 = "11111111-1111-1111-1111-111111111111"
DEADLINE = 60
"""Seconds after which a test has failed."""


class Lab(OperatorProcess):
    """A `boot-operator standalone` on free loopback ports.

    Args:
        directory: takes its log and its kubeconfig, and all temporary files.
        flags: added to its command line.
        before: what starts the program, for a shell that does something first.
    """

    def __init__(self, directory: Path, *flags: str, before: tuple[str, ...] = ()) -> None:
        self._killed = False
        self.kubeconfig = directory / "handed-out"
        self.temporary = directory / "tmp"
        self.temporary.mkdir(exist_ok=True)
        addresses = [
            f"--{name}-address=127.0.0.1:0"
            for name in ("boot-server", "image-proxy-server", "health-probe-bind", "metrics-bind")
        ]
        command: list[str | Path] = [*before, PROGRAM, "standalone", *addresses, "--metrics-secure=false"]
        command += ["--zap-encoder=json", "--api-port=0", f"--kubeconfig-out={self.kubeconfig}", *flags]
        environment = os.environ | {"TMPDIR": str(self.temporary), "HOME": str(directory / "home")}
        self.process = ChildProcess(
            command, log=directory / "lab.log", environment=environment, directory=directory, name="boot-operator"
        )

    def kill(self) -> None:
        """As `kill -9` does it."""
        self.process.kill()
        self._killed = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._killed:
            super().__exit__(kind, error, traceback)

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines that tell of something."""
        return [line for line in self.log_lines() if line["event"] == event]

    def until(self, event: str, **facts: object) -> dict[str, Any]:
        """Waits for a log line with these facts and returns it."""
        found: list[dict[str, Any]] = []

        def is_said() -> bool:
            found[:] = [line for line in self.said(event) if facts.items() <= line.items()]
            return bool(found)

        self.process.wait_until(is_said, f"say {event!r} {facts}", time.monotonic() + DEADLINE)
        return found[-1]

    def get(self, path: str) -> str:
        """What a machine is answered."""
        with urllib.request.urlopen(f"{self.url()}/{path}", timeout=10) as response:
            text: str = response.read().decode()
            return text


@contextlib.asynccontextmanager
async def client_of(kubeconfig: Path) -> AsyncIterator[Client]:
    transport = AiohttpTransport(await load_config(str(kubeconfig)))
    yield Client(transport, field_owner="lab-tests")
    await transport.close()


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """A directory with the samples."""
    directory = tmp_path / "manifests"
    directory.mkdir()
    for file in SAMPLES.iterdir():
        (directory / file.name).write_bytes(file.read_bytes())
    return directory


@pytest.fixture
def ready(tmp_path: Path, manifests: Path) -> Iterator[Callable[..., Lab]]:
    """Starts labs of the manifests, and stops what was not stopped."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str) -> Lab:
            lab = stack.enter_context(Lab(tmp_path, f"--manifests={manifests}", *flags))
            lab.wait_ready()
            return lab

        yield start


async def test_a_lab_serves_what_its_manifests_say_and_leaves_nothing(
    tmp_path: Path, ready: Callable[..., Lab]
) -> None:
    lab = ready()
    assert "machine-1" in lab.get(f"ignition/{MACHINE_1}")
    assert [(line["file"], line["objects"]) for line in lab.said("applied manifests")] == [
        ("httpbootconfig.yaml", 2),
        ("ipxebootconfig-custom-script.yaml", 2),
        ("ipxebootconfig.yaml", 2),
    ]
    assert lab.kubeconfig.stat().st_mode & 0o777 == 0o600
    async with client_of(lab.kubeconfig) as client:
        assert len((await client.list(IPXEBootConfig)).items) == 2
        assert len((await client.list(HTTPBootConfig)).items) == 1
    with Deaths([*children(lab.process.pid)]) as api_server:
        assert lab.process.stop(DEADLINE) == 0
        api_server.wait()
    assert list(lab.temporary.iterdir()) == []
    assert not (tmp_path / "home").exists()


async def test_files_are_applied_again_when_they_change_and_broken_ones_stop_nothing(
    ready: Callable[..., Lab], manifests: Path
) -> None:
    lab = ready()
    (manifests / "broken.yaml").write_text("a: [")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "elsewhere"}}
    (manifests / "ipxebootconfig.yaml").write_text(
        (SAMPLES / "ipxebootconfig.yaml").read_text().replace("vmlinuz", "another-kernel")
    )
    (manifests / "secret.json").write_text(json.dumps(secret))
    (manifests / "httpbootconfig.yaml").unlink()
    assert "document 1 is no YAML" in lab.until("manifests cannot be applied", file="broken.yaml")["error"]
    lab.until("applied manifests", file="ipxebootconfig.yaml", created=0)
    lab.until("applied manifests", file="secret.json", created=1)
    lab.until("manifests were removed", file="httpbootconfig.yaml", left=2)
    lab.until("created a namespace that a manifest names", namespace="elsewhere")
    async with client_of(lab.kubeconfig) as client:
        await client.get(Secret, NamespacedName("elsewhere", "s"))
        await client.get(HTTPBootConfig, NamespacedName("default", "machine-3"))
        config = await client.get(IPXEBootConfig, NamespacedName("default", "machine-1"))
    assert config.spec.kernel_url.endswith("another-kernel")


async def test_what_no_file_names_any_more_is_deleted_with_prune(ready: Callable[..., Lab], manifests: Path) -> None:
    lab = ready("--prune")
    (manifests / "httpbootconfig.yaml").unlink()
    lab.until("manifests were removed", deleted=2)
    async with client_of(lab.kubeconfig) as client:
        with pytest.raises(NotFoundError):
            await client.get(HTTPBootConfig, NamespacedName("default", "machine-3"))
        assert len((await client.list(IPXEBootConfig)).items) == 2


async def test_a_data_directory_keeps_objects_and_the_administrators_token_across_kill_9(
    tmp_path: Path, ready: Callable[..., Lab], manifests: Path
) -> None:
    flags = (f"--data-dir={tmp_path / 'data'}", "--prune")
    lab = ready(*flags)
    lab.get(f"ignition/{MACHINE_1}")
    async with client_of(lab.kubeconfig) as client:
        await client.apply(Secret, NamespacedName("default", "by-hand"), {"stringData": {"a": "b"}})
        before = await client.get(IPXEBootConfig, NamespacedName("default", "machine-1"))
    with Deaths([*children(lab.process.pid)]) as api_server:
        lab.kill()
        api_server.wait()
    first = json.loads(lab.kubeconfig.read_text())
    (manifests / "httpbootconfig.yaml").unlink()

    lab = ready(*flags)
    second = json.loads(lab.kubeconfig.read_text())
    assert second["users"] == first["users"]
    authorities = [each["clusters"][0]["cluster"]["certificate-authority-data"] for each in (first, second)]
    assert authorities[0] == authorities[1]
    async with client_of(lab.kubeconfig) as client:
        assert (await client.get(Secret, NamespacedName("default", "by-hand"))).data == {"a": b"b"}
        after = await client.get(IPXEBootConfig, NamespacedName("default", "machine-1"))
        assert after.metadata.uid == before.metadata.uid
        with pytest.raises(NotFoundError):
            await client.get(HTTPBootConfig, NamespacedName("default", "machine-3"))
    open_to_others = [path for path in (tmp_path / "data").iterdir() if path.is_dir() and path.stat().st_mode & 0o077]
    assert open_to_others == []
    assert (tmp_path / "data").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_well_where_they_were_inherited_as_ignored(number: signal.Signals, tmp_path: Path) -> None:
    before = (sys.executable, "-c", IGNORING)
    with Lab(tmp_path, before=before) as lab:
        lab.wait_ready()
        with Deaths([lab.process.pid, *children(lab.process.pid)]) as processes:
            lab.process.signal(number)
            processes.wait()
        assert lab.process.stop(0) == 0


IGNORING = """
import os, signal, sys
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_signal_during_the_start_ends_it_well(tmp_path: Path, manifests: Path) -> None:
    """The API server has been started and is not ready yet."""
    with Lab(tmp_path, f"--manifests={manifests}") as lab:
        lab.process.wait_until(
            lambda: bool(children(lab.process.pid)), "start the API server", time.monotonic() + DEADLINE, 0.001
        )
        with Deaths([*children(lab.process.pid)]) as api_server:
            assert lab.process.stop(DEADLINE) == 0
            api_server.wait()
    assert list(lab.temporary.iterdir()) == []


def test_an_api_server_that_dies_ends_the_lab_with_one_line(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    lab.process.start()
    try:
        lab.wait_ready()
        with Deaths([lab.process.pid]) as itself:
            (api_server,) = children(lab.process.pid)
            os.kill(api_server, signal.SIGKILL)
            itself.wait()
        assert lab.process.stop(0) == 1
        assert "boot-operator: the API server was killed by SIGKILL; it printed nothing" in lab.process.log_tail(1)[0]
    finally:
        lab.process.kill()


def refused(*flags: str, **environment: str) -> str:
    """What a lab says that cannot start; one line."""
    command = [PROGRAM, "standalone", "--boot-server-address=127.0.0.1:0", "--image-proxy-server-address=127.0.0.1:0"]
    command += ["--health-probe-bind-address=0", "--metrics-bind-address=0", "--zap-log-level=error", *flags]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in {1, 2}, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_a_taken_port_is_one_line_also_if_another_lab_has_it(tmp_path: Path) -> None:
    with Lab(tmp_path) as other:
        port = other.until("the API server is ready")["url"].rpartition(":")[2]
        reason = f"the API server cannot listen on 127.0.0.1:{port} (Address already in use): pass another port by"
        assert reason in refused(f"--api-port={port}")
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert "pass another port by --api-port" in refused(f"--api-port={server.getsockname()[1]}")


def test_a_data_directory_in_use_is_one_line_that_names_the_process(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Lab(tmp_path, f"--data-dir={data}") as lab:
        lab.until("the API server is ready")
        assert f"{data} is used by another boot-operator (process {lab.process.pid})" in refused(
            f"--data-dir={data}", "--api-port=0"
        )


def test_data_that_is_damaged_is_one_line_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data" / "objects").mkdir(parents=True)
    (tmp_path / "data" / "objects" / "state.db").write_text(
        "this is no database, and it is long enough to be seen as none"
    )
    words = refused(f"--data-dir={tmp_path / 'data'}", "--api-port=0")
    assert "the API server cannot start: " in words
    assert "state.db cannot be used" in words


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        pytest.param(("--manifests=/nowhere",), "--manifests: /nowhere is no directory", id="no manifests"),
        pytest.param(("--data-dir=/proc/x", "--api-port=0"), "--data-dir: /proc/x cannot be used", id="no data"),
        pytest.param(
            ("--kubeconfig-out=/nowhere/x", "--api-port=0"), "--kubeconfig-out: /nowhere/x cannot be", id="no place"
        ),
        pytest.param(("--kubeconfig=x",), "standalone mode has an API server of its own", id="another API server"),
    ],
)
def test_what_cannot_be_used_is_one_line_that_names_the_flag(flags: tuple[str, ...], reason: str) -> None:
    assert reason in refused(*flags)


def test_the_help_explains_the_lab_first() -> None:
    done = subprocess.run([PROGRAM, "standalone", "--help"], capture_output=True, text=True, check=True)
    flags = [word for word in done.stdout.split() if word.startswith("--")]
    assert flags[:6] == ["--help", "--manifests", "--prune", "--data-dir", "--api-port", "--kubeconfig-out"]
    assert "--leader-elect" in flags
    assert (
        "boot-operator standalone --help"
        in subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    )
