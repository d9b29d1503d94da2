"""The server as a process: `python -m controller_runtime.envtest.apiserver --secure-port=6443 ...`.

Flags that kube-apiserver has too mean the same here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import csv
import logging
import os
import signal
import socket
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from controller_runtime import log as logging_setup
from controller_runtime.envtest.apiserver.apiserver import APIServer
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.persistence import DataDirectoryError, SQLiteDisk
from controller_runtime.envtest.apiserver.server import Server
from controller_runtime.envtest.apiserver.store import HISTORY
from controller_runtime.envtest.apiserver.tokens import signing_key

CERTIFICATE: Final = "apiserver.crt"
KEY: Final = "apiserver.key"
SIGNING_KEY: Final = "service-account.key"
_BACKLOG: Final = 1024


class StartError(Exception):
    """The server cannot start; the message says why and what to do."""


def main() -> int:
    """Serves until SIGTERM or SIGINT; returns 1 with one line where it cannot."""
    options = _parser().parse_args()
    logging_setup.configure(level=logging.INFO, json=False)
    try:
        _run(options)
    except (StartError, DataDirectoryError) as error:
        print(f"apiserver: {error}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="apiserver", description="A small Kubernetes API server for labs and tests.", allow_abbrev=False
    )
    add = parser.add_argument
    add("--bind-address", default="127.0.0.1", metavar="ADDR", help="address to listen on (default: %(default)s)")
    add("--secure-port", type=int, default=6443, metavar="N", help="port; 0 takes a free one (default: %(default)s)")
    files = f"{CERTIFICATE}, {KEY} and {SIGNING_KEY}; made if missing"
    add("--cert-dir", type=Path, required=True, metavar="DIR", help=files)
    add("--token-auth-file", type=Path, required=True, metavar="FILE", help="CSV of token, user, uid, groups")
    add("--data-dir", type=Path, metavar="DIR", help="keep objects there across restarts (default: in memory)")
    add(
        "--history",
        type=int,
        default=HISTORY,
        metavar="N",
        help="writes that watches may go back (default: %(default)s)",
    )
    return parser


def _run(options: argparse.Namespace) -> None:
    users = read_tokens(options.token_auth_file)
    tls = tls_context(options.cert_dir, options.bind_address)
    key = token_key(options.cert_dir)
    listener = listen(options.bind_address, options.secure_port)
    disk = SQLiteDisk(options.data_dir) if options.data_dir else None
    try:
        with _runner() as runner:
            runner.run(_serve(APIServer(users, disk=disk, history=options.history, signing_key=key), listener, tls))
    finally:
        if disk is not None:
            disk.close()


def _runner() -> asyncio.Runner:
    try:
        import uvloop
    except ImportError:
        return asyncio.Runner()
    return asyncio.Runner(loop_factory=uvloop.new_event_loop)


async def _serve(api: APIServer, listener: socket.socket, tls: ssl.SSLContext) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    controllers = asyncio.create_task(api.run())
    server = Server(api.dispatcher.dispatch, [listener], tls)
    try:
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({waiting, controllers}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
    finally:
        await server.stop()
        controllers.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await controllers


def read_tokens(path: Path) -> Mapping[str, User]:
    """Users by token, from a file of lines `token,name,uid,"group1,group2"`.

    Raises:
        StartError: the file cannot be read, or a line is malformed.
    """
    users = {}
    try:
        with path.open(newline="") as file:
            for row in csv.reader(file):
                token, name, uid, *groups = row
                users[token] = User(name, tuple(filter(None, ",".join(groups).split(","))), uid)
    except OSError as error:
        raise StartError(f"--token-auth-file: {path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"--token-auth-file: {path} has a line without token, name and uid") from error
    return users


def tls_context(directory: Path, address: str) -> ssl.SSLContext:
    """The certificate in a directory, made there if it is missing.

    Raises:
        StartError: it can be neither read nor made.
    """
    certificate, key = directory / CERTIFICATE, directory / KEY
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if not (certificate.exists() and key.exists()):
            # Loaded when it is needed: it takes a tenth of the time in which the server is ready.
            from controller_runtime import certificates

            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            pair = certificates.self_signed(dict.fromkeys(("localhost", "127.0.0.1", address)), common_name="apiserver")
            descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(pair.key)
            certificate.write_bytes(pair.certificate)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(f"--cert-dir: {certificate} and {key} cannot be used: {error}") from error
    return context


def token_key(directory: Path) -> bytes:
    """The key in a directory that signs tokens of ServiceAccounts, made there if it is missing.

    Raises:
        StartError: it can be neither read nor made.
    """
    path = directory / SIGNING_KEY
    try:
        return signing_key(path)
    except OSError as error:
        raise StartError(f"--cert-dir: {path} cannot be used: {error}") from error


def listen(address: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        StartError: the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Whoever starts this server may hold the port for it.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise StartError(f"cannot listen on {address}:{port}: {error.strerror}") from error
    return listener


if __name__ == "__main__":
    sys.exit(main())
