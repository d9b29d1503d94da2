"""Reading manifests: the objects in YAML and JSON files, as kubectl reads them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from controller_runtime.envtest.apiserver.yaml_reader import YamlError, read_yaml

SUFFIXES = frozenset({".yaml", ".yml", ".json"})
"""Of files that hold manifests."""

_SEPARATOR = re.compile(r"^---(?=\s|$).*\n?", re.MULTILINE)
_KUSTOMIZATIONS = frozenset({"kustomization.yaml", "kustomization.yml"})
_UNUSABLE = re.compile(r"[/%]|^\.{1,2}$")
_FIRST_KINDS = {"Namespace": 0, "CustomResourceDefinition": 1}


class ManifestError(Exception):
    """A file holds something else than objects; the message says where and what."""


class ObjectKey(NamedTuple):
    """What makes two manifests manifests of the same object; versions of a kind do not."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """`IPXEBootConfig default/machine-1`."""
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """An object as somebody wants it.

    Attributes:
        body: the whole object.
        api_version: its `apiVersion`.
        key: which one it is; the namespace is `default` where none is named, for kinds that have none too.
    """

    body: dict[str, Any]
    api_version: str
    key: ObjectKey


def rank(key: ObjectKey) -> int:
    """Objects of lower rank are applied first: namespaces, then kinds, then what needs them."""
    return _FIRST_KINDS.get(key.kind, len(_FIRST_KINDS))


def manifest_files(directory: Path) -> list[Path]:
    """The files of a directory that are read, by name: what is hidden, and what kustomize alone understands, is not.

    Raises:
        OSError: the directory cannot be read.
    """
    return sorted(
        file
        for file in directory.iterdir()
        if file.suffix in SUFFIXES
        and not file.name.startswith(".")
        and file.name not in _KUSTOMIZATIONS
        and file.is_file()
    )


def read_manifests(file: Path) -> list[Manifest]:
    """The objects of a file in their order; those of a List stand for themselves.

    Raises:
        ManifestError: the file cannot be read, is no YAML or JSON, or holds something else than objects.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"it cannot be read: {error}") from error
    documents = _json(text) if file.suffix == ".json" else list(_yaml(text))
    return [_manifest(body, where) for document, where in documents for body in _objects(document)]


def manifest(body: dict[str, Any]) -> Manifest:
    """An object as a manifest.

    Raises:
        ManifestError: it lacks what an object must have.
    """
    return _manifest(body, "the object")


def _json(text: str) -> list[tuple[Any, str]]:
    try:
        return [(json.loads(text), "the document")]
    except ValueError as error:
        raise ManifestError(f"it is no JSON: {error}") from error


def _yaml(text: str) -> Iterator[tuple[Any, str]]:
    # As kubectl does it: a line of three dashes ends a document, whatever YAML thinks of it. The lines before a
    # document are kept as empty ones, so that errors name the line of the file.
    starts = [0, *(match.end() for match in _SEPARATOR.finditer(text))]
    ends = [*(match.start() for match in _SEPARATOR.finditer(text)), len(text)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        where = f"document {number}"
        try:
            value, objections = read_yaml(("\n" * text.count("\n", 0, start) + text[start:end]).encode())
        except YamlError as error:
            raise ManifestError(f"{where} is no YAML: {error}") from error
        if objections:
            raise ManifestError(f"{where} is ambiguous: {' '.join(objections[0].split())}")
        if value is not None:
            yield value, where


def _objects(document: Any) -> list[Any]:
    if isinstance(document, dict) and document.get("kind") == "List" and isinstance(document.get("items"), list):
        return list(document["items"])
    return [document]


def _manifest(body: Any, where: str) -> Manifest:
    if not isinstance(body, dict):
        raise ManifestError(f"{where} is no object: it is a {type(body).__name__}")
    metadata = body.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    api_version, kind = _text(body, "apiVersion", where), _text(body, "kind", where)
    name = _text(metadata, "name", f"{where} ({kind})", "metadata.")
    namespace = (
        _text(metadata, "namespace", f"{where} ({kind})", "metadata.") if metadata.get("namespace") else "default"
    )
    group = api_version.rpartition("/")[0]
    return Manifest(body, api_version, ObjectKey(group, kind, namespace, name))


def _text(fields: dict[str, Any], name: str, where: str, prefix: str = "") -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not value:
        raise ManifestError(f"{where} has no {prefix}{name}")
    if name != "apiVersion" and _UNUSABLE.search(value):
        raise ManifestError(f"{where} has a {prefix}{name} that cannot be one: {value!r}")
    return value
