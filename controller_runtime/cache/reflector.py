"""Keeps a copy of one collection in step with the API server: list it, then watch it from there.

Choices, and why:

- **Lists are consistent reads in pages of 500** (no resource version, limit 500), also after a watch was lost. A list
  "from resource version 0" would be answered from the API server's memory, but whole, however large, and perhaps older
  than what this process, or the replica it follows as the leader, has already seen and acted on. Pages bound the memory
  of both sides, and recent API servers serve consistent pages from their memory as well.
- **A watch that is silent for 90 s is given up** and opened again from where it was. Bookmarks come each minute, so the
  connection is probably dead without either side having been told, as when a load balancer forgets it: HTTP/1.1 has no
  ping to find that out. The time leaves half an interval for a busy server; where a server sends no bookmarks, it costs
  one request in 90 s.
- **A watch that breaks off is opened again at once**, like one that the server ended: the resource version still holds.
  Only an API server that cannot be reached, or that asks for patience (429), is waited for; and a watch that ended
  within a second and where it began, because the next would too.
- **What cannot be decoded** is logged, counted and skipped. The last copy that could be decoded stays: serving an old
  state beats treating an object as deleted that is there. Its deletion removes that copy.

"Too large resource version", which a server that lags behind its peers answers, needs no rule of its own: it is one of
the failures that lead to a list, and no list here asks for a version.
"""

from __future__ import annotations

import asyncio
import enum
import random
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import msgspec
import structlog

from controller_runtime.apimachinery import DecodeError, NamespacedName, Object, decode
from controller_runtime.cache.backoff import Backoff
from controller_runtime.cache.errors import VeryShortWatchError
from controller_runtime.cache.store import Staging
from controller_runtime.client import (
    ApiError,
    Client,
    GoneError,
    InvalidResponseError,
    NotFoundError,
    TooManyRequestsError,
    TransportError,
    WatchEvent,
    note_undecodable,
)

T = TypeVar("T", bound=Object)

PAGE_LIMIT = 500
"""Objects in a page: client-go's default (tools/pager)."""
WATCH_SECONDS = (300, 600)
"""A watch lasts a random time between these, so that the watches of many replicas do not end together."""
SILENCE = 90.0
"""Seconds without an event or a bookmark (each minute) after which a watch counts as dead."""
VERY_SHORT = 1.0
"""Seconds; a watch that ends sooner and has not moved the resource version did not work."""
ABSENT_RETRY = 10.0
"""Seconds between two looks for an optional kind that is not there."""
_MAX_RETRY_AFTER = 60.0
"""The API server may ask for a longer wait than the back-off's, but not for one longer than its longest, in seconds."""
_EVENTS_PER_TURN = 100
"""Events that may already be in memory are handled in slices, so that the loop gets its turn."""

log = structlog.get_logger(__name__)


class State(enum.Enum):
    """What a reflector is doing; each line says where success and failure lead.

    A list streamed over a watch (`sendInitialEvents`) would be one more state beside LIST: done, it goes on to WATCH
    with the stream it has; failed, it goes to LIST.
    """

    LIST = "list"
    """Reads pages. Done: WATCH. A page expired: LIST_WHOLE. 404 of an optional kind: ABSENT. Else: BACK_OFF, LIST."""
    LIST_WHOLE = "list whole"
    """Reads all in one response. Done: WATCH. 404 of an optional kind: ABSENT. Else: BACK_OFF, LIST."""
    WATCH = "watch"
    """Follows. Ended, broke off: WATCH. Unreachable, 429: BACK_OFF, WATCH. 410, very short, else: BACK_OFF, LIST."""
    BACK_OFF = "back off"
    """Waits, longer each time. Done: the state that the failure named."""
    ABSENT = "absent"
    """The kind is not served, which is allowed. Waits 10 s: LIST."""


class ReflectorTarget(Protocol[T]):
    """What a reflector keeps in step; the informer is behind it."""

    def stage(self) -> Staging[T]:
        """Begins to take a list."""

    async def replace(self, staged: Staging[T]) -> None:
        """Takes a complete list in place of everything known."""

    def put(self, obj: T) -> None:
        """An object was added or changed."""

    def delete(self, key: NamespacedName, final: T | None) -> None:
        """An object is gone; `final` is its last state, or None if that could not be decoded."""

    async def clear(self) -> None:
        """The optional kind is not served: nothing of it exists."""

    def contact(self) -> None:
        """The API server gave proof that it is there and that the copy is current."""

    def failed(self, verb: str, error: Exception) -> None:
        """Listing or watching failed and will be tried again."""

    def recovered(self, verb: str) -> None:
        """Listing or watching works."""


class Reflector(Generic[T]):
    """Lists and watches one collection until cancelled.

    Args:
        client: the way to the API server.
        kind: class of the objects.
        target: takes what is read.
        namespace: which namespace; empty for the whole cluster.
        optional: whether the API server may not know the kind.

    Attributes:
        state: what it is doing.
        resource_version: up to where the target has seen everything; empty before the first list.
    """

    def __init__(
        self, client: Client, kind: type[T], target: ReflectorTarget[T], *, namespace: str = "", optional: bool = False
    ) -> None:
        self.state = State.LIST
        self.resource_version = ""
        self._client = client
        self._kind = kind
        self._target = target
        self._namespace = namespace
        self._optional = optional
        self._backoff = Backoff()
        self._resume = State.LIST
        self._retry_after = 0.0
        self._log = log.bind(kind=kind.__name__, **({"namespace": namespace} if namespace else {}))
        self._steps: dict[State, Callable[[], Awaitable[State]]] = {
            State.LIST: self._list,
            State.LIST_WHOLE: self._list_whole,
            State.WATCH: self._watch,
            State.BACK_OFF: self._back_off,
            State.ABSENT: self._await_appearance,
        }

    async def run(self) -> None:
        """Goes from state to state until cancelled; no failure of the API server ends it."""
        while True:
            try:
                self.state = await self._steps[self.state]()
            except Exception as error:  # noqa: BLE001 - each is reported, and the copy must be kept up whatever it is
                self.state = await self._after_failure(error)

    # Failure edges

    async def _after_failure(self, error: Exception) -> State:
        match self.state, error:
            case State.LIST | State.LIST_WHOLE, NotFoundError() if self._optional:
                self._target.contact()
                await self._target.clear()
                return State.ABSENT
            case State.WATCH, GoneError():
                self._log.info("the watch's resource version has expired, listing anew", reason=str(error))
                return self._after_waiting(State.LIST, error)
            case State.WATCH, NotFoundError() if self._optional:
                return self._after_waiting(State.LIST, error)  # which then finds out whether the kind is gone
            case State.WATCH, TransportError() | TooManyRequestsError():
                self._target.failed("watch", error)
                return self._after_waiting(State.WATCH, error)
            case State.WATCH, _:
                self._target.failed("watch", error)
                return self._after_waiting(State.LIST, error)
            case _:
                self._target.failed("list", error)
                return self._after_waiting(State.LIST, error)

    def _after_waiting(self, resume: State, error: Exception) -> State:
        self._resume = resume
        asked = error.retry_after if isinstance(error, ApiError) else None
        self._retry_after = min(asked or 0.0, _MAX_RETRY_AFTER)
        return State.BACK_OFF

    async def _back_off(self) -> State:
        delay = max(self._backoff.step(asyncio.get_running_loop().time()), self._retry_after)
        await asyncio.sleep(delay)
        return self._resume

    async def _await_appearance(self) -> State:
        await asyncio.sleep(ABSENT_RETRY)
        return State.LIST

    # Listing

    async def _list(self) -> State:
        staged = self._target.stage()
        first_version, token = await self._read_page(staged, PAGE_LIMIT, "")
        while token:
            try:
                _, token = await self._read_page(staged, PAGE_LIMIT, token)
            except GoneError as error:
                self._log.info("the list took so long that its pages expired, reading it whole", reason=str(error))
                return State.LIST_WHOLE
        return await self._take_list(staged, first_version)

    async def _list_whole(self) -> State:
        staged = self._target.stage()
        version, token = await self._read_page(staged, 0, "")
        while token:  # no server has to give all at once, and what is on the pages left out would count as deleted
            _, token = await self._read_page(staged, 0, token)
        return await self._take_list(staged, version)

    async def _read_page(self, staged: Staging[T], limit: int, token: str) -> tuple[str, str]:
        """Stages one page and returns its resource version and the token of the next."""
        page = await self._client.list(self._kind, namespace=self._namespace, limit=limit, continue_token=token)
        if not page.resource_version:
            raise InvalidResponseError(f"the list of {self._kind.resource.qualified_plural} has no resourceVersion")
        self._target.contact()
        for obj in page.items:
            staged.add(obj)
        for skipped in page.skipped:  # logged and counted by the client
            staged.keep(skipped.key, skipped.uid)
        await asyncio.sleep(0)  # a page is some 20 ms of work, and the next may be in memory already
        return page.resource_version, page.continue_token

    async def _take_list(self, staged: Staging[T], resource_version: str) -> State:
        self.resource_version = resource_version
        self._target.recovered("list")
        await self._target.replace(staged)
        return State.WATCH

    # Watching

    async def _watch(self) -> State:
        attempt = _Attempt(self._target)
        try:
            await self._follow(attempt)
        except TransportError as error:
            if not attempt.worked:
                raise
            self._log.debug("the watch broke off, watching again", reason=str(error))
        else:
            if not attempt.worked:
                raise VeryShortWatchError("the server ended the watch at once and without news")
        finally:
            attempt.end()
        return State.WATCH

    async def _follow(self, attempt: _Attempt) -> None:
        async with self._client.watch(
            self._kind,
            namespace=self._namespace,
            resource_version=self.resource_version,
            timeout_seconds=random.randrange(*WATCH_SECONDS),
            read_timeout=SILENCE,
        ) as stream:
            attempt.opened()
            events = 0
            async for event in stream:
                began_at = self.resource_version
                self._receive(event)
                if self.resource_version != began_at:
                    attempt.progressed()
                events += 1
                if events % _EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _receive(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            raise event.error()
        self._target.contact()
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._receive_object(event)
            case "BOOKMARK":
                self._move_to(_version_of(event.raw))
            case _:
                self._log.warning("skipped a watch event of an unknown type", type=event.type)

    def _receive_object(self, event: WatchEvent) -> None:
        gone = event.type == "DELETED"
        try:
            obj = _decode(self._kind, event.raw)
        except DecodeError as error:
            skipped = note_undecodable(self._kind, event.raw, error)
            if gone:
                self._target.delete(skipped.key, None)
            self._move_to(_version_of(event.raw))
            return
        if gone:
            self._target.delete(obj.key, obj)
        else:
            self._target.put(obj)
        self._move_to(obj.metadata.resource_version)

    def _move_to(self, resource_version: str) -> None:
        if resource_version:
            self.resource_version = resource_version


def _decode(kind: type[T], raw: msgspec.Raw) -> T:
    obj = decode(kind, raw)
    if not obj.metadata.name:  # fields may be absent, so a Table or a Status fits most types
        raise DecodeError(f"cannot decode {kind.__name__}: metadata.name is missing")
    return obj


class _Version(msgspec.Struct, frozen=True, rename="camel", gc=False):
    resource_version: str = ""


class _Versioned(msgspec.Struct, frozen=True, gc=False):
    metadata: _Version = _Version()


def _version_of(raw: msgspec.Raw) -> str:
    """The resource version of anything that has one, whatever else is wrong with it."""
    try:
        return decode(_Versioned, raw).metadata.resource_version
    except DecodeError:
        return ""


class _Attempt:
    """One watch: whether it could be opened, and whether it then worked.

    It works once an event has moved the resource version, or it has held for a second; only then is an earlier failure
    over. An event alone is not enough: a watch opened again from the same version may bring the same one, for ever.
    """

    def __init__(self, target: ReflectorTarget[Any]) -> None:
        self._target = target
        self._has_progressed = False
        self._opened_at: float | None = None
        self._holds: asyncio.TimerHandle | None = None

    def opened(self) -> None:
        loop = asyncio.get_running_loop()
        self._opened_at = loop.time()
        self._holds = loop.call_later(VERY_SHORT, self._target.recovered, "watch")
        self._target.contact()

    def progressed(self) -> None:
        if not self._has_progressed:
            self._has_progressed = True
            self._target.recovered("watch")

    @property
    def worked(self) -> bool:
        if self._opened_at is None:
            return False
        return self._has_progressed or asyncio.get_running_loop().time() - self._opened_at >= VERY_SHORT

    def end(self) -> None:
        if self._holds is not None:
            self._holds.cancel()
