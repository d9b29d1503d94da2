"""The metrics server over sockets: plain, over TLS, and for those alone whom the API server lets in."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from structlog.testing import capture_logs
from tornado.httputil import HTTPServerRequest

from controller_runtime.api.authentication_v1 import TokenReview
from controller_runtime.api.authorization_v1 import SubjectAccessReview
from controller_runtime.apimachinery import Object
from controller_runtime.certificates import CertificateError, self_signed
from controller_runtime.client import Client
from controller_runtime.manager import Answer, ListenError, Manager, MetricsServerOptions
from controller_runtime.manager.endpoints import TEXT
from controller_runtime.manager.filters import bearer_token
from controller_runtime.manager.metrics_server import MetricsServer
from tests.unit.manager.review_api import SCRAPER, VISITOR, ReviewApi

OF_SCRAPER, OF_VISITOR = "Bearer {scraper}", "Bearer {visitor}"
"""Where an account's name stands for its token."""


@dataclass(frozen=True)
class Response:
    status: int
    headers: str
    body: str


@dataclass(frozen=True)
class Running:
    """A server, and the API server that it asks."""

    port: int
    api: ReviewApi

    async def get(self, path: str = "/metrics", *, tls: ssl.SSLContext | None = None, **headers: str) -> Response:
        return await self.ask("GET", path, tls=tls, **headers)

    async def ask(self, method: str, path: str, *, tls: ssl.SSLContext | None = None, **headers: str) -> Response:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=tls)
        lines = [f"{method} {path} HTTP/1.1", "Host: test", "Connection: close"]
        lines += [f"{name}: {value.format(**self.api.tokens)}" for name, value in headers.items()]
        writer.write("\r\n".join([*lines, "", ""]).encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        return Response(int(head.split()[1]), head, body)


@contextlib.asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Running]:
    api = ReviewApi()
    server = MetricsServer(MetricsServerOptions(bind_address="127.0.0.1:0", **options), Client(api.net))
    task = asyncio.create_task(server.start())
    try:
        yield Running(server.port, api)
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


async def extra(_: HTTPServerRequest) -> Answer:
    return Answer(200, TEXT, b"more")


def trusting(certificate: bytes | None = None) -> ssl.SSLContext:
    """Verifies against that certificate, or nothing."""
    context = ssl.create_default_context(cadata=certificate.decode() if certificate else None)
    if certificate is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def test_plain_metrics_are_everybodys() -> None:
    async with serving() as running:
        response = await running.get()
    assert response.status == 200
    assert "\nprocess_start_time_seconds " in response.body
    assert running.api.net.calls == []


async def test_without_files_the_certificate_is_self_signed_for_this_machine() -> None:
    async with serving(secure_serving=True) as running:
        _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=trusting())
        der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        await writer.wait_closed()
        pem = ssl.DER_cert_to_PEM_cert(der).encode()
        assert (await running.get(tls=trusting(pem))).status == 200
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1"]


async def test_files_are_served_under_their_names(tmp_path: Path) -> None:
    pair = self_signed(("127.0.0.1",), common_name="given")
    (tmp_path / "a.pem").write_bytes(pair.certificate)
    (tmp_path / "b.pem").write_bytes(pair.key)
    files = {"cert_dir": tmp_path, "cert_name": "a.pem", "key_name": "b.pem"}
    async with serving(secure_serving=True, **files) as running:
        assert (await running.get(tls=trusting(pair.certificate))).status == 200


async def test_files_that_are_missing_are_no_reason_for_another_certificate(tmp_path: Path) -> None:
    with pytest.raises(CertificateError, match=r"metrics_server.cert_dir.*tls\.crt: No such file or directory"):
        async with serving(secure_serving=True, cert_dir=tmp_path):
            pass


async def test_tls_older_than_1_2_is_refused() -> None:
    context = trusting()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with serving(secure_serving=True) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await running.get(tls=context)


async def test_a_program_may_change_the_tls_context() -> None:
    def modern(context: ssl.SSLContext) -> None:
        context.minimum_version = ssl.TLSVersion.TLSv1_3

    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with serving(secure_serving=True, configure_tls=modern) as running:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            await running.get(tls=context)
        assert (await running.get(tls=trusting())).status == 200


@pytest.mark.parametrize(
    ("path", "authorization", "status", "text"),
    [
        pytest.param("/metrics", OF_SCRAPER, 200, "# HELP ", id="who may"),
        pytest.param("/metrics", "bearer  {scraper}", 200, "# HELP ", id="scheme in lower case"),
        pytest.param("/extra", OF_SCRAPER, 200, "more", id="extra path"),
        pytest.param("/metrics", OF_VISITOR, 403, f"Authorization denied for user {VISITOR}\n", id="who may not"),
        pytest.param("/extra", OF_VISITOR, 403, f"Authorization denied for user {VISITOR}\n", id="extra path too"),
        pytest.param("/none", OF_VISITOR, 403, f"Authorization denied for user {VISITOR}\n", id="no such path"),
        pytest.param("/none", OF_SCRAPER, 403, f"Authorization denied for user {SCRAPER}\n", id="nor a right to it"),
        pytest.param("/metrics", "Bearer garbage", 401, "Unauthorized\n", id="unknown token"),
        pytest.param("/metrics", "Basic c2NyYXBlcnM6", 401, "Unauthorized\n", id="another scheme"),
        pytest.param("/metrics", "Bearer", 401, "Unauthorized\n", id="no token after the scheme"),
        pytest.param("/metrics", "", 401, "Unauthorized\n", id="no header"),
    ],
)
async def test_who_gets_what(path: str, authorization: str, status: int, text: str) -> None:
    async with serving(authentication=True, extra_handlers={"/extra": extra}) as running:
        response = await running.get(path, Authorization=authorization)
    assert response.status == status
    assert response.body.startswith(text)
    assert ("www-authenticate: bearer" in response.headers.lower()) == (status == 401)


async def test_another_method_is_another_right() -> None:
    async with serving(authentication=True) as running:
        response = await running.ask("HEAD", "/metrics", Authorization=OF_SCRAPER)
        assert response.status == 403
        assert running.api.asked(SubjectAccessReview)[0]["spec"]["nonResourceAttributes"]["verb"] == "head"


async def test_without_a_token_the_api_server_is_not_asked() -> None:
    async with serving(authentication=True) as running:
        assert (await running.get()).status == 401
        assert running.api.net.calls == []


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        pytest.param(TokenReview, "Authentication failed\n", id="of the token"),
        pytest.param(SubjectAccessReview, f"Authorization for user {SCRAPER} failed\n", id="of the request"),
    ],
)
async def test_a_review_that_fails_is_not_taken_for_a_no(kind: type[Object], text: str) -> None:
    with capture_logs() as lines:
        async with serving(authentication=True) as running:
            running.api.net.fail("create", 403, kind=kind)
            response = await running.get(Authorization=OF_SCRAPER)
    assert (response.status, response.body) == (500, text)
    assert len([line for line in lines if line["log_level"] == "error"]) == 1


async def test_one_scraper_that_waits_for_its_review_holds_up_no_other() -> None:
    async with serving(authentication=True) as running:
        assert (await running.get(Authorization=OF_SCRAPER)).status == 200
        running.api.gate.clear()
        running.api.arrived.clear()
        waiting = asyncio.create_task(running.get(Authorization=OF_VISITOR))
        await running.api.arrived.wait()
        assert (await running.get(Authorization=OF_SCRAPER)).status == 200
        assert not waiting.done()
        running.api.gate.set()
        assert (await waiting).status == 403


@pytest.mark.parametrize(
    "path", [pytest.param("/metrics", id="the metrics' own"), pytest.param("debug", id="without a slash")]
)
def test_extra_paths_that_could_not_be_asked_for_are_refused(path: str) -> None:
    with pytest.raises(ValueError, match="extra handler"):
        MetricsServerOptions(extra_handlers={path: extra})


@pytest.mark.parametrize(
    ("header", "token"),
    [
        pytest.param("Bearer abc", "abc", id="usual"),
        pytest.param("  BEARER   abc ", "abc", id="blanks"),
        pytest.param("Bearer ", "", id="empty"),
        pytest.param("Bearerabc", "", id="no blank"),
        pytest.param("Negotiate abc", "", id="another scheme"),
        pytest.param("", "", id="no header"),
    ],
)
def test_the_token_of_a_header(header: str, token: str) -> None:
    assert bearer_token(header) == token


async def test_a_manager_serves_its_metrics_as_it_is_told(tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=r"metrics_server\.bind_address"):
        Manager(ReviewApi().net, metrics_server=MetricsServerOptions(bind_address="nowhere"))
    options = MetricsServerOptions(bind_address="127.0.0.1:0", secure_serving=True, cert_dir=tmp_path)
    with pytest.raises(CertificateError):
        Manager(ReviewApi().net, metrics_server=options)
    assert Manager(ReviewApi().net).metrics_port is None


@pytest.mark.parametrize("address", [":8443", "0.0.0.0:8443", "192.0.2.1:8443", "[::]:8443", "metrics.example.com:80"])
def test_tokens_do_not_travel_in_the_clear(address: str) -> None:
    with pytest.raises(ValueError, match="bearer tokens over plain HTTP: set secure_serving"):
        MetricsServerOptions(bind_address=address, authentication=True)
    MetricsServerOptions(bind_address=address, authentication=True, secure_serving=True)


@pytest.mark.parametrize("address", ["127.0.0.1:0", "[::1]:80", "localhost:80", "0", ""])
def test_tokens_may_stay_on_the_machine(address: str) -> None:
    assert MetricsServerOptions(bind_address=address, authentication=True).authentication
