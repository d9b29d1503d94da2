"""What connects a process with the API server: the client's Transport, and everything that can go wrong on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    ApiStream,
    ConnectError,
    ConnectionLostError,
    RequestTimeoutError,
    TransportError,
)
from controller_runtime.client.retry import send_with_retries
from tests.unit.leaderelection.simulation.api_server import LEASES

if TYPE_CHECKING:
    from tests.unit.leaderelection.simulation.process import Process
    from tests.unit.leaderelection.simulation.world import World

QUICK = (0.001, 0.02)
"""Seconds of one way when nothing is wrong."""
REQUEST_SECONDS = 5.0
"""After which the elector gives a request up."""


class Call:
    """A request on its way."""

    __slots__ = ("answered", "process", "request", "sent")

    def __init__(self, request: ApiRequest, process: Process) -> None:
        self.request = request
        self.process = process
        self.sent = process.boot_clock()
        """Time on the sender's clock when the first byte left."""
        self.answered: asyncio.Future[Any] = process.loop.create_future()


class Link:
    """The way of one process to the API server and back.

    Attributes:
        requests_lost: whether requests vanish on the way.
        answers_lost: whether answers and events do.
        loss: share of requests and answers that vanish, each by itself.
        delays: shortest and longest time of one way.
        faults: how many faults work on it at the moment.
        dirty_until: until when they have an effect, such as a request that waits for a lost answer.
        watch_troubled: whether a watch was harmed, or a fault was here that may have kept one from being opened.
        halted_after_write: called once, with a write to the Lease that leaves from now on.
        streams: open watches.
    """

    def __init__(self, world: World, process: Process) -> None:
        self.requests_lost = self.answers_lost = False
        self.loss = 0.0
        self.delays = QUICK
        self.faults = 0
        self.dirty_until = 0.0
        self.watch_troubled = False
        self.halted_after_write: Callable[[], None] | None = None
        self.streams: list[Stream] = []
        self._world = world
        self._process = process

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carries a request; limits, retries and fence as the Transport contract has them."""
        try:
            async with asyncio.timeout(request.timeout):
                return await send_with_retries(request, lambda: self._attempt(request))
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            raise RequestTimeoutError("no answer in time") from error

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Opens a watch."""
        stream = Stream(self._world, self._process, request)
        self.streams.append(stream)
        try:
            async with _silence(request.read_timeout):
                stream.status = await self._exchange(request, lambda call: self._world.api.watch(stream))
            yield stream
        finally:
            stream.end()
            self.streams.remove(stream)

    async def close(self) -> None:
        """Nothing to close."""

    @property
    def watch(self) -> Stream | None:
        """A watch that works as far as anybody can tell who sees both ends."""
        return next((stream for stream in self.streams if stream.works), None)

    def heal(self) -> None:
        """Ends a partition; connections have survived it, or not, or seem to have."""
        self.requests_lost = self.answers_lost = False
        for stream in self.streams:
            stream.survive(self._world.rng.choice(("whole", "broken", "dead")))

    async def _attempt(self, request: ApiRequest) -> ApiResponse:
        if request.fence is None:
            return await self._exchange(request, self._world.api.answer)
        try:
            async with asyncio.timeout(request.fence()) as limit:
                if wait := self._world.connection_wait():
                    await asyncio.sleep(wait)
                self.ask_fence(request, limit)
                self._world.laws.leader_write_leaves(self._process)
                return await self._exchange(request, self._world.api.answer)
        except RequestTimeoutError:
            raise
        except TimeoutError as error:
            request.fence()
            raise RequestTimeoutError("no answer while leadership lasted") from error

    def ask_fence(self, request: ApiRequest, limit: asyncio.Timeout) -> None:
        """The last moment before a byte leaves."""
        assert request.fence is not None
        limit.reschedule(self._process.loop.time() + request.fence())

    async def _exchange(self, request: ApiRequest, answer: Callable[[Call], Any]) -> Any:
        if not self._process.alive:
            raise ConnectError("the process is dead")
        call = Call(request, self._process)
        self._world.note(self._process.name, request.method, request.path.rpartition("/")[2])
        self._world.laws.request_leaves(call)
        if self.halted_after_write and request.body:
            self._after(self._world.rng.uniform(0.0, 0.03), self.halted_after_write)
            self.halted_after_write = None
        if self.requests_lost or self._is_lost():
            self._note_trouble(call, REQUEST_SECONDS)
        else:
            self._after(self._delay(call), self._arrive, call, answer)
        return await call.answered

    def _arrive(self, call: Call, answer: Callable[[Call], Any]) -> None:
        state = self._world.api.state
        if state == "mute":
            self._note_trouble(call, REQUEST_SECONDS)
            return
        result = ConnectError("connection refused") if state == "refusing" else answer(call)
        if self.answers_lost or self._is_lost():
            self._note_trouble(call, REQUEST_SECONDS)
            return
        self._after(self._delay(call), self._process.deliver, self._finish, call, result)

    def _finish(self, call: Call, result: Any) -> None:
        if call.answered.done():
            return
        if isinstance(result, TransportError):
            self._world.note(self._process.name, "error", result)
            call.answered.set_exception(result)
        else:
            self._world.note(self._process.name, "answer", getattr(result, "status", result))
            call.answered.set_result(result)

    def _is_lost(self) -> bool:
        return self.loss > 0 and self._world.rng.random() < self.loss

    def _delay(self, call: Call) -> float:
        delay = self._world.rng.uniform(*self.delays)
        if delay > QUICK[1]:
            self._note_trouble(call, max(delay, REQUEST_SECONDS))
        return delay

    def _note_trouble(self, call: Call, seconds: float) -> None:
        if call.request.path.startswith(LEASES):
            until = self._world.now + seconds / min(1.0, self._process.rate)
            self.dirty_until = max(self.dirty_until, until)

    def _after(self, delay: float, callback: Callable[..., None], *args: Any) -> None:
        self._world.at(self._world.now + delay, callback, *args)


class Stream:
    """One watch: events arrive in order, or not at all."""

    def __init__(self, world: World, process: Process, request: ApiRequest) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.request = request
        self.dead = False
        """Whether it goes on without anything coming out of it, and neither end knows."""
        self.heard = False
        """Whether an event has arrived."""
        self._world = world
        self._process = process
        self._kept: list[bytes] = []
        self._arrives_last = 0.0
        self._chunks: deque[bytes | TransportError] = deque()
        self._waiter: asyncio.Future[None] | None = None

    @property
    def works(self) -> bool:
        """Whether events that happen now will arrive."""
        return self.status == 200 and self.heard and not self.dead and self in self._world.api.streams

    def tell(self, event: bytes) -> None:
        """The server writes an event into the connection."""
        link = self._process.link
        if self.dead:
            return
        if link.answers_lost or link.requests_lost:
            self._kept.append(event)
            return
        self._arrives_last = max(self._arrives_last, self._world.now + self._world.rng.uniform(*link.delays))
        self._world.at(self._arrives_last, self._process.deliver, self._put, event)

    def survive(self, how: str) -> None:
        """What became of the connection in a partition."""
        self.dead = self.dead or how == "dead"
        if how == "broken":
            self.break_off()
        kept, self._kept = self._kept, []
        for event in kept:
            self.tell(event)

    def break_off(self) -> None:
        """The connection breaks, and the process is told."""
        self.end()
        self._world.at(self._world.now, self._process.deliver, self._put, ConnectionLostError("connection reset"))

    def end(self) -> None:
        """The server's side is closed."""
        if self in self._world.api.streams:
            self._world.api.streams.remove(self)

    def _put(self, chunk: bytes | TransportError) -> None:
        self.heard = True
        self._chunks.append(chunk)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._chunks:
            self._waiter = self._process.loop.create_future()
            async with _silence(self.request.read_timeout):
                await self._waiter
        chunk = self._chunks.popleft()
        if isinstance(chunk, TransportError):
            raise chunk
        return chunk


@contextlib.asynccontextmanager
async def _silence(seconds: float | None) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise RequestTimeoutError("silence") from error
