"""An API server in memory, behind the transport seam: no sockets, on the test's clock.

It obeys the rules that a reflector depends on, as kube-apiserver keeps them:

- one counter of resource versions for everything; each change takes the next;
- a list without a resource version is consistent and comes in pages, whose tokens hold on to the first page's version;
  a list at version 0 comes whole, whatever the limit;
- a watch first replays the changes after its version, then goes on with what happens; it sends bookmarks each minute
  and ends after its `timeoutSeconds`;
- compaction forgets history: page tokens and watches from before it are answered with 410 Expired.

Everything that can go wrong is switched on by the test: see `go_down`, `answer_next`, `break_watches`, `mute_watches`.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from controller_runtime.apimachinery import NamespacedName, Object, Resource
from controller_runtime.client import ConnectError, ConnectionLostError, RequestTimeoutError
from controller_runtime.client.transport import ApiRequest, ApiResponse, ApiStream

BOOKMARK_SECONDS = 60.0
Document = dict[str, Any]


class Change(NamedTuple):
    """One entry of the history."""

    revision: int
    type: str
    resource: Resource
    document: Document


class Answer(NamedTuple):
    """A failure that a test has planned."""

    code: int
    reason: str
    message: str
    retry_after: int | None = None
    cause: str = ""


def status(answer: Answer) -> Document:
    """A metav1.Status."""
    details: Document = {"retryAfterSeconds": answer.retry_after} if answer.retry_after else {}
    if answer.cause:
        details["causes"] = [{"reason": answer.cause, "message": answer.message}]
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "message": answer.message,
        "reason": answer.reason,
        "code": answer.code,
        "details": details,
    }


@dataclass(eq=False)
class Watch:
    """An open watch."""

    resource: Resource
    namespace: str
    metadata_only: bool
    muted: bool = False
    queue: asyncio.Queue[bytes | Exception | None] = field(default_factory=asyncio.Queue)
    """Lines; an exception breaks the connection, None ends it in order."""

    def offer(self, change: Change) -> None:
        """Sends a change if it is one of this watch's."""
        if change.resource == self.resource and self.namespace in ("", change.document["metadata"]["namespace"]):
            document = _form(change.document, change.resource, metadata_only=self.metadata_only)
            self.send(change.type, document)

    def send(self, event: str, document: Document) -> None:
        """Sends one event."""
        self.put(json.dumps({"type": event, "object": document}).encode() + b"\n")

    def put(self, piece: bytes | Exception | None) -> None:
        """Sends bytes or an end, unless nothing gets through any more."""
        if not self.muted:
            self.queue.put_nowait(piece)


class Stream:
    """The body of a watch while it is read."""

    def __init__(self, code: int, headers: Mapping[str, str], watch: Watch, read_timeout: float | None) -> None:
        self.status = code
        self.headers = headers
        self._watch = watch
        self._read_timeout = read_timeout

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self._read()) is not None:
            yield piece

    async def _read(self) -> bytes | None:
        try:
            async with asyncio.timeout(self._read_timeout):
                piece = await self._watch.queue.get()
        except TimeoutError as error:
            raise RequestTimeoutError("nothing was read in time") from error
        if isinstance(piece, Exception):
            raise piece
        return piece


class MemoryApi:
    """The server and, at once, the transport to it.

    Attributes:
        down: connections are refused, and open ones break.
        bookmarks: whether bookmarks are sent to those who ask.
        gone_in_stream: a watch from a forgotten version opens and then sends ERROR, as kube-apiserver does; else 410.
        unserved: plurals that are answered with a bare 404, as without a CRD.
        forbidden: pairs of verb (`list`, `watch`) and plural that RBAC refuses.
        requests: all that came in, oldest first, with the loop's time.
    """

    def __init__(self, *kinds: type[Object]) -> None:
        self.revision = 100
        self.down = False
        self.bookmarks = True
        self.gone_in_stream = True
        self.unserved: set[str] = set()
        self.forbidden: set[tuple[str, str]] = set()
        self.requests: list[tuple[float, str, ApiRequest]] = []
        self._resources = [kind.resource for kind in kinds]
        self._objects: dict[Resource, dict[NamespacedName, Document]] = {one: {} for one in self._resources}
        self._history: list[Change] = []
        self._compacted = 100
        self._snapshots: dict[int, list[Document]] = {}
        self._watches: list[Watch] = []
        self._planned: dict[str, deque[Answer]] = {"list": deque(), "watch": deque()}
        self._uids = 0

    # What happens in the cluster

    def documents(self, kind: type[Object]) -> dict[NamespacedName, Document]:
        """Everything that exists of a kind."""
        return self._objects[kind.resource]

    def create(self, kind: type[Object], name: str, namespace: str = "", **fields: Any) -> Document:
        """Creates an object; `labels` and `annotations` go into its metadata, other fields beside it."""
        self._uids += 1
        metadata = {"name": name, "uid": f"uid-{self._uids}"} | ({"namespace": namespace} if namespace else {})
        metadata |= {part: fields.pop(part) for part in ("labels", "annotations") if part in fields}
        return self._change("ADDED", kind.resource, {"metadata": metadata, **fields})

    def update(self, kind: type[Object], name: str, namespace: str = "", **fields: Any) -> Document:
        """Replaces fields of an object."""
        document = self._objects[kind.resource][NamespacedName(namespace, name)]
        return self._change("MODIFIED", kind.resource, copy.deepcopy(document) | fields)

    def delete(self, kind: type[Object], name: str, namespace: str = "") -> None:
        """Deletes an object."""
        document = self._objects[kind.resource][NamespacedName(namespace, name)]
        self._change("DELETED", kind.resource, copy.deepcopy(document))

    def _change(self, event: str, resource: Resource, document: Document) -> Document:
        self.revision += 1
        metadata = document["metadata"]
        metadata["resourceVersion"] = str(self.revision)
        key = NamespacedName(metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            del self._objects[resource][key]
        else:
            self._objects[resource][key] = document
        change = Change(self.revision, event, resource, document)
        self._history.append(change)
        for watch in self._watches:
            watch.offer(change)
        return document

    def compact(self) -> None:
        """Forgets all history up to now."""
        self._compacted = self.revision
        self._history.clear()
        self._snapshots.clear()

    # What goes wrong

    def answer_next(self, verb: str, *answers: Answer) -> None:
        """Has the next requests of a verb (`list`, `watch`) answered like that, one each."""
        self._planned[verb].extend(answers)

    def forget_plans(self) -> None:
        """Drops the failures that were planned and have not happened yet."""
        for planned in self._planned.values():
            planned.clear()

    def break_watches(self) -> None:
        """Cuts the connections of all watches."""
        self._end_watches(ConnectionLostError("connection reset by peer"))

    def end_watches(self) -> None:
        """Ends all watches in order, as when their time is over."""
        self._end_watches(None)

    def mute_watches(self) -> None:
        """Lets nothing reach the watches that are open, nor end them, as behind a dead connection."""
        for watch in self._watches:
            watch.muted = True

    def send_all(self, event: str, document: Document) -> None:
        """Sends an event of the test's own making to every watch."""
        for watch in self._watches:
            watch.send(event, document)

    def write_all(self, piece: bytes) -> None:
        """Writes bytes that may be anything to every watch."""
        for watch in self._watches:
            watch.put(piece)

    def _end_watches(self, how: Exception | None) -> None:
        for watch in self._watches:
            watch.put(how)

    def go_down(self) -> None:
        """Takes the server away."""
        self.down = True
        self.break_watches()

    # What tests look at

    @property
    def watches(self) -> int:
        """How many watches are open."""
        return len(self._watches)

    def requested(self, verb: str) -> list[tuple[float, ApiRequest]]:
        """Requests of one verb (`list`, `watch`), with the loop's time of each."""
        return [(time, request) for time, made, request in self.requests if made == verb]

    # The transport

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Answers a list."""
        failure, resource, namespace = self._admit("list", request)
        if resource is None or failure is not None:
            return _refusal(failure)
        query = request.query
        if token := query.get("continue"):
            return self._next_page(request, resource, token)
        documents = self._snapshot(resource, namespace)
        limit = 0 if query.get("resourceVersion") == "0" else int(query.get("limit", "0"))
        return self._page(request, resource, self.revision, documents, limit)

    @asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Answers a watch."""
        failure, resource, namespace = self._admit("watch", request)
        watch = Watch(resource or self._resources[0], namespace, _wants_metadata(request))
        since = int(request.query.get("resourceVersion") or "0")
        expired = Answer(410, "Expired", f"too old resource version: {since} ({self._compacted})")
        if failure is None and resource is not None and since < self._compacted and not self.gone_in_stream:
            failure = expired
        if resource is None or failure is not None:
            refusal = _refusal(failure)
            watch.put(refusal.body)
            watch.put(None)
            yield Stream(refusal.status, refusal.headers, watch, request.read_timeout)
            return
        if since < self._compacted:
            watch.send("ERROR", status(expired))
            watch.put(None)
        async with self._kept_open(watch, request, since):
            yield Stream(200, {}, watch, request.read_timeout)

    @asynccontextmanager
    async def _kept_open(self, watch: Watch, request: ApiRequest, since: int) -> AsyncIterator[None]:
        loop = asyncio.get_running_loop()
        for change in self._history:
            if change.revision > since:
                watch.offer(change)
        self._watches.append(watch)
        over = loop.call_later(float(request.query["timeoutSeconds"]), watch.put, None)
        wanted = self.bookmarks and request.query.get("allowWatchBookmarks") == "true"
        marking = loop.create_task(self._mark(watch)) if wanted else None
        try:
            yield
        finally:
            self._watches.remove(watch)
            over.cancel()
            if marking is not None:
                marking.cancel()

    async def _mark(self, watch: Watch) -> None:
        resource = watch.resource
        while True:
            await asyncio.sleep(BOOKMARK_SECONDS)
            document = {"kind": resource.kind, "apiVersion": resource.api_version}
            watch.send("BOOKMARK", document | {"metadata": {"resourceVersion": str(self.revision)}})

    async def close(self) -> None:
        """Has nothing to close."""

    # How requests are understood

    def _admit(self, verb: str, request: ApiRequest) -> tuple[Answer | None, Resource | None, str]:
        """The planned or deserved failure, what the path names, and its namespace."""
        self.requests.append((asyncio.get_running_loop().time(), verb, request))
        if self.down:
            raise ConnectError("connection refused")
        resource, namespace = self._addressed(request.path)
        if self._planned[verb]:
            return self._planned[verb].popleft(), resource, namespace
        if resource is not None and (verb, resource.plural) in self.forbidden:
            user = "system:serviceaccount:default:operator"
            message = f'{resource.plural} is forbidden: User "{user}" cannot {verb} resource "{resource.plural}"'
            return Answer(403, "Forbidden", message), resource, namespace
        return None, resource, namespace

    def _addressed(self, path: str) -> tuple[Resource | None, str]:
        for resource in self._resources:
            if resource.plural in self.unserved:
                continue
            if path == resource.path():
                return resource, ""
            head, _, tail = path.partition("/namespaces/")
            namespace = tail.partition("/")[0]
            if head and namespace and path == resource.path(namespace):
                return resource, namespace
        return None, ""

    def _snapshot(self, resource: Resource, namespace: str) -> list[Document]:
        found = sorted(self._objects[resource].items())
        return [document for key, document in found if namespace in ("", key.namespace)]

    def _next_page(self, request: ApiRequest, resource: Resource, token: str) -> ApiResponse:
        place = json.loads(base64.b64decode(token))
        if place["revision"] < self._compacted:
            return _refusal(Answer(410, "Expired", "The provided continue parameter is too old"))
        documents = self._snapshots[place["snapshot"]][place["from"] :]
        return self._page(request, resource, place["revision"], documents, int(request.query["limit"]))

    def _page(
        self, request: ApiRequest, resource: Resource, revision: int, documents: list[Document], limit: int
    ) -> ApiResponse:
        metadata = {"resourceVersion": str(revision)}
        if limit and len(documents) > limit:
            snapshot = len(self.requests)
            self._snapshots[snapshot] = documents
            place = {"revision": revision, "snapshot": snapshot, "from": limit}
            metadata["continue"] = base64.b64encode(json.dumps(place).encode()).decode()
            documents = documents[:limit]
        only = _wants_metadata(request)
        items = [_form(document, None, metadata_only=only) for document in documents]
        body = {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": metadata,
            "items": items,
        }
        return ApiResponse(status=200, headers={}, body=json.dumps(body).encode())


def _wants_metadata(request: ApiRequest) -> bool:
    return "as=PartialObjectMetadata" in request.accept


def _form(document: Document, resource: Resource | None, *, metadata_only: bool) -> Document:
    """The document as it is sent: items of lists lack kind and apiVersion, objects of watches have them."""
    sent: Document = {} if resource is None else {"kind": resource.kind, "apiVersion": resource.api_version}
    return sent | ({"metadata": document["metadata"]} if metadata_only else document)


def _refusal(answer: Answer | None) -> ApiResponse:
    """The response of a failure; a path that names nothing gets the bare 404 of the server's mux."""
    if answer is None:
        return ApiResponse(status=404, headers={"Content-Type": "text/plain"}, body=b"404 page not found\n")
    headers = {"Retry-After": str(answer.retry_after)} if answer.retry_after else {}
    return ApiResponse(status=answer.code, headers=headers, body=json.dumps(status(answer)).encode())


def size_spec(size: int, tags: Iterable[str] = ()) -> Document:
    """The spec of a Gadget."""
    return {"size": size, "tags": list(tags)}
