"""An API server that knows Leases, behind lines that can fail: what electors are tested against."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
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
        self.document = {**document, "metadata": metadata}
        self.writes.append((asyncio.get_running_loop().time(), self.lease))

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
    failing: frozenset[str] = frozenset({"GET", "POST", "PUT"})
    """Methods that `failure` is for."""
    delay: Callable[[], float] = lambda: 0.01
    """Seconds for the way there, and the same for the way back."""
    before: Callable[[ApiRequest], None] = lambda request: None
    """Called when a request has reached the API server, before it is carried out."""
    exchanges: list[Exchange] = field(default_factory=list)

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
        return response

    async def _vanish(self, request: ApiRequest) -> None:
        await asyncio.sleep(request.timeout or float("inf"))
        raise RequestTimeoutError("no answer")

    def stream(self, request: ApiRequest) -> AbstractAsyncContextManager[ApiStream]:
        """Electors do not watch."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to close."""
