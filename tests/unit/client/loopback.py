"""Servers on the loopback interface for the tests of what really opens connections."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from controller_runtime.certificates import KeyPair
from controller_runtime.client import AiohttpTransport, ApiRequest, RateLimit, RestConfig

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Connected = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def http_server(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """An HTTP server that answers every request by the handler; gives its URL."""
    server = web.Server(handler, access_log=None, handler_cancellation=True)  # type: ignore[arg-type]
    runner = web.ServerRunner(server)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield f"{'https' if tls else 'http'}://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def raw_server(connected: Connected) -> AsyncIterator[str]:
    """A server that leaves the bytes to a function; gives the URL that leads to it."""
    tasks: list[asyncio.Task[None]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await connected(reader, writer)
        finally:
            writer.close()

    # A plain function: the tasks that start_server makes of coroutines complain when they are cancelled.
    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
    for outcome in outcomes:
        # Clients may leave before they are answered; anything else is a failed assertion of the test.
        assert outcome is None or isinstance(outcome, asyncio.CancelledError | ConnectionError), outcome


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Head and body of one request; empty when the client has closed the connection."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return b""
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    length = int(lengths[0].split(b":")[1]) if lengths else 0
    return head + await reader.readexactly(length)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextlib.asynccontextmanager
async def transport_to(
    host: str, *, connection_limit: int = 100, rate_limit: RateLimit | None = None, **settings: object
) -> AsyncIterator[AiohttpTransport]:
    config = RestConfig(host=host, **settings)  # type: ignore[arg-type]
    transport = AiohttpTransport(config, connection_limit=connection_limit, rate_limit=rate_limit)
    try:
        yield transport
    finally:
        await transport.close()


def get(path: str = "/x", **options: object) -> ApiRequest:
    return ApiRequest(method="GET", path=path, **options)  # type: ignore[arg-type]


def put(**options: object) -> ApiRequest:
    return ApiRequest(method="PUT", path="/x", body=b"{}", **options)  # type: ignore[arg-type]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@dataclass
class Recorder:
    """Answers with what it is told and keeps the requests."""

    answers: list[web.Response] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        self.bodies.append(await request.read())
        return self.answers.pop(0) if self.answers else web.Response(body=b"{}")


class Hold:
    """Answers when it is told to; `asked` is set by the first request."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.released = asyncio.Event()
        self.bytes_seen: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await read_request(reader):
            self.bytes_seen.append(data)
            self.asked.set()
            await self.released.wait()
            writer.write(OK)
            await writer.drain()


@dataclass(frozen=True)
class Certificates:
    """A CA and what it signed; `server.pem` and `client.pem` hold certificate and key."""

    directory: Path

    @property
    def ca(self) -> str:
        """PEM file of the CA."""
        return str(self.directory / "ca.crt")

    def pair(self, name: str) -> tuple[str, str]:
        """Files of certificate and key."""
        return str(self.directory / f"{name}.crt"), str(self.directory / f"{name}.key")

    def key_pair(self, name: str) -> KeyPair:
        """Certificate and key."""
        certificate, key = (Path(path).read_bytes() for path in self.pair(name))
        return KeyPair(certificate, key)

    def server_context(self, *, ask_client: bool = False) -> ssl.SSLContext:
        """TLS of a server that has the certificate for `localhost` and 127.0.0.1."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*self.pair("server"))
        if ask_client:
            context.load_verify_locations(self.ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def sign(self, name: str, subject: str, *alternative_names: str) -> None:
        """Make `name.crt` and `name.key`."""
        authority = x509.load_pem_x509_certificate((self.directory / "ca.crt").read_bytes())
        signer = serialization.load_pem_private_key((self.directory / "ca.key").read_bytes(), password=None)
        assert isinstance(signer, ec.EllipticCurvePrivateKey)
        key, builder = _begun(subject)
        if alternative_names:
            names = x509.SubjectAlternativeName([_general_name(text) for text in alternative_names])
            builder = builder.add_extension(names, critical=False)
        self._write(name, builder.issuer_name(authority.subject).sign(signer, hashes.SHA256()), key)

    def make_ca(self) -> None:
        """Make `ca.crt` and `ca.key`."""
        key, builder = _begun("ca")
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self._write("ca", builder.issuer_name(_name("ca")).sign(key, hashes.SHA256()), key)

    def _write(self, name: str, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        pem = serialization.Encoding.PEM
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
        form, encryption = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (self.directory / f"{name}.key").write_bytes(key.private_bytes(pem, form, encryption))


def _begun(subject: str) -> tuple[ec.EllipticCurvePrivateKey, x509.CertificateBuilder]:
    """A new key, and a certificate for it that lacks issuer and signature."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=2))
    )
    return key, builder


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)
