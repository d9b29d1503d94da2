"""The `oidc` auth-provider of kubeconfig users: an ID token, renewed with a refresh token when it runs out.

The server of the identity provider is always verified. A refresh token that the provider rotates is kept in memory:
nothing writes to the user's kubeconfig.
"""

from __future__ import annotations

import base64
import binascii
import ssl
import time
from collections.abc import MutableMapping
from typing import Any

import aiohttp
import msgspec

from controller_runtime.client.errors import ConfigError

_LEEWAY_SECONDS = 60.0
_TIMEOUT = aiohttp.ClientTimeout(total=30)


class _Discovery(msgspec.Struct):
    token_endpoint: str


class _Tokens(msgspec.Struct):
    id_token: str
    refresh_token: str = ""


async def id_token(settings: MutableMapping[str, Any]) -> str:
    """An ID token that is valid for another minute.

    Args:
        settings: `config` of the auth-provider; `id-token` and `refresh-token` are replaced in it when renewed.

    Raises:
        ConfigError: the token has run out and there is none to be had.
    """
    token = str(settings.get("id-token") or "")
    # The wall clock, because `exp` is wall time of another machine.
    if token and _expiry(token) > time.time() + _LEEWAY_SECONDS:
        return token
    for key in ("idp-issuer-url", "client-id", "refresh-token"):
        if not settings.get(key):
            raise ConfigError(f"the OIDC token has run out, and it cannot be renewed because {key} is not set")
    try:
        tokens = await _refresh(settings)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError, msgspec.DecodeError) as error:
        raise ConfigError(f"{settings['idp-issuer-url']} does not renew the OIDC token: {error}") from error
    settings["id-token"] = tokens.id_token
    settings["refresh-token"] = tokens.refresh_token or settings["refresh-token"]
    return tokens.id_token


def _expiry(token: str) -> float:
    """Unix time of the `exp` claim; zero for what is no token, so that it is renewed."""
    try:
        payload = token.split(".")[1]
        claims = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return float(claims.get("exp", float("inf")))
    except (IndexError, ValueError, TypeError, AttributeError, binascii.Error, msgspec.DecodeError):
        return 0.0


async def _refresh(settings: MutableMapping[str, Any]) -> _Tokens:
    form = {"grant_type": "refresh_token", "refresh_token": str(settings["refresh-token"])}
    headers = {}
    if secret := settings.get("client-secret"):
        headers["Authorization"] = aiohttp.encode_basic_auth(str(settings["client-id"]), str(secret))
    else:
        form["client_id"] = str(settings["client-id"])
    discovery_url = str(settings["idp-issuer-url"]).rstrip("/") + "/.well-known/openid-configuration"
    connector = aiohttp.TCPConnector(ssl=_tls(settings))
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT, raise_for_status=True) as session:
        async with session.get(discovery_url) as response:
            discovery = msgspec.json.decode(await response.read(), type=_Discovery)
        endpoint = discovery.token_endpoint
        # Not where a redirect leads: the refresh token is for the provider alone.
        async with session.post(endpoint, data=form, headers=headers, allow_redirects=False) as response:
            return msgspec.json.decode(await response.read(), type=_Tokens)


def _tls(settings: MutableMapping[str, Any]) -> ssl.SSLContext:
    if data := settings.get("idp-certificate-authority-data"):
        return ssl.create_default_context(cadata=base64.b64decode(data).decode("ascii"))
    return ssl.create_default_context(cafile=settings.get("idp-certificate-authority") or None)
