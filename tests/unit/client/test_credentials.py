"""Credentials that change: token files, exec plugins, OIDC."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import textwrap
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from kubernetes.aio.config.exec_provider import ExecProvider
from pytest_mock import MockerFixture
from structlog.testing import capture_logs

from controller_runtime.client import ConfigError, CredentialSource, load_config
from tests.unit.client.loopback import Certificates, http_server


async def load_user(directory: Path, user: dict[str, Any]) -> CredentialSource:
    """The credentials of a kubeconfig user."""
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1"}}],
        "users": [{"name": "x", "user": user}],
    }
    path = directory / "config"
    path.write_text(json.dumps(document))
    return (await load_config(str(path))).credentials


def content(path: str) -> str:
    return Path(path).read_text()


def mode(path: str) -> int:
    return Path(path).stat().st_mode


async def authorization(source: CredentialSource) -> str:
    return (await source.current()).authorization


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"token": "t"}, "Bearer t", id="token"),
        pytest.param({"username": "u", "password": "p"}, "Basic dTpw", id="password"),
        pytest.param({}, "", id="anonymous"),
    ],
)
async def test_fixed_credentials(tmp_path: Path, user: dict[str, Any], expected: str) -> None:
    assert await authorization(await load_user(tmp_path, user)) == expected


async def test_certificates_in_the_kubeconfig_become_files(tmp_path: Path, certificates: Certificates) -> None:
    cert, key = map(content, certificates.pair("client"))
    user = {
        "client-certificate-data": base64.b64encode(cert.encode()).decode(),
        "client-key-data": base64.b64encode(key.encode()).decode(),
    }
    credential = await (await load_user(tmp_path, user)).current()
    assert (content(credential.cert_file), content(credential.key_file)) == (cert, key)
    assert mode(credential.key_file) & 0o077 == 0


@pytest.mark.looptime
async def test_a_token_file_is_read_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one\n")
    source = await load_user(tmp_path, {"tokenFile": "token"})
    assert await authorization(source) == "Bearer one"
    token.write_text("two\n")
    await asyncio.sleep(31)
    assert await authorization(source) == "Bearer two"


@pytest.mark.looptime
async def test_a_pods_token_is_read_again(
    tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "ca.crt").write_text(content(certificates.ca))
    (tmp_path / "token").write_text("one")
    source = (await load_config(service_account=tmp_path)).credentials
    assert await authorization(source) == "bearer one"
    (tmp_path / "token").write_text("two")
    await asyncio.sleep(31)
    assert await authorization(source) == "bearer two"


@pytest.mark.looptime
async def test_credentials_that_cannot_be_renewed_are_used_on_and_tried_again(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("one")
    source = await load_user(tmp_path, {"tokenFile": "token"})
    await source.current()
    token.unlink()
    await asyncio.sleep(31)
    with capture_logs() as logs:
        assert [await authorization(source) for _ in range(3)] == ["Bearer one"] * 3
    assert [line["event"] for line in logs] == ["cannot renew API credentials, using the old ones"]
    token.write_text("two")
    await asyncio.sleep(11)
    assert await authorization(source) == "Bearer two"


@pytest.mark.looptime
async def test_a_rewritten_certificate_file_is_another_credential(tmp_path: Path, certificates: Certificates) -> None:
    for name, path in zip(("me.crt", "me.key"), certificates.pair("client"), strict=True):
        (tmp_path / name).write_text(content(path))
    source = await load_user(tmp_path, {"client-certificate": "me.crt", "client-key": "me.key"})
    first = await source.current()
    (tmp_path / "me.crt").write_text(content(certificates.pair("server")[0]))
    await asyncio.sleep(31)
    second = await source.current()
    assert (first.cert_file, first.files_version == second.files_version) == (second.cert_file, False)


async def test_a_token_that_no_header_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the token holds characters that no HTTP header can"):
        await load_user(tmp_path, {"token": "a\nb"})


class Plugin:
    """An exec plugin: answers with what `answer` holds and notes each run."""

    def __init__(self, directory: Path) -> None:
        self.answer = directory / "answer.json"
        self.runs = directory / "runs"
        self.runs.write_text("")
        self.program = directory / "plugin"
        script = f"""\
            #!{sys.executable} -I
            import json, os, pathlib, sys
            with open({str(self.runs)!r}, "a") as runs:
                runs.write(json.loads(os.environ["KUBERNETES_EXEC_INFO"])["kind"] + os.environ["FROM_CONFIG"] + "\\n")
            answer = pathlib.Path({str(self.answer)!r})
            if not answer.exists():
                sys.exit("no session, log in first")
            print(answer.read_text())
            """
        self.program.write_text(textwrap.dedent(script))
        self.program.chmod(0o755)

    def says(self, **status: Any) -> None:
        kind = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"}
        self.answer.write_text(json.dumps({**kind, "status": status}))

    def run_count(self) -> int:
        return len(self.runs.read_text().splitlines())

    @property
    def user(self) -> dict[str, Any]:
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": f".{os.sep}plugin",
                "args": ["get-token"],
                "env": [{"name": "FROM_CONFIG", "value": "yes"}],
                "installHint": "install it",
            }
        }


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def timestamp(seconds_from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat()


@pytest.mark.looptime
async def test_an_exec_token_without_expiry_is_kept(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    assert await authorization(source) == "Bearer one"
    await asyncio.sleep(3600)
    assert await authorization(source) == "Bearer one"
    assert plugin.runs.read_text() == "ExecCredentialyes\n"


@pytest.mark.looptime
async def test_the_servers_401_runs_the_plugin_again_but_not_at_once(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    await source.current()
    plugin.says(token="two")
    source.reject()
    assert await authorization(source) == "Bearer one"
    await asyncio.sleep(10)
    assert await authorization(source) == "Bearer two"
    assert plugin.run_count() == 2


async def test_an_expired_exec_token_is_renewed_once_for_all_waiting_requests(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one", expirationTimestamp=timestamp(5))
    source = await load_user(tmp_path, plugin.user)
    plugin.says(token="two", expirationTimestamp=timestamp(3600))
    assert await asyncio.gather(*(authorization(source) for _ in range(5))) == ["Bearer two"] * 5
    assert plugin.run_count() == 2


async def test_a_cancelled_request_does_not_stop_the_renewal(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one", expirationTimestamp=timestamp(5))
    source = await load_user(tmp_path, plugin.user)
    plugin.says(token="two", expirationTimestamp=timestamp(3600))
    first = asyncio.create_task(authorization(source))
    await asyncio.sleep(0)
    first.cancel()
    assert await authorization(source) == "Bearer two"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert plugin.run_count() == 2


async def test_an_exec_plugin_may_bring_a_certificate(
    tmp_path: Path, plugin: Plugin, certificates: Certificates
) -> None:
    cert, key = map(content, certificates.pair("client"))
    plugin.says(clientCertificateData=cert, clientKeyData=key)
    credential = await (await load_user(tmp_path, plugin.user)).current()
    assert (credential.authorization, content(credential.cert_file)) == ("", cert)
    assert content(credential.key_file) == key


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({}, r"plugin failed: .*no session, log in first.*install it", id="it fails"),
        pytest.param({"command": "no-such-plugin"}, "exec plugin no-such-plugin failed", id="it is not there"),
        pytest.param({"apiVersion": "other/v1"}, "does not match", id="another version"),
    ],
)
async def test_a_plugin_that_fails_is_one_clear_sentence(
    tmp_path: Path, plugin: Plugin, change: dict[str, Any], message: str
) -> None:
    if "apiVersion" in change:
        plugin.says(token="t")
    with pytest.raises(ConfigError, match=message):
        await load_user(tmp_path, {"exec": plugin.user["exec"] | change})


@pytest.mark.parametrize(
    "answer", ["5", '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "", "status": "x"}']
)
async def test_a_plugin_whose_answer_is_no_credential_is_one_clear_sentence(
    tmp_path: Path, plugin: Plugin, answer: str
) -> None:
    plugin.answer.write_text(answer)
    with pytest.raises(ConfigError, match=r"exec plugin .*plugin"):
        await load_user(tmp_path, plugin.user)


@pytest.mark.looptime
async def test_whatever_stops_a_renewal_the_old_credential_is_used_on(
    tmp_path: Path, plugin: Plugin, mocker: MockerFixture
) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    await source.current()
    mocker.patch.object(ExecProvider, "run", side_effect=KeyError("status"))
    source.reject()
    await asyncio.sleep(10)
    with capture_logs() as logs:
        assert [await authorization(source) for _ in range(3)] == ["Bearer one"] * 3
    assert [line["event"] for line in logs] == ["cannot renew API credentials, using the old ones"]


async def test_a_plugin_without_credentials_is_not_anonymous(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(clientCertificateData="x")
    with pytest.raises(ConfigError, match="gave neither a token nor a client certificate with its key"):
        await load_user(tmp_path, plugin.user)


def jwt(seconds_from_now: float) -> str:
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + seconds_from_now}).encode()).decode()
    return f"e30.{claims.rstrip('=')}.sig"


class IdentityProvider:
    """Renews tokens and notes the forms it was sent."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answer: dict[str, str] = {}

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path.endswith("/.well-known/openid-configuration"):
            return web.json_response({"token_endpoint": f"http://{request.host}/token"})
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.forms.append(form | {"basic": request.headers.get("Authorization", "")})
        return web.json_response(self.answer) if self.answer else web.json_response({"error": "x"}, status=400)


def oidc_user(issuer: str, token: str, **settings: str) -> dict[str, Any]:
    config = {"idp-issuer-url": issuer, "client-id": "me", "refresh-token": "r1", "id-token": token, **settings}
    return {"auth-provider": {"name": "oidc", "config": config}}


async def test_a_valid_oidc_token_is_used_as_it_is(tmp_path: Path) -> None:
    token = jwt(3600)
    assert await authorization(await load_user(tmp_path, oidc_user("http://127.0.0.1:1", token))) == f"Bearer {token}"


@pytest.mark.parametrize(
    ("settings", "basic", "client"),
    [
        pytest.param({"client-secret": "s"}, "Basic bWU6cw==", None, id="confidential client"),
        pytest.param({}, "", "me", id="public client"),
    ],
)
async def test_an_expired_oidc_token_is_renewed(
    tmp_path: Path, settings: dict[str, str], basic: str, client: str | None
) -> None:
    provider = IdentityProvider()
    fresh = jwt(3600)
    provider.answer = {"id_token": fresh, "refresh_token": "r2"}
    async with http_server(provider) as url:
        source = await load_user(tmp_path, oidc_user(url + "/", jwt(-5), **settings))
        assert await authorization(source) == f"Bearer {fresh}"
    [form] = provider.forms
    assert (form["grant_type"], form["refresh_token"], form["basic"]) == ("refresh_token", "r1", basic)
    assert form.get("client_id") == client


async def test_a_rotated_refresh_token_is_used_next(tmp_path: Path) -> None:
    provider = IdentityProvider()
    provider.answer = {"id_token": jwt(-5), "refresh_token": "r2"}
    async with http_server(provider) as url:
        source = await load_user(tmp_path, oidc_user(url, "no token"))
        await source.current()
    assert [form["refresh_token"] for form in provider.forms] == ["r1", "r2"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        pytest.param(
            {"refresh-token": ""}, "cannot be renewed because refresh-token is not set", id="no refresh token"
        ),
        pytest.param({}, "does not renew the OIDC token: 400", id="refused"),
        pytest.param({"idp-issuer-url": "http://127.0.0.1:1"}, "does not renew the OIDC token", id="not reachable"),
    ],
)
async def test_an_oidc_token_that_cannot_be_renewed(tmp_path: Path, settings: dict[str, str], message: str) -> None:
    async with http_server(IdentityProvider()) as url:
        user = oidc_user(url, jwt(-5))
        user["auth-provider"]["config"] |= settings
        with pytest.raises(ConfigError, match=message):
            await load_user(tmp_path, user)


@pytest.mark.parametrize("trusted", [pytest.param(True, id="its CA is given"), pytest.param(False, id="it is not")])
async def test_the_identity_provider_is_verified(tmp_path: Path, certificates: Certificates, trusted: bool) -> None:
    async def provider(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"token_endpoint": f"https://{request.host}/token"})
        return web.json_response({"id_token": "fresh"})

    ca = base64.b64encode(content(certificates.ca).encode()).decode()
    settings = {"idp-certificate-authority-data": ca} if trusted else {}
    async with http_server(provider, certificates.server_context()) as url:
        if trusted:
            assert await authorization(await load_user(tmp_path, oidc_user(url, "x", **settings))) == "Bearer fresh"
        else:
            with pytest.raises(ConfigError, match="certificate verify failed"):
                await load_user(tmp_path, oidc_user(url, "x"))
