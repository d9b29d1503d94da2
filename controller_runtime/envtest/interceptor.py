"""Faults at the seam below the client: `Interceptor`, a transport around a transport.

    api = Interceptor(transport)
    api.fail("update", 409, kind=Widget, times=2)
    api.reset("create", carried_out=True)
    with api.outage():
        ...
    assert api.requested("update", name="a")

It stands where the network is. What a rule answers or breaks is tried again where `AiohttpTransport` would do so, and
time limits and fences hold. Rules are asked in the order of their making; each that matches acts on what comes after
it, so two that answer once each answer two calls. With the same random numbers the same happens again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Generic, Self, TypeAlias, TypeVar, Unpack

from controller_runtime.client import (
    ApiRequest,
    ApiResponse,
    ApiStream,
    ClientError,
    ConnectionLostError,
    Transport,
    send_with_retries,
)
from controller_runtime.envtest import effects
from controller_runtime.envtest.calls import ANY, Call, Only, Which, call_of, check_limits, is_meant, verbs_of
from controller_runtime.envtest.effects import Effect, Hook, WatchHook
from controller_runtime.envtest.faults import EXPIRED, Failure, Rule, Rules, expires, failure_of, narrow, watch_line
from controller_runtime.envtest.limits import Answered, StreamClock, carry_out
from controller_runtime.envtest.streams import InterceptedStream

_GARBAGE = b"<html>Bad Gateway</html>\n"

R = TypeVar("R", bound=Answered)
_HookOf: TypeAlias = Callable[[Call, Callable[[ApiRequest], Awaitable[R]]], Awaitable[R]]


class Interceptor:
    """Carries requests by another transport, except where a rule says otherwise.

    `verb` is get, list, watch, create, update, patch, apply, delete or deletecollection, several of them, or `ANY`;
    `only` narrows it (see `Only`): by kind, namespace, name, subresource, times, probability or a function. A call of a
    subresource counts under its object's kind. All methods but those of a transport act at once, without waiting.

    Args:
        transport: The other one; `close` closes it.
        chance: Random numbers for rules with a probability.
        retries: False gives what rules answer or break to the caller at once, for tests of how the caller copes.

    Attributes:
        calls: All attempts so far, the oldest first, with the loop's time; a test may clear it.
    """

    def __init__(self, transport: Transport, *, chance: random.Random | None = None, retries: bool = True) -> None:
        self.calls: list[Call] = []
        self._transport = transport
        self._retries = retries
        self._rules: Rules[Effect] = Rules(chance)
        self._streams: list[InterceptedStream] = []
        self._outages = 0

    # Rules

    def on(self, verb: str | Iterable[str], hook: Hook, **only: Unpack[Only]) -> Rule[Effect]:
        """Have a function answer; it may hand the request on, change, delay, count or raise. Not for watches."""
        narrow(only, lambda call: call.verb != "watch")
        return self._rules.add(Effect(send=hook), verb, **only)

    def on_watch(self, hook: WatchHook, **only: Unpack[Only]) -> Rule[Effect]:
        """Have a function answer watches, with a stream."""
        return self._rules.add(Effect(stream=hook), "watch", **only)

    def fail(
        self,
        verb: str | Iterable[str],
        failure: Failure | int | Exception,
        *,
        in_stream: bool = False,
        **only: Unpack[Only],
    ) -> Rule[Effect]:
        """Answer with a failure, without asking the server.

        Args:
            verb: Which calls.
            failure: An answer, its HTTP status, or an error to raise.
            in_stream: Watches are opened and then get an ERROR event, as the API server says most things.
            only: Which of them.
        """
        if isinstance(failure, Exception):
            return self._rules.add(effects.throw(failure), verb, **only)
        return self._rules.add(effects.answer(failure_of(failure), in_stream=in_stream), verb, **only)

    def delay(self, verb: str | Iterable[str], seconds: float, **only: Unpack[Only]) -> Rule[Effect]:
        """Let calls wait before they are carried out."""
        return self._rules.add(effects.delay(seconds), verb, **only)

    def hang(self, verb: str | Iterable[str], **only: Unpack[Only]) -> Rule[Effect]:
        """Never carry calls out, nor answer: the server, or the way there, is gone without a word."""
        return self._rules.add(effects.hang(), verb, **only)

    def reset(self, verb: str | Iterable[str], *, carried_out: bool = False, **only: Unpack[Only]) -> Rule[Effect]:
        """Lose the connection: before the server carried the call out, or after, when the answer is lost."""
        return self._rules.add(effects.lose(carried_out=carried_out), verb, **only)

    def truncate(self, verb: str | Iterable[str], length: int, **only: Unpack[Only]) -> Rule[Effect]:
        """Cut answers, and the bodies of watches, after a number of bytes, as if they ended there."""
        return self._rules.add(effects.truncate(length), verb, **only)

    def garble(self, verb: str | Iterable[str], piece: bytes = _GARBAGE, **only: Unpack[Only]) -> Rule[Effect]:
        """Replace the bodies of answers; watches get the bytes before their events."""
        return self._rules.add(effects.garble(piece), verb, **only)

    def expire(self, *, in_stream: bool = True, **only: Unpack[Only]) -> Rule[Effect]:
        """Answer 410 to what needs history: pages after the first, and watches from a version.

        Args:
            in_stream: Watches get it as an ERROR event, as kube-apiserver sends it; False: as the answer.
            only: Which of them.
        """
        narrow(only, expires)
        return self._rules.add(effects.answer(EXPIRED, in_stream=in_stream), ("list", "watch"), **only)

    def outage(self) -> Rule[Effect]:
        """Break all watches, also those that are being opened, and refuse all connections until the rule is removed."""
        self._outages += 1
        self.break_watches()
        return self._rules.add(effects.refuse(), ANY)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    # Open watches

    def break_watches(self, **which: Unpack[Which]) -> int:
        """Reset the connections of open watches; returns how many."""
        return self._each(lambda stream: stream.fail(_reset(stream.call)), which)

    def end_watches(self, **which: Unpack[Which]) -> int:
        """End open watches in order, as when their time is over; returns how many."""
        return self._each(lambda stream: stream.put(None), which)

    def mute_watches(self, **which: Unpack[Which]) -> int:
        """Let nothing reach open watches any more, not even their end, as behind a dead connection."""
        return self._each(InterceptedStream.mute, which)

    def expire_watches(self, **which: Unpack[Which]) -> int:
        """Send open watches an ERROR event with 410 Expired and end them; returns how many."""

        def act(stream: InterceptedStream) -> None:
            stream.put(EXPIRED.event(stream.call))
            stream.put(None)

        return self._each(act, which)

    def send_event(self, event: str, obj: object, **which: Unpack[Which]) -> int:
        """Send open watches an event with an object (JSON) of the test's making; returns how many."""
        return self.send_bytes(watch_line(event, obj), **which)

    def send_bytes(self, piece: bytes, **which: Unpack[Which]) -> int:
        """Send open watches bytes that may be anything; returns how many."""
        return self._each(lambda stream: stream.put(piece), which)

    def _each(self, act: Callable[[InterceptedStream], None], which: Which) -> int:
        meant = self._open(which)
        for stream in meant:
            act(stream)
        return len(meant)

    def _open(self, which: Which) -> list[InterceptedStream]:
        check_limits(which, Which)
        return [stream for stream in self._streams if is_meant(stream.call, frozenset(), which)]

    # What tests look at

    def requested(self, verb: str | Iterable[str] = ANY, **which: Unpack[Which]) -> list[Call]:
        """The attempts so far of some calls, the oldest first."""
        verbs = verbs_of(verb)
        check_limits(which, Which)
        return [call for call in self.calls if is_meant(call, verbs, which)]

    def open_watches(self, **which: Unpack[Which]) -> list[Call]:
        """The watches that are open, in the order of their opening."""
        return [stream.call for stream in self._open(which)]

    # The transport

    async def send(self, request: ApiRequest) -> ApiResponse:
        """Carry out a request; see `Transport.send`."""

        async def attempt() -> _Attempt[ApiResponse]:
            call = self._note(request)
            made = _Attempt(call, self._rules.effects(call), lambda effect: effect.send, self._transport.send)
            return await made.run()

        return (await carry_out(request, attempt, retries=self._retries)).take()

    @contextlib.asynccontextmanager
    async def stream(self, request: ApiRequest) -> AsyncIterator[ApiStream]:
        """Open a stream; see `Transport.stream`."""
        clock = StreamClock(request)
        async with contextlib.AsyncExitStack() as opened:

            async def open_inner(request: ApiRequest) -> ApiStream:
                return await opened.enter_async_context(self._transport.stream(request))

            async def attempt() -> _Attempt[ApiStream]:
                call, outages = self._note(request), self._outages
                made = _Attempt(call, self._rules.effects(call), lambda effect: effect.stream, open_inner)
                await clock.limit(made.run())
                if self._outages > outages:
                    raise _reset(call)
                return made

            done = await (send_with_retries(request, attempt) if self._retries else attempt())
            stream = InterceptedStream(done.take(), done.call, clock)
            opened.push_async_callback(stream.close)
            self._streams.append(stream)
            try:
                yield stream
            finally:
                self._streams.remove(stream)

    async def close(self) -> None:
        """Close the other transport."""
        await self._transport.close()

    def _note(self, request: ApiRequest) -> Call:
        call = call_of(request, asyncio.get_running_loop().time())
        self.calls.append(call)
        return call


def _reset(call: Call) -> ConnectionLostError:
    return ConnectionLostError(f"{call}: connection reset")


class _Attempt(Generic[R]):
    """One attempt, as the rules of retries see it.

    What the other transport brings is shown to them as a success, whatever it is: it has gone through its own retries.

    Args:
        call: What is asked for.
        effects: What happens to it.
        hook_of: The part of an effect that counts here.
        inner: The other transport.
    """

    def __init__(
        self,
        call: Call,
        effects: Iterator[Effect],
        hook_of: Callable[[Effect], _HookOf[R]],
        inner: Callable[[ApiRequest], Awaitable[R]],
    ) -> None:
        self.call = call
        self.status = 200
        self.headers: Mapping[str, str] = {}
        self._effects = effects
        self._hook_of = hook_of
        self._inner = inner
        self._brought: R | ClientError | None = None
        self._result: R | None = None

    async def run(self) -> Self:
        """Makes it; raises what a rule raises."""
        try:
            self._result = await self._proceed(self.call.request)
        except ClientError as error:
            if error is not self._brought:
                raise
        else:
            if self._result is not self._brought:
                self.status, self.headers = self._result.status, self._result.headers
        return self

    def take(self) -> R:
        """The result; raises what the other transport raised."""
        if self._result is None:
            assert isinstance(self._brought, ClientError)
            raise self._brought
        return self._result

    async def _proceed(self, request: ApiRequest) -> R:
        effect = next(self._effects, None)
        if effect is not None:
            return await self._hook_of(effect)(replace(self.call, request=request), self._proceed)
        try:
            self._brought = await self._inner(request)
        except ClientError as error:
            self._brought = error
            raise
        return self._brought
