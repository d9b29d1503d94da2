"""An API server that knows Leases, behind lines that can fail: what electors are tested against."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.apimachinery import decode
from controller_runtime.client import ApiRequest, ApiResponse, ApiStream, Client, ConnectError, RequestTimeoutError

LEASE_PATH = "/apis/coordination.k8s.io/v1/namespaces/lab/leases"
LEASE_NAME = "lock"


def _failure(code: int, reason: str) -> ApiResponse:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason.lower()}
    return ApiResponse(code, {}, json.dumps(status).encode())


@dataclass
class LeaseApi:
    """Keeps the one Lease, with the optimistic locking of kube-apiserver."""

    document: dict[str, Any] | None = None
    version: int = 0
    writes: list[tuple[float, Lease]] = field(default_factory=list)
    """Loop time and Lease of each write that was accepted."""
    watches: list[Watch] = field(default_factory=list)
    """Watches that are being served."""

    @property
    def lease(self) -> Lease:
        """The Lease as it is stored."""
        assert self.document is not None, "there is no Lease"
        return decode(Lease, json.dumps(self.document).encode())

    @property
    def holder(self) -> str:
        """Identity of the holder; empty for none."""
        return self.lease.spec.holder_identity if self.document else ""

    def store(self, document: dict[str, Any]) -> None:
        """Stores the Lease under the next resourceVersion, as any other client might."""
        self.version += 1
        metadata = {"uid": "uid-of-lease", **document["metadata"], "resourceVersion": str(self.version)}
        event = "MODIFIED" if self.document else "ADDED"
        self.document = {**document, "metadata": metadata}
        self.writes.append((asyncio.get_running_loop().time(), self.lease))
        self._tell(event)

    def delete(self) -> None:
        """Deletes the Lease behind the electors' back."""
        assert self.document is not None, "there is no Lease"
        self.version += 1
        metadata = {**self.document["metadata"], "resourceVersion": str(self.version)}
        self.document = {**self.document, "metadata": metadata}
        self._tell("DELETED")
        self.document = None

    def watch(self, watch: Watch) -> None:
        """Begins to serve a watch, with the present state."""
        self.watches.append(watch)
        if self.document is not None:
            watch.tell(self._event("ADDED"))

    def _tell(self, event: str) -> None:
        for watch in self.watches:
            watch.tell(self._event(event))

    def _event(self, event: str) -> bytes:
        return json.dumps({"type": event, "object": self.document}).encode() + b"\n"

    def edit(self, **spec: Any) -> None:
        """Changes fields of the spec behind the electors' back; creates the Lease if there is none."""
        old = self.document or {"metadata": {"namespace": "lab", "name": LEASE_NAME}, "spec": {}}
        self.store({**old, "spec": {**old["spec"], **spec}})

    def label(self, name: str, value: str) -> None:
        """Sets a label, which makes every known resourceVersion stale and changes nothing else."""
        assert self.document is not None, "there is no Lease"
        labels = {**self.document["metadata"].get("labels", {}), name: value}
        self.store({**self.document, "metadata": {**self.document["metadata"], "labels": labels}})

    def answer(self, request: ApiRequest) -> ApiResponse:
        """Carries out a request."""
        if request.method == "POST":
            assert request.path == LEASE_PATH
            return self._write(request) if self.document is None else _failure(409, "AlreadyExists")
        assert request.path == f"{LEASE_PATH}/{LEASE_NAME}"
        if self.document is None:
            return _failure(404, "NotFound")
        if request.method == "PUT":
            wanted = json.loads(request.body or b"")["metadata"].get("resourceVersion")
            return self._write(request) if wanted == str(self.version) else _failure(409, "Conflict")
        assert request.method == "GET"
        return self._stored()

    def _write(self, request: ApiRequest) -> ApiResponse:
        self.store(json.loads(request.body or b""))
        return self._stored()

    def _stored(self) -> ApiResponse:
        return ApiResponse(200, {}, json.dumps(self.document).encode())


class Watch:
    """A stream of events, as one client sees it."""

    def __init__(self, request: ApiRequest, status: int = 200) -> None:
        self.status = status
        self.headers: dict[str, str] = {}
        self.request = request
        self.silent = False
        """Whether nothing comes out any more."""
        self._chunks: asyncio.Queue[bytes | None] = asyncio.Queue()

    def tell(self, event: bytes) -> None:
        """An event is on its way; it arrives at once."""
        if not self.silent:
            self._chunks.put_nowait(event)

    def end(self) -> None:
        """The server ends it in good order."""
        self._chunks.put_nowait(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            async with asyncio.timeout(self.request.read_timeout):
                chunk = await self._chunks.get()
        except TimeoutError as error:
            raise RequestTimeoutError("silence") from error
        if chunk is None:
            raise StopAsyncIteration
        return chunk


@dataclass
class Exchange:
    """One request on a line, with loop times."""

    method: str
    sent: float
    ended: float | None = None
    """When the answer came, or the line gave up, or the asker did."""


@dataclass
class Line:
    """The connection of one replica to the API server: a Transport with faults."""

    api: LeaseApi
    cut: bool = False
    """Requests vanish: nobody answers, nothing is carried out."""
    refused: bool = False
    """No connection at all: an error at once."""
    lose_answers: bool = False
    """Requests are carried out, but the answers vanish."""
    failure: tuple[int, str] | None = None
    """Code and reason of the answer to each request, which is not carried out."""
    failing: frozenset[str] = frozenset({"GET", "POST", "PUT", "WATCH"})
    """Methods that `failure` is for."""
    delay: Callable[[], float] = lambda: 0.01
    """Seconds for the way there, and the same for the way back."""
    before: Callable[[ApiRequest], None] = lambda request: None
    """Called when a request has reached the API server, before it is carried out."""
    after: Callable[[ApiRequest], None] = lambda request: None
    """Called when an answer has arrived, before the client gets it."""
    exchanges: list[Exchange] = field(default_factory=list)
    """All requests but watches."""
    watches: list[Exchange] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """Methods of all requests so far."""
        return [exchange.method for exchange in self.exchanges]

    @property
    def client(self) -> Client:
        """A client on this line."""
        return Client(self)

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Answers, sooner or later or not at all."""
        loop = asyncio.get_running_loop()
        exchange = Exchange(request.method, loop.time())
        self.exchanges.append(exchange)
        try:
            return await self._carry(request)
        finally:
            exchange.ended = loop.time()

    async def _carry(self, request: ApiRequest) -> ApiResponse:
        delay = self.delay()
        await asyncio.sleep(delay)
        if self.refused:
            raise ConnectError("connection refused")
        if self.cut:
            await self._vanish(request)
        self.before(request)
        if self.failure and request.method in self.failing:
            response = _failure(*self.failure)
        else:
            response = self.api.answer(request)
        if self.lose_answers:
            await self._vanish(request)
        await asyncio.sleep(delay)
        self.after(request)
        return response

    async def _vanish(self, request: ApiRequest) -> None:
        await asyncio.sleep(request.timeout or float("inf"))
        raise RequestTimeoutError("no answer")

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Watches; `failure` answers if `failing` has WATCH."""
        loop = asyncio.get_running_loop()
        exchange = Exchange("WATCH", loop.time())
        self.watches.append(exchange)
        watch = await self._open(request)
        try:
            yield watch
        finally:
            exchange.ended = loop.time()
            if watch in self.api.watches:
                self.api.watches.remove(watch)

    async def _open(self, request: ApiRequest) -> Watch:
        assert request.path == LEASE_PATH
        assert request.query["fieldSelector"] == f"metadata.name={LEASE_NAME}"
        await asyncio.sleep(self.delay())
        if self.refused:
            raise ConnectError("connection refused")
        if self.cut or self.lose_answers:
            await asyncio.sleep(request.read_timeout or float("inf"))
            raise RequestTimeoutError("no answer")
        if self.failure and "WATCH" in self.failing:
            response = _failure(*self.failure)
            watch = Watch(request, response.status)
            watch.tell(response.body)
            watch.end()
            return watch
        watch = Watch(request)
        self.api.watch(watch)
        return watch

    async def close(self) -> None:
        """Nothing to close."""
