"""hack/build-envtest where nothing has to be built."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PROGRAMS = ("kube-apiserver", "etcd", "kube-controller-manager", "kubectl")


@pytest.mark.parametrize("search_path", [pytest.param("", id="plain"), pytest.param(".", id="cd prints where it goes")])
def test_programs_that_are_there_are_named_by_an_absolute_path(search_path: str, tmp_path: Path) -> None:
    assets = tmp_path / "some assets"
    assets.mkdir()
    for program in PROGRAMS:
        (assets / program).touch(mode=0o755)
    relative = os.path.relpath(assets, ROOT)
    done = subprocess.run(
        ["hack/build-envtest"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "KUBEBUILDER_ASSETS": relative, "CDPATH": search_path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, f"{assets}\n"), done.stderr
