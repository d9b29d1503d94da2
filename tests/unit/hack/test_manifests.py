"""hack/manifests.py notices what it has not written itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hack.manifests import ROOT


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ROOT / "hack" / "manifests.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_crd_of_a_kind_that_is_gone_fails_the_check_by_name(tmp_path: Path) -> None:
    run("--root", tmp_path)
    (tmp_path / "config" / "crd" / "bases" / "boot.ironcore.dev_gone.yaml").touch()
    done = run("--root", tmp_path, "--check")
    assert done.returncode == 1
    assert done.stderr == "config/crd/bases/boot.ironcore.dev_gone.yaml is of no kind that there is: remove it\n"
