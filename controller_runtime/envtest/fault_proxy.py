"""Faults on sockets, in front of any API server: `FaultProxy`.

    with FaultProxy(control_plane.kubeconfig) as proxy:
        operator = subprocess.Popen([..., "--kubeconfig", proxy.kubeconfig])
        proxy.fail("update", 409, kind="widgets", times=2)
        proxy.reset("create", carried_out=True)
        with proxy.outage():
            ...
        assert proxy.requested("update")

Whatever speaks HTTP/1.1 to an API server may be tested behind it: other processes, other clients, kubectl. What needs
no sockets is tested faster and on virtual time with `Interceptor`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import random
import ssl
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack

import yaml

from controller_runtime import certificates
from controller_runtime.client import ConfigError, RestConfig, load_config
from controller_runtime.client.tls import tls_context
from controller_runtime.envtest import credentials
from controller_runtime.envtest.calls import ANY, Call, Only, Which, check_limits, is_meant, verbs_of
from controller_runtime.envtest.errors import ControlPlaneError
from controller_runtime.envtest.faults import EXPIRED, Failure, Rule, Rules, expires, failure_of, narrow
from controller_runtime.envtest.processes import ReservedPort
from controller_runtime.envtest.proxy_connection import (
    Answer,
    Delay,
    Fault,
    Hang,
    ProxyConnection,
    Reset,
    Truncate,
    Upstream,
)
from controller_runtime.envtest.proxy_server import LoopThread, ProxyServer


class FaultProxy:
    """Hands connections on to an API server, except where a rule says otherwise; a context manager.

    It listens with TLS on a port of 127.0.0.1 that stays its own, and works in a thread of its own with a loop of its
    own: so it serves clients in other processes and tests without a loop, does not stop while a test blocks, and real
    delays do not mix with a test's virtual time. All methods may be called from any thread, and have acted when they
    return. `verb` and `only` are those of `Interceptor`, and so is the order of rules.

    Authorization headers reach the server as they are. Of a server that is asked with a client certificate the proxy
    uses the certificate itself: whoever reaches the proxy is then that user. Bodies of requests are taken in whole
    before they are handed on; those of answers come through piece by piece.

    Args:
        upstream: The API server: a kubeconfig file, or what a transport would be given.
        chance: Random numbers for rules with a probability.
        history: How many requests `calls` has, the newest, for runs of many; None: all.
    """

    def __init__(
        self, upstream: RestConfig | Path | str, *, chance: random.Random | None = None, history: int | None = None
    ) -> None:
        self._source = upstream
        self._rules: Rules[Fault] = Rules(chance)
        self._calls: deque[Call] = deque(maxlen=history)
        self._cleanup = contextlib.ExitStack()
        self._running: _Running | None = None

    def start(self) -> None:
        """Start it.

        Raises:
            ControlPlaneError: It is running already.
            ConfigError: The API server's configuration cannot be read, or leads over another proxy.
        """
        if self._running is not None:
            raise ControlPlaneError("the fault proxy is running already: stop it before starting it again")
        try:
            self._running = self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> _Running:
        directory = Path(self._cleanup.enter_context(tempfile.TemporaryDirectory(prefix="fault-proxy-")))
        port = ReservedPort()
        self._cleanup.callback(port.close)
        loop = LoopThread()
        self._cleanup.callback(loop.stop)
        config, upstream = loop.run(_resolve(self._source))
        server = ProxyServer(port.number, _front_tls(directory), upstream, self._note)
        self._cleanup.callback(lambda: loop.run(server.close()))
        loop.run(server.listen())
        return _Running(directory, port.number, config, loop, server)

    def stop(self) -> None:
        """Close all connections and stop; nothing happens if it is not running."""
        self._running = None
        self._cleanup.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # How to reach it

    @property
    def url(self) -> str:
        """Of the proxy, without a slash at the end."""
        return f"https://127.0.0.1:{self._state.port}"

    @property
    def ca_file(self) -> Path:
        """Certificate that the proxy's is verified with."""
        return self._state.directory / "proxy.crt"

    @property
    def config(self) -> RestConfig:
        """The configuration of the API server, with the proxy in its place; credentials are the same."""
        return dataclasses.replace(
            self._state.config, host=self.url, ca_file=str(self.ca_file), verify_tls=True, server_name=""
        )

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with the proxy in the API server's place; the credential is that of this moment."""
        if not isinstance(self._source, RestConfig):
            return self.redirect(Path(self._source))
        credential = self._state.loop.run(self._state.config.credentials.current())
        token = credential.authorization.removeprefix("Bearer ")
        return self._write("kubeconfig", credentials.kubeconfig(self.url, self.ca_file, "upstream", token))

    def redirect(self, kubeconfig: Path) -> Path:
        """Write another kubeconfig of the same API server with the proxy in its place, and return its path.

        Raises:
            OSError: It cannot be read.
        """
        document = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        for entry in document.get("clusters") or ():
            entry["cluster"] = {"server": self.url, "certificate-authority": str(self.ca_file)}
        for entry in document.get("users") or ():
            user = entry.get("user") or {}
            for key in ("client-certificate", "client-key", "tokenFile"):
                if key in user:
                    user[key] = str(kubeconfig.parent / user[key])
        return self._write(f"kubeconfig-{kubeconfig.name}", yaml.safe_dump(document))

    def _write(self, name: str, text: str) -> Path:
        path = self._state.directory / name
        credentials.write_private(path, text)
        return path

    # Rules

    def fail(
        self, verb: str | Iterable[str], failure: Failure | int, *, in_stream: bool = False, **only: Unpack[Only]
    ) -> Rule[Fault]:
        """Answer with a failure, without asking the server.

        Args:
            verb: Which calls.
            failure: The answer, or its HTTP status.
            in_stream: Watches are opened and then get an ERROR event, as the API server says most things.
            only: Which of them.
        """
        return self._rules.add(Answer(failure_of(failure), in_stream), verb, **only)

    def delay(self, verb: str | Iterable[str], seconds: float, **only: Unpack[Only]) -> Rule[Fault]:
        """Let calls wait before they are handed on."""
        return self._rules.add(Delay(seconds), verb, **only)

    def hang(self, verb: str | Iterable[str], **only: Unpack[Only]) -> Rule[Fault]:
        """Swallow calls, and all that comes after them on their connections, which stay open."""
        return self._rules.add(Hang(), verb, **only)

    def reset(self, verb: str | Iterable[str], *, carried_out: bool = False, **only: Unpack[Only]) -> Rule[Fault]:
        """Reset the connection (RST): before the server is asked, or after it has answered."""
        return self._rules.add(Reset(carried_out), verb, **only)

    def truncate(self, verb: str | Iterable[str], length: int, **only: Unpack[Only]) -> Rule[Fault]:
        """Close the connection after that many bytes of an answer's body, also within an event of a watch."""
        return self._rules.add(Truncate(length), verb, **only)

    def expire(self, *, in_stream: bool = True, **only: Unpack[Only]) -> Rule[Fault]:
        """Answer 410 to what needs history: pages after the first, and watches from a version.

        Args:
            in_stream: Watches get it as an ERROR event, as kube-apiserver sends it; False: as the answer.
            only: Which of them.
        """
        narrow(only, expires)
        return self._rules.add(Answer(EXPIRED, in_stream), ("list", "watch"), **only)

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    # Connections

    @contextlib.contextmanager
    def outage(self) -> Iterator[None]:
        """Reset all connections, and refuse new ones until the end of the block."""
        state = self._state
        state.loop.run(state.server.close())
        try:
            yield
        finally:
            state.loop.run(state.server.listen())

    def break_connections(self) -> int:
        """Reset all connections, idle ones too; returns how many."""
        return self._each(ProxyConnection.reset, _all)

    def mute_connections(self) -> int:
        """Let nothing through open connections any more, in either direction; they stay open. Returns how many."""
        return self._each(ProxyConnection.mute, _all)

    def break_watches(self, **which: Unpack[Which]) -> int:
        """Reset the connections of open watches; returns how many."""
        return self._each(ProxyConnection.reset, _watches(which))

    def mute_watches(self, **which: Unpack[Which]) -> int:
        """Let nothing through the connections of open watches any more; returns how many."""
        return self._each(ProxyConnection.mute, _watches(which))

    def _each(self, act: Callable[[ProxyConnection], None], meant: Callable[[ProxyConnection], bool]) -> int:
        async def work() -> int:
            chosen = [connection for connection in self._state.server.connections if meant(connection)]
            for connection in chosen:
                act(connection)
            return len(chosen)

        return self._state.loop.run(work())

    # What tests look at

    @property
    def calls(self) -> list[Call]:
        """The requests so far, the oldest first, with the monotonic clock's time (`time.monotonic`)."""
        return list(self._calls)

    def requested(self, verb: str | Iterable[str] = ANY, **which: Unpack[Which]) -> list[Call]:
        """Some of these."""
        verbs = verbs_of(verb)
        check_limits(which, Which)
        return [call for call in self.calls if is_meant(call, verbs, which)]

    def open_watches(self, **which: Unpack[Which]) -> list[Call]:
        """The watches whose answer has begun."""
        is_wanted = _watches(which)

        async def work() -> list[Call]:
            found = [each for each in self._state.server.connections if is_wanted(each)]
            return [each.call for each in found if each.call is not None]

        return self._state.loop.run(work())

    def _note(self, call: Call) -> Iterator[Fault]:
        self._calls.append(call)
        return self._rules.effects(call)

    @property
    def _state(self) -> _Running:
        if self._running is None:
            raise ControlPlaneError("the fault proxy is not running: call start() first")
        return self._running


def _all(_: ProxyConnection) -> bool:
    return True


def _watches(which: Which) -> Callable[[ProxyConnection], bool]:
    check_limits(which, Which)
    return functools.partial(_is_watch, which)


def _is_watch(which: Which, connection: ProxyConnection) -> bool:
    call = connection.call
    return call is not None and connection.watching and is_meant(call, frozenset(), which)


@dataclasses.dataclass(frozen=True)
class _Running:
    """What a proxy consists of while it runs."""

    directory: Path
    port: int
    config: RestConfig
    loop: LoopThread
    server: ProxyServer


def _front_tls(directory: Path) -> ssl.SSLContext:
    pair = certificates.self_signed(["127.0.0.1", "localhost"], common_name="fault-proxy")
    (directory / "proxy.crt").write_bytes(pair.certificate)
    return certificates.server_context(pair)


async def _resolve(source: RestConfig | Path | str) -> tuple[RestConfig, Upstream]:
    config = source if isinstance(source, RestConfig) else await load_config(str(source))
    if config.proxy:
        raise ConfigError(f"the fault proxy does not go through another one: unset the proxy of {config.host}")
    tls = tls_context(config, await config.credentials.current()) if config.host.lower().startswith("https:") else None
    return config, Upstream.of(config.host, tls, config.server_name)
