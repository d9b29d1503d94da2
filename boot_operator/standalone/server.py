"""The API server of standalone mode: its process, and how to reach it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import csv
import fcntl
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

import controller_runtime
from boot_operator.standalone.errors import StandaloneError
from controller_runtime import certificates
from controller_runtime.client import AiohttpTransport, ApiRequest, TransportError, load_config
from controller_runtime.envtest.credentials import new_token, token_table, write_private
from controller_runtime.envtest.errors import ProcessError
from controller_runtime.envtest.processes import ChildProcess, ReservedPort

ADMIN = "admin"
"""The user of the kubeconfig, in the group system:masters, who may do everything."""

_HOST = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.01
_RENEW_BEFORE = timedelta(days=30)
_OWN_WORDS = "apiserver: "  # how the API server begins the line that says why it cannot start


@dataclass(frozen=True, slots=True)
class APIServer:
    """An API server that is ready.

    Attributes:
        url: of it.
        kubeconfig: file of a kubeconfig of `ADMIN`, complete in itself and readable by its owner alone.
        process: the one that serves.
    """

    url: str
    kubeconfig: Path
    process: ChildProcess

    async def ended(self) -> None:
        """Waits for the end of the process.

        Raises:
            StandaloneError: it has come; the message quotes the process's log.
        """
        descriptor = os.pidfd_open(self.process.pid)
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, over.set)
        try:
            await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)
        _check(self.process)


@contextlib.asynccontextmanager
async def api_server(data_dir: Path | None, port: int) -> AsyncIterator[APIServer]:
    """Runs an API server on 127.0.0.1 until the context is left; it dies with this process, however that ends.

    Token and certificate are made once for a data directory, so that a kubeconfig of an earlier run still holds.

    Args:
        data_dir: keeps everything across runs; None keeps objects in memory, and the rest in a temporary directory.
        port: 0 takes a free one.

    Raises:
        StandaloneError: it cannot start: directory or port are taken, or cannot be used.
    """
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(_directory(data_dir))
        port = stack.enter_context(_reserved(port))
        try:
            token = _token(directory / "tokens.csv")
            _write_certificate(directory / "certificates")
            server = _prepare(directory, port, token, persistent=data_dir is not None)
            server.process.start()
        except OSError as error:
            raise StandaloneError(f"the API server's files cannot be written: {error}") from error
        try:
            await _wait_ready(server)
            yield server
        finally:
            await asyncio.to_thread(server.process.stop, _STOP_SECONDS)


def _prepare(directory: Path, port: int, token: str, *, persistent: bool) -> APIServer:
    certificate_dir = directory / "certificates"
    url = f"https://{_HOST}:{port}"
    kubeconfig = directory / "kubeconfig"
    write_private(kubeconfig, _kubeconfig(url, (certificate_dir / "apiserver.crt").read_bytes(), token))
    log = directory / "apiserver.log"
    if log.exists():
        log.replace(log.with_suffix(".log.old"))
    command: list[str | Path] = [
        sys.executable,
        "-P",  # what lies in the working directory is none of the server's modules
        "-m",
        "controller_runtime.envtest.apiserver",
        f"--bind-address={_HOST}",
        f"--secure-port={port}",
        f"--cert-dir={certificate_dir}",
        f"--token-auth-file={directory / 'tokens.csv'}",
        *((f"--data-dir={directory / 'objects'}",) if persistent else ()),
    ]
    # The server is to be this installation's, whatever else PYTHONPATH has.
    packages = str(Path(controller_runtime.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": packages}
    return APIServer(url, kubeconfig, ChildProcess(command, log=log, environment=environment, name="the API server"))


@contextlib.contextmanager
def _directory(data_dir: Path | None) -> Iterator[Path]:
    """The data directory, locked for this process, or a temporary one."""
    if data_dir is None:
        with tempfile.TemporaryDirectory(prefix="boot-operator-") as temporary:
            yield Path(temporary)
        return
    data_dir = data_dir.absolute()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("a+")
    except OSError as error:
        raise StandaloneError(f"--data-dir: {data_dir} cannot be used: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StandaloneError(
                f"--data-dir: {data_dir} is used by another boot-operator (process {lock.read().strip()}): stop it or "
                "name another directory"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield data_dir


@contextlib.contextmanager
def _reserved(port: int) -> Iterator[int]:
    """A port that the API server can have; a free one for 0."""
    if port == 0:
        free = ReservedPort()
        with contextlib.closing(free):
            yield free.number
        return
    # The API server shares its port with whoever wants that, and another one of its kind does. So it is asked for here
    # without sharing.
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            probe.listen()
    except OSError as error:
        raise StandaloneError(
            f"the API server cannot listen on {_HOST}:{port} ({error.strerror}): pass another port by --api-port"
        ) from error
    yield port


def _token(file: Path) -> str:
    """The token of `ADMIN`: that of an earlier run, if there is one."""
    if file.exists():
        with file.open(newline="") as lines:
            for token, user, *_ in csv.reader(lines):
                if user == ADMIN:
                    return token
    token = new_token()
    write_private(file, token_table({ADMIN: token}, {ADMIN: ("system:masters",)}))
    return token


def _write_certificate(directory: Path) -> None:
    """Makes the server's certificate where there is none, or none for much longer."""
    certificate, key = directory / "apiserver.crt", directory / "apiserver.key"
    if certificate.exists() and key.exists():
        expires = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
        if expires - datetime.now(UTC) > _RENEW_BEFORE:
            return
    directory.mkdir(mode=0o700, exist_ok=True)
    pair = certificates.self_signed((_HOST, "localhost"), common_name="apiserver")
    write_private(key, pair.key.decode())
    certificate.write_bytes(pair.certificate)


def _kubeconfig(url: str, authority: bytes, token: str) -> str:
    """A kubeconfig (JSON, which is YAML too) that refers to no other file."""
    name = "boot-operator"
    cluster = {"server": url, "certificate-authority-data": base64.b64encode(authority).decode()}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": ADMIN, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": ADMIN}}],
        "current-context": name,
    }
    return json.dumps(document, indent=2) + "\n"


async def _wait_ready(server: APIServer) -> None:
    transport = AiohttpTransport(await load_config(str(server.kubeconfig)))
    try:
        async with asyncio.timeout(_START_SECONDS):
            while not await _is_ready(transport):
                _check(server.process)
                await asyncio.sleep(_POLL_SECONDS)
    except TimeoutError:
        raise StandaloneError(
            f"the API server was not ready within {_START_SECONDS:.0f} s; {server.process.quoted_log()}"
        ) from None
    finally:
        await transport.close()


async def _is_ready(transport: AiohttpTransport) -> bool:
    try:
        return (await transport.send(ApiRequest(method="GET", path="/readyz", accept="*/*", timeout=2))).status == 200
    except TransportError:
        return False


def _check(process: ChildProcess) -> None:
    try:
        process.check()
    except ProcessError as error:
        last = (process.log_tail(1) or [""])[0]
        if last.startswith(_OWN_WORDS):
            raise StandaloneError(f"the API server cannot start: {last.removeprefix(_OWN_WORDS)}") from error
        raise StandaloneError(str(error)) from error
