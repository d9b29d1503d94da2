"""The kind of gadgets.yaml."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class GadgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is wished for; the server makes it grey unless told otherwise."""

    size: int = 0
    color: str = ""


class GadgetStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is."""

    state: str = ""


class Gadget(Object, frozen=True, kw_only=True, gc=False):
    """A namespaced kind with a status subresource."""

    resource: ClassVar[Resource] = Resource(
        group="controllerutil.example.com", version="v1", kind="Gadget", plural="gadgets"
    )

    spec: GadgetSpec = msgspec.field(default_factory=GadgetSpec)
    status: GadgetStatus = msgspec.field(default_factory=GadgetStatus)
