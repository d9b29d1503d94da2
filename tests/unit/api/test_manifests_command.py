"""hack/manifests.py, as `make manifests` and `make check` call it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hack.manifests import ROOT, manifests

FILES = [str(path.relative_to(ROOT)) for path in manifests(ROOT)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "hack" / "manifests.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")


def test_the_committed_files_are_current() -> None:
    done = run("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_written_files_pass_the_check_and_are_not_written_again(tmp_path: Path) -> None:
    first = run("--root", tmp_path)
    assert first.stdout.splitlines() == [f"wrote {file}" for file in FILES]
    assert run("--root", tmp_path, "--check").returncode == 0
    assert run("--root", tmp_path).stdout == ""


@pytest.mark.parametrize("file", FILES)
def test_a_stale_file_fails_the_check_by_name_and_is_left_alone(file: str, tmp_path: Path) -> None:
    run("--root", tmp_path)
    changed = tmp_path / file
    changed.write_text("stale\n", encoding="utf-8")
    done = run("--root", tmp_path, "--check")
    assert done.returncode == 1
    assert done.stderr == f"{file} is not current: run `make manifests`\n"
    assert changed.read_text(encoding="utf-8") == "stale\n"


def test_missing_files_fail_the_check(tmp_path: Path) -> None:
    done = run("--root", tmp_path, "--check")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == len(FILES)
    assert list(tmp_path.iterdir()) == []
