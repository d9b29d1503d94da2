"""The API server of the simulation: one Lease, optimistic locking, watches, and leader's writes, which it accepts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from controller_runtime.api.coordination_v1 import Lease
from controller_runtime.apimachinery import decode, encode
from controller_runtime.client import ApiRequest, ApiResponse

if TYPE_CHECKING:
    from tests.unit.leaderelection.simulation.link import Call, Stream

LEASES = "/apis/coordination.k8s.io/v1/namespaces/lab/leases"
LEASE_NAME = "lock"
LEASE = f"{LEASES}/{LEASE_NAME}"


def _failure(code: int, reason: str) -> ApiResponse:
    status = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason.lower()}
    return ApiResponse(code, {}, msgspec.json.encode(status))


_OK = ApiResponse(200, {}, b"{}")
_CONFLICT = _failure(409, "Conflict")
_EXISTS = _failure(409, "AlreadyExists")
_MISSING = _failure(404, "NotFound")
_REFUSALS = {code: _failure(code, reason) for code, reason in ((403, "Forbidden"), (500, "InternalError"))}


class ApiServer:
    """Keeps the Lease.

    Args:
        accepted: called with each write to the Lease that was accepted, and the state before it.

    Attributes:
        state: "up", "refusing" connections, or "mute".
        refusal: status code that writes to the Lease are answered with; 0 for none.
        refuses_late: whether the write is carried out all the same.
        watch_refusal: status code that watches are answered with; 0 for none.
        streams: the watches that it serves.
    """

    def __init__(self, accepted: Callable[[Call, Lease | None, Lease], None]) -> None:
        self.state = "up"
        self.refusal = 0
        self.refuses_late = False
        self.watch_refusal = 0
        self.lease: Lease | None = None
        self.streams: list[Stream] = []
        self._accepted = accepted
        self._version = 100
        self._body = b""

    @property
    def holder(self) -> str:
        """Identity of the holder; empty for none."""
        return self.lease.spec.holder_identity if self.lease else ""

    def answer(self, call: Call) -> ApiResponse:
        """Carries out a request."""
        request = call.request
        if not request.path.startswith(LEASES):
            return _OK
        if request.method == "GET":
            return ApiResponse(200, {}, self._body) if self.lease else _MISSING
        if self.refusal and not self.refuses_late:
            return _REFUSALS[self.refusal]
        response = self._write(call, request)
        return _REFUSALS[self.refusal] if self.refusal else response

    def watch(self, stream: Stream) -> int:
        """Begins to serve a watch with the present state; answers with the status code."""
        if self.watch_refusal:
            return self.watch_refusal
        assert stream.request.query["fieldSelector"] == f"metadata.name={LEASE_NAME}"
        self.streams.append(stream)
        if self.lease:
            stream.tell(self._event("ADDED"))
        return 200

    def edit(self) -> None:
        """Another client sets a label: known resource versions are stale, and nothing else has changed."""
        if self.lease:
            labels = {"edited": str(self._version)}
            metadata = msgspec.structs.replace(self.lease.metadata, labels=labels)
            self._store(msgspec.structs.replace(self.lease, metadata=metadata))

    def _write(self, call: Call, request: ApiRequest) -> ApiResponse:
        wanted, before = decode(Lease, request.body or b""), self.lease
        if request.method == "POST":
            if before is not None:
                return _EXISTS
        elif before is None:
            return _MISSING
        elif wanted.metadata.resource_version != before.metadata.resource_version:
            return _CONFLICT
        self._store(wanted)
        self._accepted(call, before, wanted)
        return ApiResponse(200, {}, self._body)

    def _store(self, lease: Lease) -> None:
        kind = "MODIFIED" if self.lease else "ADDED"
        self._version += 1
        metadata = msgspec.structs.replace(lease.metadata, resource_version=str(self._version), uid="uid-of-lease")
        self.lease = msgspec.structs.replace(lease, metadata=metadata)
        self._body = encode(self.lease)
        for stream in self.streams:
            stream.tell(self._event(kind))

    def _event(self, kind: str) -> bytes:
        return b'{"type":"%s","object":%s}\n' % (kind.encode(), self._body)
