"""Faults between the replicas and the API server: some befall any request, others come as acts, one after the other."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

from controller_runtime.envtest.fault_proxy import FaultProxy
from controller_runtime.envtest.faults import BAD_GATEWAY, TOO_LARGE_RESOURCE_VERSION, Failure, Rule

_WRITES: Final = ("create", "update", "patch", "apply", "delete")
_OF_WRITES: Final = 0.005
_OF_PAGES: Final = 0.001
"""How often each sort befalls a page of a list. 10,000 objects are 20 pages, and one that fails ends the list."""
_BUSY: Final = Failure(429, retry_after=1)


class Weather:
    """Makes faults until it is told to stop.

    Args:
        proxy: makes them.
        chance: decides when and which.
        pause: seconds between two acts, on average.
        of_watches: how often each sort befalls a watch that is opened. A reflector that fails again and again waits
            for up to a minute each time, so a long run has less of that.
        restart: stops the replica that leads, and starts it anew.
    """

    def __init__(
        self,
        proxy: FaultProxy,
        chance: random.Random,
        restart: Callable[[], Awaitable[bool]],
        *,
        pause: float,
        of_watches: float,
    ) -> None:
        self._proxy = proxy
        self._chance = chance
        self._pause = pause
        self._of_watches = of_watches
        self._restart = restart
        self._rules: dict[str, list[Rule[Any]]] = {}
        self._acts: Counter[str] = Counter()
        self._over = asyncio.Event()
        self._sorts: dict[str, tuple[int, Callable[[], Awaitable[int]]]] = {
            "watches broken": (3, self._break_watches),
            "watches muted": (1, self._mute_watches),
            "connections broken": (1, self._break_connections),
            "connections muted": (1, self._mute_connections),
            "short outage": (1, self._short_outage),
            "long outage": (1, self._long_outage),
            "leader restarted": (1, self._restart_leader),
        }

    def begin(self) -> None:
        """Has the proxy follow the rules from now on."""
        proxy = self._proxy
        for seconds, probability in ((0.02, 0.02), (0.2, 0.01), (1.0, 0.003)):
            self._note("delay", proxy.delay("*", seconds, probability=probability))
        often = self._of_watches
        for probability, verbs in ((_OF_WRITES, _WRITES), (_OF_PAGES, ("list",)), (often, ("watch",))):
            self._note("429 with Retry-After", proxy.fail(verbs, _BUSY, probability=probability))
            self._note("500", proxy.fail(verbs, 500, probability=probability))
            self._note("502 of a load balancer", proxy.fail(verbs, BAD_GATEWAY, probability=probability))
            self._note("503", proxy.fail(verbs, 503, probability=probability))
            self._note("reset before", proxy.reset(verbs, probability=probability))
            self._note("reset after", proxy.reset(verbs, carried_out=True, probability=probability))
            self._note("truncated answer", proxy.truncate(verbs, 40, probability=probability))
        self._note("409", proxy.fail(("update", "patch", "apply"), 409, probability=0.006))
        self._note("no answer", proxy.hang(_WRITES, probability=0.003))
        self._note("truncated watch", proxy.truncate("watch", 20_000, probability=2 * often))
        self._note("too large resource version", proxy.fail("watch", TOO_LARGE_RESOURCE_VERSION, probability=often))
        self._note("500 in a watch", proxy.fail("watch", 500, in_stream=True, probability=often))
        self._note("410", proxy.expire(in_stream=False, probability=often))
        self._note("410 in a watch", proxy.expire(probability=2 * often))

    def _note(self, sort: str, rule: Rule[Any]) -> None:
        self._rules.setdefault(sort, []).append(rule)

    async def run(self) -> None:
        """Acts until `end`. All sorts come before any comes more often than others do."""
        acts: list[str] = []
        while not await self._is_over(self._pause * self._chance.uniform(0.5, 1.5)):
            if not acts:
                acts = [sort for sort, (often, _) in self._sorts.items() for _ in range(often)]
                self._chance.shuffle(acts)
            sort = acts.pop()
            self._acts[sort] += await self._sorts[sort][1]()

    async def _is_over(self, within: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._over.wait()
        return self._over.is_set()

    @property
    def faults(self) -> dict[str, int]:
        """How often each fault has happened."""
        return {sort: sum(rule.hits for rule in rules) for sort, rules in self._rules.items()} | {
            sort: self._acts[sort] for sort in self._sorts
        }

    def end(self) -> None:
        """Has `run` return after its present act."""
        self._over.set()

    def heal(self) -> None:
        """No rule holds any more, and connections that are mute are reset, with all others."""
        self._proxy.clear()
        self._proxy.break_connections()

    # Acts; each returns how many it concerned

    async def _break_watches(self) -> int:
        return await asyncio.to_thread(self._proxy.break_watches, where=self._some)

    async def _mute_watches(self) -> int:
        return await asyncio.to_thread(self._proxy.mute_watches, where=self._some)

    def _some(self, _: object) -> bool:
        return self._chance.random() < 0.3

    async def _break_connections(self) -> int:
        return await asyncio.to_thread(self._proxy.break_connections)

    async def _mute_connections(self) -> int:
        return await asyncio.to_thread(self._proxy.mute_connections)

    async def _short_outage(self) -> int:
        return await self._outage(self._chance.uniform(0.1, 1.5))

    async def _long_outage(self) -> int:
        """Longer than a leader leads without renewing its lease."""
        return await self._outage(self._chance.uniform(5, 8))

    async def _outage(self, seconds: float) -> int:
        with contextlib.ExitStack() as ends:
            await asyncio.to_thread(ends.enter_context, self._proxy.outage())
            await asyncio.sleep(seconds)
        return 1

    async def _restart_leader(self) -> int:
        return int(await self._restart())
