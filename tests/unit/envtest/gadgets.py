"""A kind for these tests, and what they do with clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import msgspec

from controller_runtime.apimachinery import NamespacedName, Object, ObjectMeta, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client import ApiRequest

LAB = "lab"
PATH = "/apis/example.com/v1/namespaces/lab/gadgets"
A = NamespacedName(LAB, "a")


class GadgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    size: int = 0


class GadgetStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    state: str = ""


class Gadget(Object, frozen=True, kw_only=True, gc=False):
    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Gadget", plural="gadgets")

    spec: GadgetSpec = msgspec.field(default_factory=GadgetSpec)
    status: GadgetStatus = msgspec.field(default_factory=GadgetStatus)


def gadget(name: str = "a", size: int = 0) -> Gadget:
    return Gadget(metadata=ObjectMeta(namespace=LAB, name=name), spec=GadgetSpec(size=size))


def get(path: str = f"{PATH}/a", **options: Any) -> ApiRequest:
    return ApiRequest(method="GET", path=path, **options)


def put(**options: Any) -> ApiRequest:
    return ApiRequest(method="PUT", path=f"{PATH}/a", body=b"{}", **options)


def watch(query: dict[str, str] | None = None, **options: Any) -> ApiRequest:
    return ApiRequest(method="GET", path=PATH, query={"watch": "true", **(query or {})}, **options)


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


async def settle() -> None:
    """Lets everything run to where it waits; virtual time moves only when nothing is ready any more."""
    await asyncio.sleep(0.001)


@asynccontextmanager
async def running(start: Callable[[], Any]) -> AsyncIterator[None]:
    """Runs something until the end of the block, and passes on what it failed with."""
    task = asyncio.ensure_future(start())
    try:
        yield
    finally:
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass
