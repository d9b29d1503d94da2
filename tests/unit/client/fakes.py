"""A transport that is a function, and the kinds that the tests read and write."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import msgspec

from controller_runtime.apimachinery import Condition, Object, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.client import ApiRequest, ApiResponse

Answer = ApiResponse | Awaitable[ApiResponse]


class WidgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is wished for."""

    size: int = 0


class WidgetStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is."""

    state: str = ""
    conditions: tuple[Condition, ...] = ()


class Widget(Object, frozen=True, kw_only=True, gc=False):
    """A namespaced kind with a status."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Widget", plural="widgets")

    spec: WidgetSpec = msgspec.field(default_factory=WidgetSpec)
    status: WidgetStatus = msgspec.field(default_factory=WidgetStatus)


class PartialWidget(Object, frozen=True, kw_only=True, gc=False):
    """A type that models only a part of its kind."""

    resource: ClassVar[Resource] = Widget.resource
    partial: ClassVar[bool] = True


class ScaleSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """The wish of a Scale."""

    replicas: int = 0


class Scale(Object, frozen=True, kw_only=True, gc=False):
    """The body of a subresource, of another type than the object."""

    resource: ClassVar[Resource] = Resource(group="autoscaling", version="v1", kind="Scale", plural="scales")

    spec: ScaleSpec = msgspec.field(default_factory=ScaleSpec)


class Node(Object, frozen=True, kw_only=True, gc=False):
    """A cluster-scoped kind."""

    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Node", plural="nodes", namespaced=False)


@dataclass
class FakeTransport:
    """Answers each request by a function and remembers the requests; streams bring the chunks it was given."""

    answer: Callable[[ApiRequest], Answer] = lambda request: response(404)
    chunks: Iterable[bytes] = ()
    stream_status: int = 200
    requests: list[ApiRequest] = field(default_factory=list)

    async def send(self, request: ApiRequest) -> ApiResponse:
        self.requests.append(request)
        answered = self.answer(request)
        return await answered if inspect.isawaitable(answered) else answered

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[FakeStream]:
        self.requests.append(request)
        yield FakeStream(self.stream_status, {}, iter(self.chunks))

    async def close(self) -> None:
        """Nothing to close."""


@dataclass
class FakeStream:
    """The chunks, one after the other."""

    status: int
    headers: Mapping[str, str]
    chunks: Iterable[bytes]

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            yield chunk


def response(status: int, body: Any = b"", **headers: str) -> ApiResponse:
    """A response; `retry_after="1"` becomes a Retry-After header, anything but bytes becomes JSON."""
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}
    return ApiResponse(status, named, body if isinstance(body, bytes) else json.dumps(body).encode())


def failure(code: int, reason: str, message: str = "no", **details: Any) -> ApiResponse:
    """A response with a Status."""
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return response(code, status | {"details": details})


def widget(name: str = "a", version: str = "1", **fields: Any) -> dict[str, Any]:
    """JSON of a Widget."""
    metadata = {"name": name, "namespace": "default", "resourceVersion": version}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, **fields}
