"""The kind of the benchmark; widget.yaml is its CRD, go/widget.go the same type for Go."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class WidgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """What the driver writes."""

    number: int = 0
    image: str = ""
    arguments: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class WidgetStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """What a contender writes: twice the spec's number, and how often it has written."""

    doubled: int = 0
    writes: int = 0


class Widget(Object, frozen=True, kw_only=True, gc=False):
    """An object of about 700 bytes, 1,200 with the server's managedFields."""

    resource: ClassVar[Resource] = Resource(group="bench.ironcore.dev", version="v1", kind="Widget", plural="widgets")

    spec: WidgetSpec = msgspec.field(default_factory=WidgetSpec)
    status: WidgetStatus = msgspec.field(default_factory=WidgetStatus)
