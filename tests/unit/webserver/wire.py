"""A client that sends exactly the bytes it is told to, and reads responses as strict firmware does."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER for a close that sends a reset."""


@dataclass(frozen=True)
class Answer:
    """A response as it came over the wire."""

    status_line: str
    headers: dict[str, str]
    """By name as it was sent."""
    body: bytes

    @property
    def status(self) -> int:
        """The code."""
        return int(self.status_line.split(" ", 2)[1])


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, host: str = "127.0.0.1", *, receive_buffer: int | None = None) -> Wire:
        """Connects, with a small receive buffer if one is given."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family)
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            await asyncio.get_running_loop().sock_connect(sock, (host, port))
        except OSError:
            sock.close()
            raise
        return cls(*await asyncio.open_connection(sock=sock, limit=receive_buffer or 2**16))

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def request(self, target: str, *, method: str = "GET", version: str = "1.1", **headers: str) -> None:
        """Sends a request; `Host: boot` unless another one is given."""
        named = {"Host": "boot"} | {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {target} HTTP/{version}", *(f"{name}: {value}" for name, value in named.items())]
        self.send("".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin1"))

    async def answer(self, *, has_body: bool = True) -> Answer:
        """Reads one response, by its Content-Length."""
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")[:-2]
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers["Content-Length"]) if has_body else 0
        return Answer(lines[0], headers, await self.reader.readexactly(length))

    async def get(self, target: str, **headers: str) -> Answer:
        """One GET."""
        self.request(target, **headers)
        return await self.answer()

    async def rest(self) -> bytes:
        """Everything until the server closes; a reset is an end too."""
        try:
            return await self.reader.read()
        except ConnectionResetError:
            return b""

    async def close(self) -> None:
        """Closes in order."""
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionResetError:
            pass

    async def reset(self) -> None:
        """Closes as a machine that is switched off does."""
        sock: socket.socket = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        await self.close()
