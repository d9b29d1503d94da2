"""Credentials from files and auth-providers, and how they are renewed."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from controller_runtime.certificates import KeyPair
from controller_runtime.client import ConfigError, Credential, load_config
from tests.unit.client.loopback import Certificates, http_server
from tests.unit.client.users import authorization, content, load_user


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"token": "t"}, "Bearer t", id="token"),
        pytest.param({"username": "u", "password": "p"}, "Basic dTpw", id="password"),
        pytest.param({"username": "u"}, "Basic dTo=", id="empty password"),
        pytest.param({"username": None, "password": None}, "", id="nothing in it"),
        pytest.param({}, "", id="anonymous"),
    ],
)
async def test_fixed_credentials(tmp_path: Path, user: dict[str, Any], expected: str) -> None:
    assert await authorization(await load_user(tmp_path, user)) == expected


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere"}}, id="plugin"),
        pytest.param({"auth-provider": {"name": "oidc", "config": {"id-token": "x"}}}, id="auth-provider"),
    ],
)
@pytest.mark.parametrize(
    ("user", "expected"),
    [
        pytest.param({"token": "t"}, "Bearer t", id="token"),
        pytest.param({"username": "u", "password": "p"}, "Basic dTpw", id="password"),
    ],
)
async def test_what_the_config_says_itself_counts_before_programs_and_providers(
    tmp_path: Path, user: dict[str, Any], expected: str, other: dict[str, Any]
) -> None:
    assert await authorization(await load_user(tmp_path, user | other)) == expected


async def test_no_credentials_are_sent_without_tls(tmp_path: Path, certificates: Certificates) -> None:
    """As with kubectl; the plugin is not even run."""
    cert_file, key_file = certificates.pair("client")
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/nowhere"}
    for user in ({"token": "t"}, {"client-certificate": cert_file, "client-key": key_file}, {"exec": plugin}):
        with capture_logs() as logs:
            source = await load_user(tmp_path, user, server="HTTP://127.0.0.1")
        assert await source.current() == Credential()
        assert [line["event"] for line in logs] == ["the API server is reached without TLS, so no credentials are sent"]


def encoded(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()


@pytest.mark.parametrize("certificate", [pytest.param("data", id="data"), pytest.param("file", id="file")])
@pytest.mark.parametrize("key", [pytest.param("data", id="key is data"), pytest.param("file", id="key is a file")])
async def test_a_client_certificate_and_its_key_are_data_or_files(
    tmp_path: Path, certificates: Certificates, certificate: str, key: str
) -> None:
    """What is not used names a file that is not there: data come first."""
    cert_file, key_file = certificates.pair("client")
    user = {
        "client-certificate": cert_file if certificate == "file" else "/nowhere",
        "client-certificate-data": encoded(cert_file) if certificate == "data" else "",
        "client-key": key_file if key == "file" else "/nowhere",
        "client-key-data": encoded(key_file) if key == "data" else None,
    }
    credential = await (await load_user(tmp_path, user)).current()
    assert credential.client_certificate == certificates.key_pair("client")


async def test_a_certificate_and_its_key_may_share_a_file(tmp_path: Path, certificates: Certificates) -> None:
    both = tmp_path / "both.pem"
    both.write_text("".join(map(content, certificates.pair("client"))))
    credential = await (await load_user(tmp_path, {"client-certificate": "both.pem"})).current()
    assert credential.client_certificate == KeyPair(both.read_bytes(), b"")


async def test_a_certificate_with_another_key_is_refused_at_once(tmp_path: Path, certificates: Certificates) -> None:
    user = {"client-certificate": certificates.pair("client")[0], "client-key": certificates.pair("server")[1]}
    with pytest.raises(ConfigError, match=r"config .*: the client certificate .*: the key is not that of the cert"):
        await load_user(tmp_path, user)


async def test_secrets_do_not_show(tmp_path: Path, certificates: Certificates) -> None:
    """Credentials end up in error reports of whatever holds them."""
    cert_file, key_file = certificates.pair("client")
    source = await load_user(tmp_path, {"token": "hush", "client-certificate": cert_file, "client-key": key_file})
    shown = repr(await source.current())
    assert "hush" not in shown
    assert "PRIVATE KEY" not in shown


@pytest.mark.parametrize("name", ["token", "ca.crt"])
async def test_an_empty_file_is_refused(tmp_path: Path, certificates: Certificates, name: str) -> None:
    (tmp_path / "token").write_text("one")
    (tmp_path / "ca.crt").write_text(content(certificates.ca))
    (tmp_path / name).write_text("\n")
    with pytest.raises(ConfigError, match=rf"cannot be used: .*{name} is empty"):
        await load_user(tmp_path, {"tokenFile": "token"}, **{"certificate-authority": "ca.crt"})


async def test_a_token_file_counts_before_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of the file")
    source = await load_user(tmp_path, {"tokenFile": "token", "token": "of the config"})
    assert await authorization(source) == "Bearer of the file"


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
    assert await authorization(source) == "Bearer one"
    (tmp_path / "token").write_text("two")
    await asyncio.sleep(31)
    assert await authorization(source) == "Bearer two"


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
async def test_rewritten_certificate_files_are_used_once_they_fit_together(
    tmp_path: Path, certificates: Certificates
) -> None:
    old, new = certificates.key_pair("client"), certificates.key_pair("server")
    cert_file, key_file = tmp_path / "me.crt", tmp_path / "me.key"
    cert_file.write_bytes(old.certificate)
    key_file.write_bytes(old.key)
    source = await load_user(tmp_path, {"client-certificate": "me.crt", "client-key": "me.key"})
    assert (await source.current()).client_certificate == old
    cert_file.write_bytes(new.certificate)
    await asyncio.sleep(31)
    with capture_logs() as logs:
        assert (await source.current()).client_certificate == old
    assert ["the key is not that of the certificate" in line["error"] for line in logs] == [True]
    key_file.write_bytes(new.key)
    await asyncio.sleep(11)
    assert (await source.current()).client_certificate == new


async def test_a_token_that_no_header_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the token holds characters that no HTTP header can"):
        await load_user(tmp_path, {"token": "a\nb"})


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


async def test_a_refresh_token_does_not_follow_a_redirect(tmp_path: Path) -> None:
    forms: list[str] = []

    async def provider(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"token_endpoint": f"http://{request.host}/token"})
        forms.append(request.path)
        if request.path == "/token":
            raise web.HTTPTemporaryRedirect(f"http://{request.host}/elsewhere")
        return web.json_response({"id_token": "fresh"})

    async with http_server(provider) as url:
        with pytest.raises(ConfigError, match="does not renew the OIDC token"):
            await load_user(tmp_path, oidc_user(url, jwt(-5)))
    assert forms == ["/token"]


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


@pytest.fixture
def gcloud(tmp_path: Path) -> Path:
    """A command that prints what is in the file `answer`."""
    command = tmp_path / "gcloud"
    command.write_text(f"#!/bin/sh\ncat '{tmp_path}/answer'\n")
    command.chmod(0o755)
    return command


def gcp_user(command: Path) -> dict[str, Any]:
    return {"auth-provider": {"name": "gcp", "config": {"cmd-path": str(command), "cmd-args": "config"}}}


async def test_a_gcp_token_is_kept_until_it_runs_out(tmp_path: Path, gcloud: Path) -> None:
    def answers(token: str, expiry: str) -> None:
        answer = {"credential": {"access_token": token, "token_expiry": expiry}}
        (tmp_path / "answer").write_text(json.dumps(answer))

    answers("one", "2001-01-01T00:00:00Z")
    source = await load_user(tmp_path, gcp_user(gcloud))
    answers("two", "2999-01-01T00:00:00Z")
    assert await authorization(source) == "Bearer two"
    answers("three", "2999-01-01T00:00:00Z")
    source.reject(await source.current())
    assert await authorization(source) == "Bearer two"


async def test_a_gcp_command_that_gives_no_token_is_one_clear_sentence(tmp_path: Path, gcloud: Path) -> None:
    (tmp_path / "answer").write_text("{}")
    with pytest.raises(
        ConfigError, match=r"config .*cannot be used: the gcp auth-provider gives no token: 'credential'"
    ):
        await load_user(tmp_path, gcp_user(gcloud))


async def test_an_auth_provider_without_a_config_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the gcp auth-provider has no config"):
        await load_user(tmp_path, {"auth-provider": {"name": "gcp"}})
