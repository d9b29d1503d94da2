"""Kinds that exist for these tests alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class GadgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """An undecodable Gadget has text for its size."""

    size: int = 0
    tags: tuple[str, ...] = ()


class Gadget(Object, frozen=True, kw_only=True, gc=False):
    """Lives in namespaces."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Gadget", plural="gadgets")

    spec: GadgetSpec = msgspec.field(default_factory=GadgetSpec)


class Planet(Object, frozen=True, kw_only=True, gc=False):
    """Is cluster-scoped."""

    resource: ClassVar[Resource] = Resource(
        group="example.com", version="v1", kind="Planet", plural="planets", namespaced=False
    )


def size_spec(size: int, tags: Iterable[str] = ()) -> dict[str, Any]:
    """The spec of a Gadget."""
    return {"size": size, "tags": list(tags)}
