"""Credentials and TLS over real sockets."""

from __future__ import annotations

import pytest
from aiohttp import web

from controller_runtime.client import ConfigError, ConnectError, Credential
from tests.unit.client.loopback import Certificates, Recorder, get, http_server, transport_to


class Changing:
    """A source whose credential a test replaces."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.rejections = 0

    async def current(self) -> Credential:
        return self.credential

    def reject(self) -> None:
        self.rejections += 1


async def test_a_renewed_token_is_used_at_once() -> None:
    server = Recorder()
    source = Changing(Credential(authorization="Bearer one"))
    async with http_server(server) as url, transport_to(url, credentials=source) as transport:
        await transport.send(get())
        source.credential = Credential(authorization="Bearer two")
        await transport.send(get())
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]


async def test_a_401_rejects_the_credential() -> None:
    server = Recorder([web.Response(status=401), web.Response(status=403)])
    source = Changing(Credential())
    async with http_server(server) as url, transport_to(url, credentials=source) as transport:
        assert ((await transport.send(get())).status, source.rejections) == (401, 1)
        assert ((await transport.send(get())).status, source.rejections) == (403, 1)


async def test_a_server_of_the_configured_ca_is_trusted(certificates: Certificates) -> None:
    server = Recorder()
    async with (
        http_server(server, certificates.server_context()) as url,
        transport_to(url, ca_file=certificates.ca) as transport,
    ):
        assert (await transport.send(get())).status == 200


async def test_a_server_of_another_ca_is_not_trusted(certificates: Certificates) -> None:
    async with http_server(Recorder(), certificates.server_context()) as url, transport_to(url) as transport:
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await transport.send(get())


async def test_verification_can_be_turned_off(certificates: Certificates) -> None:
    async with (
        http_server(Recorder(), certificates.server_context()) as url,
        transport_to(url, verify_tls=False) as transport,
    ):
        assert (await transport.send(get())).status == 200


@pytest.mark.parametrize(
    ("server_name", "trusted"),
    [pytest.param("kubernetes.default.svc", True, id="in it"), pytest.param("other.example", False, id="not in it")],
)
async def test_the_server_name_is_what_the_certificate_must_hold(
    certificates: Certificates, server_name: str, trusted: bool
) -> None:
    async with (
        http_server(Recorder(), certificates.server_context()) as url,
        transport_to(url, ca_file=certificates.ca, server_name=server_name) as transport,
    ):
        if trusted:
            assert (await transport.send(get())).status == 200
        else:
            with pytest.raises(ConnectError, match=r"not valid for 'other\.example'"):
                await transport.send(get())


async def test_a_renewed_client_certificate_is_used_on_new_connections(certificates: Certificates) -> None:
    certificates.sign("renewed", "bob")
    names: list[str] = []

    async def server(request: web.Request) -> web.Response:
        assert request.transport is not None
        subject = dict(pair for part in request.transport.get_extra_info("peercert")["subject"] for pair in part)
        names.append(subject["commonName"])
        return web.Response()

    def credential(name: str) -> Credential:
        cert, key = certificates.pair(name)
        return Credential(cert_file=cert, key_file=key)

    source = Changing(credential("client"))
    async with (
        http_server(server, certificates.server_context(ask_client=True)) as url,
        transport_to(url, ca_file=certificates.ca, credentials=source) as transport,
    ):
        await transport.send(get())
        source.credential = credential("renewed")
        await transport.send(get())
    assert names == ["alice", "bob"]


async def test_tls_files_that_cannot_be_read_are_named(certificates: Certificates) -> None:
    credential = Credential(cert_file=certificates.pair("client")[0], key_file=certificates.pair("server")[1])
    async with transport_to("https://127.0.0.1:1", ca_file=certificates.ca, credentials=credential) as transport:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"TLS to https://127\.0\.0\.1:1 cannot be set up from .*client\.crt"):
                await transport.send(get())
