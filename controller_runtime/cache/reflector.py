"""Keeps a copy of one collection in step with the API server: list it, then watch it from there.

Choices, and why:

- **Lists are consistent reads in pages of 500** (no resource version, limit 500), also after a watch was lost. A list
  "from resource version 0" would be answered from the API server's memory, but whole, however large, and perhaps older
  than what this process, or the replica it follows as the leader, has already seen and acted on. Pages bound the memory
  of both sides, and recent API servers serve consistent pages from their memory as well.
- **A list may come as the beginning of the watch** (`sendInitialEvents`, KEP-3157), if the option `streaming_list` says
  so. Its stream then goes on as the watch. It is bounded: 15 s of silence, a minute and 2 ms for each object in all, or
  any failure that waiting would not mend, lead to pages. Not the default: with 10,000 objects of 1.2 KB on
  kube-apiserver 1.36 it took 1.5 s instead of 0.6 s, 1.1 s of the server's CPU instead of 0.6 s, 15 to 40 % more of
  ours, and as much memory.
- **A watch that is silent for 90 s is given up** and opened again from where it was. Bookmarks come each minute, so the
  connection is probably dead without either side having been told, as when a load balancer forgets it: HTTP/1.1 has no
  ping to find that out. The time leaves half an interval for a busy server; where a server sends no bookmarks, it costs
  one request in 90 s.
- **A watch that breaks off is opened again at once**, like one that the server ended: the resource version still holds.
  Only an API server that cannot be reached, or that asks for patience (429), is waited for; and a watch that ended
  within a second and where it began, because the next would too.
- **Somebody may ask for a list** (`relist`), who must not rely on a watch that may be dead: a new leader. That ends a
  back-off, too: who has just won an election knows that the API server is back.
- **What cannot be decoded** is logged, counted and skipped. The last copy that could be decoded stays: serving an old
  state beats treating an object as deleted that is there. Its deletion removes that copy.

"Too large resource version", which a server that lags behind its peers answers, needs no rule of its own: it is one of
the failures that lead to a list, and no list here asks for a version.
"""

from __future__ import annotations

import asyncio
import enum
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

import structlog

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache.attempts import Attempt
from controller_runtime.cache.backoff import Backoff
from controller_runtime.cache.errors import StreamingListError
from controller_runtime.cache.intake import Intake, version_of
from controller_runtime.cache.options import WHOLE_CLUSTER, Scope, Transform
from controller_runtime.cache.reader import EVENTS_PER_TURN, Reader, StreamingLists
from controller_runtime.cache.store import Staging
from controller_runtime.cache.target import ReflectorTarget
from controller_runtime.client import (
    ApiError,
    BadRequestError,
    Client,
    ConnectError,
    ForbiddenError,
    GoneError,
    InvalidError,
    NotFoundError,
    TooManyRequestsError,
    TransportError,
    WatchEvent,
)

T = TypeVar("T", bound=Object)

PAGE_LIMIT = 500
"""Objects in a page: client-go's default (tools/pager)."""
ABSENT_RETRY = 10.0
"""Seconds between two looks for an optional kind that is not there."""
_MAX_RETRY_AFTER = 60.0
"""The API server may ask for a longer wait than the back-off's, but not for one longer than its longest, in seconds."""

log = structlog.get_logger(__name__)


class State(enum.Enum):
    """What a reflector is doing; each line says where success and failure lead.

    READ stands for STREAM where streaming lists are wanted and the server has them, else for LIST.
    """

    STREAM = "stream"
    """Reads all as the beginning of a watch. Done: WATCH, with the same stream. Unreachable, 429: BACK_OFF, STREAM. 404
    of an optional kind: ABSENT. Silent, too slow, broken off, ended, refused, else: LIST at once."""
    LIST = "list"
    """Reads pages. Done: WATCH. A page expired: LIST_WHOLE. 404 of an optional kind: ABSENT. Else: BACK_OFF, LIST."""
    LIST_WHOLE = "list whole"
    """Reads all in one response. Done: WATCH. 404 of an optional kind: ABSENT. Else: BACK_OFF, LIST."""
    WATCH = "watch"
    """Follows. Ended, broke off: WATCH. Unreachable, 429: BACK_OFF, WATCH. 410, very short, else: BACK_OFF, READ. A
    list is asked for (`Reflector.relist`): READ."""
    BACK_OFF = "back off"
    """Waits, longer each time. Done: the state that the failure named. A list is asked for: READ."""
    ABSENT = "absent"
    """The kind is not served, which is allowed. Waits 10 s: READ."""


class _ListWantedError(Exception):
    """Somebody asked for a list while the reflector watched or waited."""


class Reflector(Generic[T]):
    """Reads and follows one collection until cancelled.

    Args:
        client: the way to the API server.
        kind: class of the objects.
        target: takes what is read.
        scope: what to read of the kind.
        transform: makes what the target gets of what was read.
        optional: whether the API server may not know the kind.
        bookmarks: whether to ask for bookmarks.
        streaming: whether the server streams lists; None if they are not wanted.

    Attributes:
        state: what it is doing.
        resource_version: up to where the target has seen everything; empty before the first list.
        optional: as given; may be changed.
    """

    def __init__(
        self,
        client: Client,
        kind: type[T],
        target: ReflectorTarget[T],
        *,
        scope: Scope = WHOLE_CLUSTER,
        transform: Transform | None = None,
        optional: bool = False,
        bookmarks: bool = True,
        streaming: StreamingLists | None = None,
    ) -> None:
        self.resource_version = ""
        self.optional = optional
        self._target = target
        self._intake = Intake(kind, transform)
        self._reader = Reader(client, kind, scope, self._intake, target.contact, bookmarks=bookmarks)
        self._streaming = streaming
        self._backoff = Backoff()
        self._resume = State.LIST
        self._retry_after = 0.0
        self._asked: list[asyncio.Future[None]] = []
        self._until_asked: asyncio.Timeout | None = None
        self._log = log.bind(kind=kind.__name__, **({"scope": str(scope)} if str(scope) else {}))
        self._steps: dict[State, Callable[[], Awaitable[State]]] = {
            State.STREAM: self._stream,
            State.LIST: self._list,
            State.LIST_WHOLE: self._list_whole,
            State.WATCH: self._watch,
            State.BACK_OFF: self._back_off,
            State.ABSENT: self._await_appearance,
        }
        self.state = self._read_state

    async def run(self) -> None:
        """Goes from state to state until cancelled; no failure of the API server ends it."""
        try:
            while True:
                try:
                    self.state = await self._steps[self.state]()
                except Exception as error:  # noqa: BLE001 - each is reported, and the copy must be kept up
                    self.state = await self._after_failure(error)
        finally:
            for future in self._asked:
                future.cancel()

    @property
    def _read_state(self) -> State:
        wanted = self._streaming is not None and self._streaming.supported
        return State.STREAM if wanted else State.LIST

    def relist(self) -> asyncio.Future[None]:
        """Asks for a list that begins after this call, in place of a watch, its opening, or the wait of a back-off.

        Returns:
            Done once the target has taken it, or knows that the optional kind is not served or may not be read.
            Cancelled if the reflector ends before.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._asked.append(future)
        if self._until_asked is not None:
            self._until_asked.reschedule(asyncio.get_running_loop().time())
        return future

    @asynccontextmanager
    async def _interrupted_by_relist(self) -> AsyncIterator[None]:
        """Ends the block with a _ListWantedError when somebody asks for a list meanwhile."""
        try:
            async with asyncio.timeout(None) as until_asked:
                self._until_asked = until_asked
                yield
        except TimeoutError as error:
            if not until_asked.expired():
                raise
            raise _ListWantedError from error
        finally:
            self._until_asked = None

    @asynccontextmanager
    async def _unless_asked(self) -> AsyncIterator[None]:
        """The same, also where somebody has asked already and still waits for a list."""
        if self._asked:
            raise _ListWantedError
        async with self._interrupted_by_relist():
            yield

    # Failure edges

    async def _after_failure(self, error: Exception) -> State:
        match self.state, error:
            case State.STREAM | State.LIST | State.LIST_WHOLE, NotFoundError() if self.optional:
                return await self._take_absence()
            case State.STREAM, ConnectError() | TooManyRequestsError():
                self._target.failed("list", error)
                return self._after_waiting(State.STREAM, error)
            case State.STREAM, _:
                return self._after_streaming(error)
            case State.WATCH, _ListWantedError():
                return self._read_state
            case State.WATCH, GoneError():
                self._log.info("the watch's resource version has expired, listing anew", reason=str(error))
                return self._after_waiting(self._read_state, error)
            case State.WATCH, NotFoundError() if self.optional:
                return self._after_waiting(self._read_state, error)  # which then finds out whether the kind is gone
            case State.WATCH, TransportError() | TooManyRequestsError():
                self._target.failed("watch", error)
                return self._after_waiting(State.WATCH, error)
            case State.WATCH, _:
                self._target.failed("watch", error)
                return self._after_waiting(self._read_state, error)
            case _:
                if self.optional and isinstance(error, ForbiddenError):
                    self._answer(len(self._asked))  # who can do without the kind need not wait for the right to read it
                self._target.failed("list", error)
                return self._after_waiting(State.LIST, error)

    def _after_streaming(self, error: Exception) -> State:
        """The paged list may still work; if not, that one reports why."""
        if isinstance(error, InvalidError | BadRequestError) and self._streaming is not None:
            self._streaming.supported = False
        elif isinstance(error, StreamingListError):
            self._streaming = None
        self._log.info("cannot stream the list, reading pages", reason=str(error))
        return State.LIST

    def _after_waiting(self, resume: State, error: Exception) -> State:
        self._resume = resume
        asked = error.retry_after if isinstance(error, ApiError) else None
        self._retry_after = min(asked or 0.0, _MAX_RETRY_AFTER)
        return State.BACK_OFF

    async def _back_off(self) -> State:
        delay = self._backoff.step(asyncio.get_running_loop().time())
        asked = len(self._asked)
        await asyncio.sleep(self._retry_after)
        if len(self._asked) > asked:
            return self._read_state
        try:
            async with self._interrupted_by_relist():
                await asyncio.sleep(delay - self._retry_after)
        except _ListWantedError:
            return self._read_state
        return self._resume

    async def _take_absence(self) -> State:
        asked = len(self._asked)
        self._target.contact()
        await self._target.clear()
        self._answer(asked)
        return State.ABSENT

    async def _await_appearance(self) -> State:
        await asyncio.sleep(ABSENT_RETRY)
        return self._read_state

    # Listing

    async def _list(self) -> State:
        return await self._read(PAGE_LIMIT)

    async def _list_whole(self) -> State:
        return await self._read(0)

    async def _read(self, limit: int) -> State:
        """Reads all pages; there may be several without a limit too: no server has to give all at once."""
        asked = len(self._asked)
        staged = self._target.stage()
        first_version, token = await self._reader.read_page(staged, limit, "")
        while token:
            try:
                _, token = await self._reader.read_page(staged, limit, token)
            except GoneError as error:
                if not limit:
                    raise
                self._log.info("the list took so long that its pages expired, reading it whole", reason=str(error))
                return State.LIST_WHOLE
        return await self._take_list(staged, first_version, asked)

    async def _take_list(self, staged: Staging[T], resource_version: str, asked: int) -> State:
        """Hands a list on; `asked` of those who asked for one had done so before it began."""
        self.resource_version = resource_version
        self._target.recovered("list")
        await self._target.replace(staged, resource_version)
        self._answer(asked)
        return State.WATCH

    def _answer(self, asked: int) -> None:
        for future in self._asked[:asked]:
            if not future.done():
                future.set_result(None)
        del self._asked[:asked]

    # A list as the beginning of a watch

    async def _stream(self) -> State:
        asked = len(self._asked)
        async with self._reader.watch("", send_initial_events=True) as stream:
            self._target.contact()
            staged = self._target.stage()
            version = await self._reader.read_initial_events(stream, staged)
            self.state = await self._take_list(staged, version, asked)  # what fails from here on is a watch
            with Attempt(self._target, self._log) as attempt:
                attempt.opened()
                async with self._unless_asked():
                    await self._follow(stream, attempt)
        return State.WATCH

    # Watching

    async def _watch(self) -> State:
        with Attempt(self._target, self._log) as attempt:
            async with self._unless_asked(), self._reader.watch(self.resource_version) as stream:
                attempt.opened()
                await self._follow(stream, attempt)
        return State.WATCH

    async def _follow(self, stream: AsyncIterator[WatchEvent], attempt: Attempt) -> None:
        """Takes events until the stream ends."""
        events = 0
        async for event in stream:
            began_at = self.resource_version
            self._receive(event)
            if self.resource_version != began_at:
                attempt.progressed()
            events += 1
            if events % EVENTS_PER_TURN == 0:
                await asyncio.sleep(0)

    def _receive(self, event: WatchEvent) -> None:
        if event.type == "ERROR":
            raise event.error()
        self._target.contact()
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED":
                self._move_to(*self._intake.take(event, self._target.put, self._target.delete))
            case "BOOKMARK":
                self._move_to(version_of(event.raw), None)
            case _:
                self._log.warning("skipped a watch event of an unknown type", type=event.type)

    def _move_to(self, resource_version: str, key: NamespacedName | None) -> None:
        if resource_version:
            self.resource_version = resource_version
            self._target.moved(resource_version, key)
