"""The listening side of a `FaultProxy`, and the thread that it works in."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, TypeVar

import structlog

from controller_runtime.envtest import http1
from controller_runtime.envtest.calls import Call
from controller_runtime.envtest.proxy_connection import Fault, ProxyConnection, Upstream

_BACKLOG: Final = 1024
_PATIENCE_SECONDS: Final = 60.0
"""For what is done in the thread: an exec plug-in that fetches a credential takes longest."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class LoopThread:
    """A thread with an event loop, which begins with it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns there; raises what it raises."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_PATIENCE_SECONDS)

    def stop(self) -> None:
        """Ends both."""
        self.run(self._loop.shutdown_asyncgens())
        self.run(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class ProxyServer:
    """Takes connections and has those that are open; used in its loop alone.

    Args:
        port: On 127.0.0.1, reserved already.
        tls: Certificate for clients.
        upstream: Where requests go.
        note: Is told of each call, and gives what happens to it.
    """

    def __init__(
        self, port: int, tls: ssl.SSLContext, upstream: Upstream, note: Callable[[Call], Iterator[Fault]]
    ) -> None:
        self._port = port
        self._tls = tls
        self._upstream = upstream
        self._note = note
        self._server: asyncio.Server | None = None
        self._tasks: dict[asyncio.Task[None], ProxyConnection] = {}

    @property
    def connections(self) -> Sequence[ProxyConnection]:
        """The open ones, the oldest first."""
        return list(self._tasks.values())

    async def listen(self) -> None:
        """Take connections from now on."""
        # By its protocol asyncio knows that what it accepts is TCP, and lets no small piece wait for others.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", self._port))
        self._server = await asyncio.start_server(
            self._accept, sock=listener, ssl=self._tls, limit=http1.HEAD_BYTES, backlog=_BACKLOG
        )

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = ProxyConnection(reader, writer, self._upstream, self._note)
        if self._server is None:  # closed while TLS was being agreed on
            connection.reset()
            return
        task = asyncio.ensure_future(connection.serve())
        self._tasks[task] = connection
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("a connection of the fault proxy broke", exc_info=error)

    async def close(self) -> None:
        """Refuse connections from now on, and reset those that are open."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        tasks = dict(self._tasks)
        for task, connection in tasks.items():
            connection.reset()
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
