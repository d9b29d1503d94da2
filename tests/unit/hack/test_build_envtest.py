"""hack/build-envtest where nothing has to be built, or nothing may be."""

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


def find(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Asks for programs, with an empty cache and without Go."""
    return subprocess.run(
        ["hack/build-envtest", "--find"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "XDG_CACHE_HOME": str(tmp_path / "cache"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_asking_for_programs_builds_nothing_and_says_nothing(tmp_path: Path) -> None:
    done = find(tmp_path, KUBEBUILDER_ASSETS=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert not (tmp_path / "cache").exists()


def test_asking_for_programs_that_are_there_names_their_directory(tmp_path: Path) -> None:
    for program in PROGRAMS:
        (tmp_path / program).touch(mode=0o755)
    done = find(tmp_path, KUBEBUILDER_ASSETS=str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}\n", "")


def test_an_option_that_there_is_not_is_refused() -> None:
    done = subprocess.run(["hack/build-envtest", "--fnd"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "build-envtest: there is no option --fnd: run it without any, or with --find\n",
    )
