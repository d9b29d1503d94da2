"""Credentials and TLS over real sockets."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from controller_runtime.client import ConfigError, ConnectError, Credential
from tests.unit.client.loopback import Certificates, Recorder, get, http_server, transport_to
from tests.unit.client.users import content


class Changing:
    """A source whose credential a test replaces."""

    def __init__(self, credential: Credential) -> None:
        self.credential = credential
        self.rejected: list[Credential] = []

    async def current(self) -> Credential:
        return self.credential

    def reject(self, refused: Credential) -> None:
        self.rejected.append(refused)


async def test_a_renewed_token_is_used_at_once() -> None:
    server = Recorder()
    source = Changing(Credential(authorization="Bearer one"))
    async with http_server(server) as url, transport_to(url, credentials=source) as transport:
        await transport.send(get())
        source.credential = Credential(authorization="Bearer two")
        await transport.send(get())
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer one", "Bearer two"]


async def test_a_401_rejects_the_credential_that_was_sent() -> None:
    """Which may have been replaced meanwhile."""
    old, new = Credential(authorization="Bearer old"), Credential(authorization="Bearer new")
    source = Changing(old)

    async def server(request: web.Request) -> web.Response:
        source.credential = new
        return web.Response(status=401 if request.headers["Authorization"] == old.authorization else 403)

    async with http_server(server) as url, transport_to(url, credentials=source) as transport:
        assert [(await transport.send(get())).status for _ in range(2)] == [401, 403]
    assert source.rejected == [old]


@pytest.mark.parametrize("scheme", ["https", "HTTPS"])
async def test_a_server_of_the_configured_ca_is_trusted(certificates: Certificates, scheme: str) -> None:
    server = Recorder()
    async with (
        http_server(server, certificates.server_context()) as url,
        transport_to(url.replace("https", scheme), ca_file=certificates.ca) as transport,
    ):
        assert (await transport.send(get())).status == 200


async def test_the_ca_may_be_data(certificates: Certificates) -> None:
    async with (
        http_server(Recorder(), certificates.server_context()) as url,
        transport_to(url, ca_data=content(certificates.ca)) as transport,
    ):
        assert (await transport.send(get())).status == 200


async def test_a_changed_ca_file_counts_from_the_next_credential_on(certificates: Certificates, tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.write_bytes(certificates.key_pair("client").certificate)
    source = Changing(Credential())
    async with (
        http_server(Recorder(), certificates.server_context()) as url,
        transport_to(url, ca_file=str(ca), credentials=source) as transport,
    ):
        with pytest.raises(ConnectError, match="certificate verify failed"):
            await transport.send(get())
        ca.write_text("# Zertifizierungsstelle für uns\n" + content(certificates.ca))
        source.credential = Credential()
        assert (await transport.send(get())).status == 200


async def test_credentials_that_are_only_read_again_leave_connections_open(certificates: Certificates) -> None:
    connections: list[object] = []

    async def server(request: web.Request) -> web.Response:
        connections.append(request.transport)
        return web.Response()

    source = Changing(Credential(client_certificate=certificates.key_pair("client")))
    async with (
        http_server(server, certificates.server_context(ask_client=True)) as url,
        transport_to(url, ca_file=certificates.ca, credentials=source) as transport,
    ):
        await transport.send(get())
        source.credential = Credential(client_certificate=certificates.key_pair("client"))
        await transport.send(get())
    assert len(connections) == 2
    assert len(set(connections)) == 1


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

    source = Changing(Credential(client_certificate=certificates.key_pair("client")))
    async with (
        http_server(server, certificates.server_context(ask_client=True)) as url,
        transport_to(url, ca_file=certificates.ca, credentials=source) as transport,
    ):
        await transport.send(get())
        source.credential = Credential(client_certificate=certificates.key_pair("renewed"))
        await transport.send(get())
    assert names == ["alice", "bob"]


@pytest.mark.parametrize("ca", [pytest.param(None, id="missing"), pytest.param("", id="empty"), "x"])
async def test_a_ca_file_that_cannot_be_used_is_named(tmp_path: Path, ca: str | None) -> None:
    path = tmp_path / "ca.crt"
    if ca is not None:
        path.write_text(ca)
    async with transport_to("https://127.0.0.1:1", ca_file=str(path)) as transport:
        for _ in range(2):
            with pytest.raises(ConfigError, match=rf"TLS to https://127\.0\.0\.1:1 cannot be set up from {path}: "):
                await transport.send(get())


async def test_a_client_certificate_that_cannot_be_used_is_an_error(certificates: Certificates) -> None:
    pair = certificates.key_pair("client")._replace(key=certificates.key_pair("server").key)
    credential = Credential(client_certificate=pair)
    async with transport_to("https://127.0.0.1:1", ca_file=certificates.ca, credentials=credential) as transport:
        for _ in range(2):
            with pytest.raises(ConfigError, match=r"TLS to https://127\.0\.0\.1:1: .*the key is not that of the cert"):
                await transport.send(get())
