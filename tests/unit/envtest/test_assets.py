"""Where the programs of a control plane are looked for, and in which order."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from controller_runtime.envtest import AssetsMissingError, find_asset

TARGET = f"{platform.system().lower()}-{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine()) }"

type_of_install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path) -> type_of_install:
    """Return a function that makes a program `etcd` in a directory below the test's own and returns its path."""

    def make(directory: str) -> Path:
        program = tmp_path / directory / "etcd"
        program.parent.mkdir(parents=True, exist_ok=True)
        program.touch(mode=0o755)
        return program

    return make


def test_the_variable_of_one_program_wins_over_everything(tmp_path: Path, install: type_of_install) -> None:
    chosen = install("chosen")
    assets = install("assets")
    environment = {"TEST_ASSET_ETCD": str(chosen), "KUBEBUILDER_ASSETS": str(assets.parent), "HOME": str(tmp_path)}
    assert find_asset("etcd", environment) == chosen


def test_the_name_of_the_variable_has_underscores(install: type_of_install, tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.touch(mode=0o755)
    assert find_asset("kube-apiserver", {"TEST_ASSET_KUBE_APISERVER": str(program)}) == program


def test_a_variable_that_names_no_program_is_an_error_and_not_passed_over(
    tmp_path: Path, install: type_of_install
) -> None:
    assets = install("assets")
    environment = {"TEST_ASSET_ETCD": str(tmp_path / "missing"), "KUBEBUILDER_ASSETS": str(assets.parent)}
    with pytest.raises(AssetsMissingError, match=r"TEST_ASSET_ETCD=.*/missing is not a program"):
        find_asset("etcd", environment)


def test_the_assets_directory_wins_over_the_cache(tmp_path: Path, install: type_of_install) -> None:
    install(f".cache/kubebuilder-envtest/k8s/1.36.3-{TARGET}")
    assets = install("assets")
    assert find_asset("etcd", {"KUBEBUILDER_ASSETS": str(assets.parent), "HOME": str(tmp_path)}) == assets


def test_a_program_that_the_assets_directory_lacks_comes_from_the_cache(
    tmp_path: Path, install: type_of_install
) -> None:
    cached = install(f".cache/kubebuilder-envtest/k8s/1.36.3-{TARGET}")
    assert find_asset("etcd", {"KUBEBUILDER_ASSETS": str(tmp_path), "HOME": str(tmp_path)}) == cached


@pytest.mark.parametrize(
    ("cache", "environment"),
    [
        pytest.param(".cache", {}, id="below the home directory"),
        pytest.param("elsewhere", {"XDG_CACHE_HOME": "elsewhere"}, id="XDG_CACHE_HOME"),
    ],
)
def test_the_newest_cached_version_is_taken(
    cache: str, environment: dict[str, str], tmp_path: Path, install: type_of_install
) -> None:
    for version in ("1.9.9", "1.36.10", "1.36.9"):
        install(f"{cache}/kubebuilder-envtest/k8s/{version}-{TARGET}")
    absolute = {name: str(tmp_path / value) for name, value in environment.items()}
    found = find_asset("etcd", {"HOME": str(tmp_path), **absolute})
    assert found.parent.name == f"1.36.10-{TARGET}"


def test_a_relative_cache_directory_is_ignored(
    tmp_path: Path, install: type_of_install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(f"relative/kubebuilder-envtest/k8s/1.99.0-{TARGET}")
    monkeypatch.chdir(tmp_path)
    cached = install(f".cache/kubebuilder-envtest/k8s/1.36.3-{TARGET}")
    assert find_asset("etcd", {"XDG_CACHE_HOME": "relative", "HOME": str(tmp_path)}) == cached


@pytest.mark.parametrize(
    "directory",
    [
        pytest.param("1.36.3-plan9-mips", id="another platform"),
        pytest.param(f"1.36.3-{TARGET}.building.a1b2c3", id="a build under way"),
        pytest.param(f"latest-{TARGET}", id="no version"),
    ],
)
def test_directories_that_hold_no_finished_build_are_passed_over(
    directory: str, tmp_path: Path, install: type_of_install
) -> None:
    wrong = install(f".cache/kubebuilder-envtest/k8s/{directory}").rename(
        tmp_path / ".cache/kubebuilder-envtest/k8s" / directory / "no-such-program"
    )
    assert wrong.exists()
    with pytest.raises(AssetsMissingError):
        find_asset("no-such-program", {"HOME": str(tmp_path)})


def test_a_file_that_cannot_be_executed_is_passed_over(tmp_path: Path, install: type_of_install) -> None:
    install("assets").chmod(0o644)
    cached = install(f".cache/kubebuilder-envtest/k8s/1.36.3-{TARGET}")
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "HOME": str(tmp_path)}
    assert find_asset("etcd", environment) == cached


def test_a_relative_assets_directory_gives_a_path_that_holds_in_every_directory(
    tmp_path: Path, install: type_of_install, monkeypatch: pytest.MonkeyPatch
) -> None:
    assets = install("assets")
    monkeypatch.chdir(tmp_path)
    assert find_asset("etcd", {"KUBEBUILDER_ASSETS": "assets"}) == assets
    assert find_asset("etcd", {"TEST_ASSET_ETCD": "assets/etcd"}) == assets


def test_a_missing_program_names_every_place_and_the_command_that_builds_it(tmp_path: Path) -> None:
    environment = {"KUBEBUILDER_ASSETS": str(tmp_path / "assets"), "HOME": str(tmp_path)}
    with pytest.raises(AssetsMissingError) as raised:
        find_asset("no-such-program", environment)
    message = str(raised.value)
    for part in (
        "TEST_ASSET_NO_SUCH_PROGRAM",
        f"{tmp_path}/assets/no-such-program",
        f"{tmp_path}/.cache/kubebuilder-envtest/k8s/*-{TARGET}/no-such-program",
        "/usr/local/kubebuilder/bin/no-such-program",
        "hack/build-envtest",
        "set KUBEBUILDER_ASSETS",
    ):
        assert part in message
