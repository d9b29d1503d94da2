"""A directory of manifests: what is applied when, what stays and what goes, and what is said of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from boot_operator.standalone.applier import UnknownKindError
from boot_operator.standalone.directory import RETRY_SECONDS, Inventory, ManifestDirectory
from boot_operator.standalone.errors import StandaloneError
from boot_operator.standalone.manifests import Manifest, ObjectKey

pytestmark = pytest.mark.looptime


class Cluster:
    """Holds what was applied; refuses kinds that it was told not to know."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}
        self.calls: list[str] = []
        self.unknown: set[str] = set()

    async def apply(self, manifest: Manifest) -> bool:
        self.calls.append(f"apply {manifest.key.kind} {manifest.key.name}")
        if manifest.key.kind in self.unknown:
            raise UnknownKindError(f"no kind {manifest.key.kind}")
        created = str(manifest.key) not in self.objects
        self.objects[str(manifest.key)] = manifest.body.get("data")
        return created

    async def delete(self, api_version: str, key: ObjectKey) -> bool:
        self.calls.append(f"delete {api_version} {key.kind} {key.name}")
        return self.objects.pop(str(key), None) is not None or True


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "manifests").mkdir()
    return tmp_path / "manifests"


@pytest.fixture
def said() -> Iterator[list[Any]]:
    """The log lines, as dicts."""
    with structlog.testing.capture_logs() as lines:
        yield lines


def directory(path: Path, cluster: Cluster, *, prune: bool = False, inventory: Path | None = None) -> ManifestDirectory:
    return ManifestDirectory(path, cluster, prune=prune, inventory=Inventory(inventory))


def obj(name: str, kind: str = "ConfigMap", version: str = "v1", **parts: Any) -> str:
    return json.dumps({"apiVersion": version, "kind": kind, "metadata": {"name": name}, **parts})


async def test_only_what_changed_is_applied_again(path: Path, cluster: Cluster, said: list[Any]) -> None:
    (path / "a.yaml").write_text(obj("a"))
    (path / "b.yaml").write_text(f"{obj('b')}\n---\n{obj('c')}")
    manifests = directory(path, cluster)
    await manifests.apply_changes()
    await manifests.apply_changes()
    assert cluster.calls == ["apply ConfigMap a", "apply ConfigMap b", "apply ConfigMap c"]
    (path / "a.yaml").write_text(obj("a", data={"x": "1"}))
    await manifests.apply_changes()
    assert cluster.calls[3:] == ["apply ConfigMap a"]
    assert cluster.objects["ConfigMap default/a"] == {"x": "1"}
    assert [(line["event"], line["file"], line["objects"], line["created"]) for line in said] == [
        ("applied manifests", "a.yaml", 1, 1),
        ("applied manifests", "b.yaml", 2, 2),
        ("applied manifests", "a.yaml", 1, 0),
    ]


async def test_namespaces_and_kinds_come_first_whatever_file_they_are_in(path: Path, cluster: Cluster) -> None:
    (path / "a.yaml").write_text(obj("a"))
    (path / "b.yaml").write_text(f"{obj('b', 'CustomResourceDefinition')}\n---\n{obj('c', 'Namespace')}")
    await directory(path, cluster).apply_changes()
    assert cluster.calls == ["apply Namespace c", "apply CustomResourceDefinition b", "apply ConfigMap a"]


async def test_a_broken_file_is_one_line_and_stops_nothing(path: Path, cluster: Cluster, said: list[Any]) -> None:
    (path / "a.yaml").write_text("{")
    (path / "b.yaml").write_text(obj("b"))
    manifests = directory(path, cluster)
    for _ in range(5):
        await manifests.apply_changes()
        await asyncio.sleep(RETRY_SECONDS)
    assert cluster.calls == ["apply ConfigMap b"]
    assert [(line["log_level"], line["file"]) for line in said] == [("error", "a.yaml"), ("info", "b.yaml")]
    (path / "a.yaml").write_text(obj("a"))
    await manifests.apply_changes()
    assert said[-1]["event"] == "applied manifests"


async def test_what_was_refused_is_tried_again_after_a_while_and_the_rest_of_its_file_is_there(
    path: Path, cluster: Cluster, said: list[Any]
) -> None:
    cluster.unknown = {"Machine"}
    (path / "a.yaml").write_text(f"{obj('m', 'Machine')}\n---\n{obj('a')}")
    manifests = directory(path, cluster)
    await manifests.apply_changes()
    await manifests.apply_changes()
    assert cluster.calls == ["apply Machine m", "apply ConfigMap a"]
    assert said == [
        {
            "event": "manifests cannot be applied",
            "log_level": "error",
            "file": "a.yaml",
            "error": "no kind Machine",
            "applied": 1,
        }
    ]
    cluster.unknown = set()
    await asyncio.sleep(RETRY_SECONDS)
    await manifests.apply_changes()
    assert "Machine default/m" in cluster.objects
    assert said[-1]["event"] == "applied manifests"


@pytest.mark.parametrize("prune", [pytest.param(True, id="prune"), pytest.param(False, id="no prune")])
async def test_what_no_file_names_any_more_goes_only_if_that_is_wanted(
    prune: bool, path: Path, cluster: Cluster, said: list[Any]
) -> None:
    (path / "a.yaml").write_text(f"{obj('n', 'Namespace')}\n---\n{obj('a')}\n---\n{obj('shared')}")
    (path / "b.yaml").write_text(f"{obj('b')}\n---\n{obj('shared')}\n---\n{obj('c')}")
    manifests = directory(path, cluster, prune=prune)
    await manifests.apply_changes()
    (path / "a.yaml").unlink()
    (path / "b.yaml").write_text(f"{obj('b')}\n---\n{obj('shared')}")
    said.clear()
    await manifests.apply_changes()
    deleted = [call for call in cluster.calls if call.startswith("delete")]
    # The namespace, in which others may be, goes last.
    assert sorted(deleted[:-1]) == (["delete v1 ConfigMap a", "delete v1 ConfigMap c"] if prune else [])
    assert deleted[-1:] == (["delete v1 Namespace n"] if prune else [])
    key = "deleted" if prune else "left"
    assert [(line["event"], line["file"], line[key]) for line in said] == [
        ("applied manifests", "b.yaml", 1),
        ("manifests were removed", "a.yaml", 2),
    ]


async def test_an_object_in_another_version_of_its_kind_is_the_same(path: Path, cluster: Cluster) -> None:
    (path / "a.yaml").write_text(obj("a", "Machine", "example.com/v1"))
    manifests = directory(path, cluster, prune=True)
    await manifests.apply_changes()
    (path / "a.yaml").write_text(obj("a", "Machine", "example.com/v1beta1"))
    await manifests.apply_changes()
    assert cluster.calls == ["apply Machine a", "apply Machine a"]


async def test_a_file_that_cannot_be_read_takes_nothing_away(path: Path, cluster: Cluster, tmp_path: Path) -> None:
    (path / "a.yaml").write_text(obj("a"))
    await directory(path, cluster, prune=True, inventory=tmp_path / "i").apply_changes()
    (path / "a.yaml").write_text("{")
    for _ in range(2):
        await directory(path, cluster, prune=True, inventory=tmp_path / "i").apply_changes()
    assert list(cluster.objects) == ["ConfigMap default/a"]
    (path / "a.yaml").write_text(obj("b"))
    await directory(path, cluster, prune=True, inventory=tmp_path / "i").apply_changes()
    assert list(cluster.objects) == ["ConfigMap default/b"]


async def test_what_went_while_no_process_looked_goes_at_the_next_start(
    path: Path, cluster: Cluster, tmp_path: Path
) -> None:
    (path / "a.yaml").write_text(obj("a"))
    await directory(path, cluster, inventory=tmp_path / "i").apply_changes()
    (path / "a.yaml").unlink()
    await directory(path, cluster, prune=True, inventory=tmp_path / "i").apply_changes()
    assert cluster.objects == {}


async def test_an_object_that_was_applied_is_remembered_though_the_process_was_killed_right_after(
    path: Path, cluster: Cluster, tmp_path: Path
) -> None:
    class Killed(BaseException):
        pass

    async def apply_and_die(manifest: Manifest) -> bool:
        await Cluster.apply(cluster, manifest)
        raise Killed

    (path / "a.yaml").write_text(obj("a"))
    dying = Cluster()
    dying.apply = apply_and_die  # type: ignore[method-assign]
    with pytest.raises(Killed):
        await directory(path, dying, inventory=tmp_path / "i").apply_changes()
    (path / "a.yaml").write_text(obj("b"))
    await directory(path, cluster, prune=True, inventory=tmp_path / "i").apply_changes()
    assert list(cluster.objects) == ["ConfigMap default/b"]


def move(source: Path, target: Path) -> Path:
    return source.rename(target)


async def test_a_directory_that_is_away_takes_nothing_away_and_is_said_once(
    path: Path, cluster: Cluster, said: list[Any]
) -> None:
    (path / "a.yaml").write_text(obj("a"))
    manifests = directory(path, cluster, prune=True)
    await manifests.apply_changes()
    elsewhere = move(path, path.with_name("elsewhere"))
    for _ in range(3):
        await manifests.apply_changes()
    move(elsewhere, path)
    await manifests.apply_changes()
    assert list(cluster.objects) == ["ConfigMap default/a"]
    assert [line["event"] for line in said] == ["applied manifests", "the directory of manifests cannot be read"]


async def test_following_notices_a_change_within_a_second_or_two(path: Path, cluster: Cluster) -> None:
    manifests = directory(path, cluster)
    following = asyncio.create_task(manifests.follow())
    (path / "a.yaml").write_text(obj("a"))
    await asyncio.sleep(2.5)
    following.cancel()
    await asyncio.wait({following})
    assert list(cluster.objects) == ["ConfigMap default/a"]


@pytest.mark.parametrize("text", [pytest.param("{", id="no JSON"), pytest.param("[]", id="a list"),
                                  pytest.param('{"a": [1]}', id="no objects")])  # fmt: skip
async def test_a_damaged_inventory_is_refused_with_the_way_out(text: str, tmp_path: Path) -> None:
    (tmp_path / "i").write_text(text)
    with pytest.raises(StandaloneError, match=rf"{tmp_path}/i, .* remove it to keep all of them"):
        Inventory(tmp_path / "i").load()
