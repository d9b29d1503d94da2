"""All parts of the server, put together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.auth import Authenticator
from controller_runtime.envtest.apiserver.collector import GarbageCollector
from controller_runtime.envtest.apiserver.definitions import DefinitionController
from controller_runtime.envtest.apiserver.dispatcher import Dispatcher
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.kinds import builtin_types
from controller_runtime.envtest.apiserver.namespaces import NamespaceController
from controller_runtime.envtest.apiserver.rbac import AggregationController, Authorizer, bootstrap
from controller_runtime.envtest.apiserver.resources import Registry
from controller_runtime.envtest.apiserver.store import HISTORY, Disk, Store
from controller_runtime.envtest.apiserver.writer import Writer, timestamp


class APIServer:
    """A server without sockets: `dispatcher` answers requests, `run` or `settle` keeps its controllers going.

    Args:
        tokens: users by bearer token.
        disk: keeps objects across restarts; None for memory alone.
        history: how many writes watches may go back.
        clock: seconds since the epoch, for timestamps and the end of tokens.
        signing_key: signs tokens of ServiceAccounts; None makes one, and tokens end with this process.
    """

    def __init__(
        self,
        tokens: Mapping[str, User],
        *,
        disk: Disk | None = None,
        history: int = HISTORY,
        clock: Callable[[], float] = time.time,
        signing_key: bytes | None = None,
    ) -> None:
        self.store = Store(disk, history=history)
        self.registry = registry = Registry()
        registry.add(builtin_types(self._stored_services))

        def now() -> str:
            return timestamp(clock())

        writer = Writer(self.store, clock=now)
        self._definitions = DefinitionController(self.store, registry, writer, clock=now)
        self._namespaces = NamespaceController(self.store, registry, writer)
        self._collector = GarbageCollector(self.store, registry, writer)
        self._aggregation = AggregationController(self.store, registry, writer)
        self.dispatcher = Dispatcher(
            self.store,
            registry,
            Authenticator(tokens, self.store, signing_key, clock),
            Authorizer(self.store),
            writer,
            self._definitions.settle,
            clock=now,
        )
        self._namespaces.bootstrap()
        bootstrap(self.store, registry, writer)
        self._aggregation.settle()

    def _stored_services(self) -> Iterator[dict[str, Any]]:
        return (forms.decode(record.raw) for record in self.store.list("services"))

    async def run(self) -> None:
        """Runs what happens by itself (garbage collection, the end of namespaces and kinds) until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for controller in (self._definitions, self._namespaces, self._collector, self._aggregation):
                tasks.create_task(controller.run())

    def settle(self) -> None:
        """Does at once what `run` would do in time, for whoever has no task for it."""
        self._aggregation.settle()
        while True:
            self._definitions.settle()
            if not (self._namespaces.settle() | self._collector.settle()):
                return
