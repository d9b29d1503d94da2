"""Where the programs of a control plane are found.

The order is envtest's (sigs.k8s.io/controller-runtime, pkg/internal/testing/process), with the directory that
`hack/build-envtest` fills in place of a download:

1. `TEST_ASSET_KUBE_APISERVER`, `TEST_ASSET_ETCD`, `TEST_ASSET_KUBECTL`: one program each, by its path;
2. `KUBEBUILDER_ASSETS`: a directory;
3. `$XDG_CACHE_HOME/kubebuilder-envtest/k8s/VERSION-linux-ARCH` (`~/.cache` if unset), newest version first;
4. `/usr/local/kubebuilder/bin`.
"""

import os
import platform
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from controller_runtime.envtest.errors import AssetsMissingError

BUILD_COMMAND = "hack/build-envtest"
"""What a developer runs when a program is missing (in the project's root)."""

_SYSTEM_DIRECTORY = Path("/usr/local/kubebuilder/bin")
_GO_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def find_asset(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the absolute path of a program: it is started in another directory than this one.

    Args:
        name: `kube-apiserver`, `kube-controller-manager`, `etcd` or `kubectl`.
        environment: Variables that say where to look.

    Raises:
        AssetsMissingError: No place has it, or `TEST_ASSET_...` names something that cannot be run.
    """
    variable = "TEST_ASSET_" + name.upper().replace("-", "_")
    if chosen := environment.get(variable):
        if _runnable(Path(chosen)):
            return Path(chosen).absolute()
        raise AssetsMissingError(f"{variable}={chosen} is not a program that can be run: correct or unset {variable}")
    places = [directory / name for directory in _directories(environment)]
    for place in places:
        if _runnable(place):
            return place.absolute()
    looked_at = ", ".join(str(place) for place in places)
    raise AssetsMissingError(
        f"{name} was not found (looked at {variable}, KUBEBUILDER_ASSETS and {looked_at}): "
        f"run {BUILD_COMMAND}, which builds it in about 6 minutes, or set KUBEBUILDER_ASSETS to a directory that has it"
    )


def _directories(environment: Mapping[str, str]) -> Iterator[Path]:
    if assets := environment.get("KUBEBUILDER_ASSETS"):
        yield Path(assets)
    cache = _cache_directory(environment)
    machine = platform.machine()
    target = f"{platform.system().lower()}-{_GO_ARCHITECTURES.get(machine, machine)}"
    built = [path for path in cache.glob(f"*-{target}") if _version(path)]
    # With nothing built yet the pattern itself is named, so that the error says where a build would be.
    yield from sorted(built, key=_version, reverse=True) or [cache / f"*-{target}"]
    yield _SYSTEM_DIRECTORY


def _cache_directory(environment: Mapping[str, str]) -> Path:
    cache = Path(environment.get("XDG_CACHE_HOME", ""))
    # The XDG base directory specification: a relative path is invalid and to be ignored.
    if not cache.is_absolute():
        home = environment.get("HOME")
        cache = (Path(home) if home else Path.home()) / ".cache"
    return cache / "kubebuilder-envtest" / "k8s"


def _version(directory: Path) -> tuple[int, ...]:
    """Versions compare by number (1.9 < 1.36); a directory that is not named after a version has an empty one."""
    match = re.match(r"(\d+)\.(\d+)\.(\d+)-", directory.name)
    return tuple(int(part) for part in match.groups()) if match else ()


def _runnable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)
