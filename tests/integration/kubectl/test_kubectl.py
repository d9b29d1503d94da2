"""kubectl's verbs: all of them work, and the same commands give the same record, whatever the run and the server."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path
from typing import Literal

import pytest

from controller_runtime.envtest import AssetsMissingError, ControlPlane, ControlPlaneOptions, find_asset
from tests.integration.kubectl.session import record

pytestmark = [pytest.mark.integration, pytest.mark.kubectl]


def on_path() -> Path | None:
    """Return the kubectl that users have."""
    found = shutil.which("kubectl")
    return Path(found) if found else None


def objects(record: dict[str, str]) -> dict[str, str]:
    """Return the part of a record that says what is stored."""
    return {step: text for step, text in record.items() if text.startswith("apiVersion: ")}


def difference(first: dict[str, str], second: dict[str, str]) -> str:
    """Return what two records do not share, step by step."""
    parts = [f"steps: {sorted(first.keys() ^ second.keys())}"] if first.keys() != second.keys() else []
    for step in first.keys() & second.keys():
        lines = list(difflib.unified_diff(first[step].splitlines(), second[step].splitlines(), lineterm="", n=2))
        if lines:
            parts.append("\n".join([f"== {step}", *lines[2:]]))
    return "\n".join(parts)


@pytest.fixture(scope="module")
def first(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The record of kubectl in the server's version."""
    return record(control_plane, find_asset("kubectl"), tmp_path_factory.mktemp("first"))


@pytest.mark.timeout(300)
def test_the_same_commands_give_the_same_record(
    control_plane: ControlPlane, first: dict[str, str], tmp_path: Path
) -> None:
    assert not difference(first, record(control_plane, find_asset("kubectl"), tmp_path))


@pytest.mark.timeout(300)
def test_an_older_kubectl_leaves_the_same_objects(
    control_plane: ControlPlane, first: dict[str, str], tmp_path: Path
) -> None:
    binary = on_path()
    if binary is None:
        pytest.skip("there is no other kubectl on PATH")
    assert not difference(objects(first), objects(record(control_plane, binary, tmp_path)))


@pytest.mark.timeout(300)
def test_both_servers_give_the_same_record(control_plane: ControlPlane, first: dict[str, str], tmp_path: Path) -> None:
    name: Literal["embedded", "kubernetes"] = "kubernetes" if control_plane.options.server == "embedded" else "embedded"
    try:
        with ControlPlane(ControlPlaneOptions(server=name, garbage_collection=True)) as other:
            assert not difference(first, record(other, find_asset("kubectl"), tmp_path))
    except AssetsMissingError as error:
        pytest.skip(str(error))
