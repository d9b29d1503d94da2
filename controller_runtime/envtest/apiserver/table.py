"""Forms of objects other than their own: rows of a Table, metadata alone (meta.k8s.io/v1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from controller_runtime.envtest.apiserver.columns import Column

IncludeObject: TypeAlias = Literal["Metadata", "None", "Object"] | str
"""What rows hold besides their cells."""


def table(
    columns: Sequence[Column],
    objects: Iterable[Mapping[str, Any]],
    *,
    include_object: IncludeObject = "Metadata",
    list_metadata: Mapping[str, Any],
    version: str = "v1",
    headers: bool = True,
    now: datetime | None = None,
) -> dict[str, Any]:
    """A Table with a row for each object.

    Args:
        columns: of the kind.
        objects: in the version that the client asked for.
        include_object: what rows hold besides their cells.
        list_metadata: of the list, or an object's resourceVersion.
        version: of meta.k8s.io.
        headers: whether the columns are described; a watch does so with its first event alone.
        now: from which ages are counted; the present time by default.
    """
    moment = now or datetime.now(UTC)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(list_metadata),
        "columnDefinitions": [column.definition() for column in columns] if headers else None,
        "rows": [
            {
                "cells": [column.cell(obj, moment) for column in columns],
                "object": _included(obj, include_object, version),
            }
            for obj in objects
        ],
    }


def partial_metadata(obj: Mapping[str, Any], *, version: str = "v1") -> dict[str, Any]:
    """PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": obj["metadata"],
    }


def partial_metadata_list(
    objects: Iterable[Mapping[str, Any]], *, list_metadata: Mapping[str, Any], version: str = "v1"
) -> dict[str, Any]:
    """PartialObjectMetadataList of objects."""
    return {
        "kind": "PartialObjectMetadataList",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": dict(list_metadata),
        "items": [partial_metadata(obj, version=version) for obj in objects],
    }


def _included(obj: Mapping[str, Any], include: IncludeObject, version: str) -> Any:
    match include:
        case "Object":
            return obj
        case "None":
            return None
        case _:
            return partial_metadata(obj, version=version)
