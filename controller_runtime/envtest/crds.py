"""Installing CustomResourceDefinitions so that the next request can use them."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from controller_runtime.envtest.connection import AdminConnection
from controller_runtime.envtest.errors import CRDError, RequestError

_COLLECTION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
# Discovery as kubectl asks for it; it lags behind the older form by some milliseconds.
_AGGREGATED_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_NOT_FOUND = 404
_POLL_INTERVAL = 0.05  # seconds


def read_crds(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Return the CRDs in files, and in the *.yaml and *.yml files of directories.

    Raises:
        CRDError: A path does not exist, a document is not a CRD, or there is none at all.
    """
    paths = list(paths)
    crds = [crd for path in paths for file in _files(path) for crd in _documents(file)]
    if not crds:
        raise CRDError(
            f"there is no CustomResourceDefinition in {', '.join(map(str, paths)) or 'an empty list of paths'}"
        )
    return crds


def install_crds(connection: AdminConnection, crds: Iterable[dict[str, Any]], timeout: float) -> None:
    """Create or replace CRDs and wait until every served version answers and is in discovery.

    Args:
        connection: Of a user who may do that.
        crds: From `read_crds`.
        timeout: Seconds to wait for all of them.

    Raises:
        CRDError: One is not served in time; the message has its conditions.
        RequestError: The API server refuses one.
    """
    deadline = time.monotonic() + timeout
    installed = [_apply(connection, crd) for crd in crds]
    for name in installed:
        while not _is_served(connection, name):
            if time.monotonic() >= deadline:
                raise CRDError(f"CRD {name} is not served after {timeout:.0f} s: {_conditions(connection, name)}")
            time.sleep(_POLL_INTERVAL)


def _files(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml"})
    elif path.is_file():
        yield path
    else:
        raise CRDError(f"{path} does not exist: no CustomResourceDefinition can be read from it")


def _documents(file: Path) -> Iterator[dict[str, Any]]:
    for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
        if document is None:
            continue
        if not isinstance(document, dict) or document.get("kind") != "CustomResourceDefinition":
            raise CRDError(f"{file} holds a document that is not a CustomResourceDefinition")
        yield document


def _apply(connection: AdminConnection, crd: dict[str, Any]) -> str:
    """Create or replace a CRD; server-side apply has no conflicts with the controllers that write its status."""
    name: str = crd["metadata"]["name"]
    path = f"{_COLLECTION}/{name}?fieldManager=envtest&force=true"
    connection.request("PATCH", path, crd, content_type="application/apply-patch+yaml")
    return name


def _is_served(connection: AdminConnection, name: str) -> bool:
    crd = connection.get(f"{_COLLECTION}/{name}")
    if not any(c["type"] == "Established" and c["status"] == "True" for c in _status_conditions(crd)):
        return False
    group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
    versions = {version["name"] for version in crd["spec"]["versions"] if version["served"]}
    return versions <= _discovered_versions(connection, group, plural) and all(
        _answers(connection, f"/apis/{group}/{version}/{plural}?limit=1") for version in versions
    )


def _discovered_versions(connection: AdminConnection, group: str, plural: str) -> set[str]:
    discovery = connection.get("/apis", accept=_AGGREGATED_DISCOVERY)
    return {
        version["version"]
        for item in discovery["items"]
        if item["metadata"]["name"] == group
        for version in item["versions"]
        if any(resource["resource"] == plural for resource in version.get("resources", ()))
    }


def _answers(connection: AdminConnection, path: str) -> bool:
    try:
        connection.get(path)
    except RequestError as error:
        if error.status != _NOT_FOUND:
            raise
        return False
    return True


def _conditions(connection: AdminConnection, name: str) -> str:
    conditions = _status_conditions(connection.get(f"{_COLLECTION}/{name}"))
    return "; ".join(f"{c['type']}={c['status']} ({c.get('message', '')})" for c in conditions) or "no conditions"


def _status_conditions(crd: dict[str, Any]) -> list[dict[str, Any]]:
    return list(crd.get("status", {}).get("conditions") or ())
