"""Who gets the metrics of a program that runs as a ServiceAccount, as the API server says; and over which TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple, Self

import pytest
from pytest_mock import MockerFixture

from controller_runtime.certificates import self_signed
from controller_runtime.envtest import ControlPlane
from controller_runtime.manager import Manager, MetricsServerOptions, certwatcher
from hack.operator_process import OperatorProcess
from tests.integration.manager.conftest import Accounts, LogLines, running

pytestmark = pytest.mark.integration

SECURE = MetricsServerOptions(bind_address="127.0.0.1:0", secure_serving=True, authentication=True)


class Answer(NamedTuple):
    status: int
    body: str


class Connection:
    """A client's connection, which is kept open between requests."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, manager: Manager, certificate: bytes | None = None) -> AsyncIterator[Self]:
        """Trusts that certificate alone, or any."""
        context = ssl.create_default_context(cadata=certificate.decode() if certificate else None)
        if certificate is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        reader, writer = await asyncio.open_connection("127.0.0.1", manager.metrics_port, ssl=context)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()

    async def get(self, authorization: str = "") -> Answer:
        fields = f"Authorization: {authorization}\r\n" if authorization else ""
        self._writer.write(f"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode())
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
        length = next(int(line.split()[1]) for line in head.splitlines() if line.startswith("Content-Length:"))
        return Answer(int(head.split()[1]), (await self._reader.readexactly(length)).decode())


async def scrape(manager: Manager, authorization: str = "") -> Answer:
    async with Connection.to(manager) as connection:
        return await connection.get(authorization)


async def test_the_metrics_are_for_those_whom_the_api_server_lets_read_them(accounts: Accounts) -> None:
    accounts.grant("operator", "metrics_auth_role.yaml")
    async with running(accounts.kubeconfig("operator"), metrics_server=SECURE) as manager:
        allowed = await scrape(manager, f"Bearer {accounts.token('scraper')}")
        denied = await scrape(manager, f"Bearer {accounts.token('visitor')}")
        garbage = await scrape(manager, "Bearer garbage")
        forged = await scrape(manager, f"Bearer {accounts.token('scraper')[:-4]}AAAA")
        nobody = await scrape(manager)
    assert allowed.status == 200
    assert "\nrest_client_requests_total{" in allowed.body
    assert denied == (403, f"Authorization denied for user {accounts.username('visitor')}\n")
    assert garbage == forged == nobody == (401, "Unauthorized\n")


async def test_a_missing_right_to_review_is_told_once_with_the_rule_until_it_is_there(
    accounts: Accounts, logs: LogLines
) -> None:
    token = f"Bearer {accounts.token('scraper')}"
    async with running(accounts.kubeconfig("operator"), metrics_server=SECURE) as manager:
        for _ in range(3):
            assert await scrape(manager, token) == (500, "Authentication failed\n")
        accounts.grant("operator", "metrics_auth_role.yaml")
        assert (await scrape(manager, token)).status == 200
    (line,) = [line for line in logs.lines if line["level"] == "error"]
    rule = '{apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: [create]}'
    assert rule in line["error"]


async def test_a_certificate_is_replaced_while_connections_are_open(
    accounts: Accounts, logs: LogLines, tmp_path: Path, mocker: MockerFixture
) -> None:
    mocker.patch.object(certwatcher, "_POLL_SECONDS", 0.05)
    old, new = (self_signed(("127.0.0.1",), common_name=name) for name in ("old", "new"))
    (tmp_path / "tls.crt").write_bytes(old.certificate)
    (tmp_path / "tls.key").write_bytes(old.key)
    options = MetricsServerOptions(
        bind_address="127.0.0.1:0", secure_serving=True, authentication=True, cert_dir=tmp_path
    )
    accounts.grant("operator", "metrics_auth_role.yaml")
    token = f"Bearer {accounts.token('scraper')}"
    async with (
        running(accounts.kubeconfig("operator"), metrics_server=options) as manager,
        Connection.to(manager, old.certificate) as before,
    ):
        assert (await before.get(token)).status == 200
        (tmp_path / "tls.crt").write_bytes(new.certificate)
        (tmp_path / "tls.key").write_bytes(new.key)
        await logs.until("a new certificate is in use")
        async with Connection.to(manager, new.certificate) as after:
            assert (await after.get(token)).status == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            async with Connection.to(manager, old.certificate):
                pytest.fail("the old certificate is still shown")
        assert (await before.get(token)).status == 200


def test_the_operator_serves_its_metrics_over_tls_to_those_who_may(control_plane: ControlPlane, tmp_path: Path) -> None:
    pair = self_signed(("127.0.0.1",), common_name="metrics")
    (tmp_path / "a.crt").write_bytes(pair.certificate)
    (tmp_path / "a.key").write_bytes(pair.key)
    flags = (
        "--metrics-secure",
        f"--metrics-cert-path={tmp_path}",
        "--metrics-cert-name=a.crt",
        "--metrics-cert-key=a.key",
        "--debug-bind-address=127.0.0.1:0",
    )
    trusting = urllib.request.HTTPSHandler(context=ssl.create_default_context(cadata=pair.certificate.decode()))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trusting)
    with OperatorProcess(control_plane.kubeconfig, tmp_path, *flags) as operator:
        url = operator.url("metrics-bind").replace("http://", "https://") + "/metrics"
        headers = {"Authorization": f"Bearer {control_plane.token}"}
        with opener.open(urllib.request.Request(url, headers=headers)) as response:
            assert b"\nboot_operator_" in response.read()
        with pytest.raises(urllib.error.HTTPError, match="401"):
            opener.open(url)
        with opener.open(operator.url("debug-bind") + "/debug/queues") as response:
            assert b'"ipxebootconfig"' in response.read()
