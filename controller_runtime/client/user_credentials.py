"""What a user of a kubeconfig, or a pod, has to show to the API server.

By client-go's rules: what stands in the config itself counts before an auth-provider, and before an exec plugin, which
is not run then (for a client certificate, too); a client certificate is shown beside anything else. Unlike there, a
`tokenFile` that cannot be read is an error although there is a `token`.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from controller_runtime.certificates import CertificateError, KeyPair, load_key_pair
from controller_runtime.client.config import Credential
from controller_runtime.client.errors import ConfigError
from controller_runtime.client.exec_plugin import ExecPlugin
from controller_runtime.client.gcp import access_token
from controller_runtime.client.oidc import id_token


class UserCredentials:
    """Reads the credential of a user: an auth-provider, an exec plugin, a token or a password, and a certificate.

    Args:
        user: The user's section, with absolute paths. A `tokenFile` counts before a `token`, and data before files.
        cluster: The cluster's section, for an exec plugin.
        ca_file: The file of the server's CAs, watched with the user's own; empty: none.
    """

    def __init__(self, user: Mapping[str, Any], cluster: Mapping[str, Any], ca_file: str) -> None:
        self._user = user
        self._ca_file = ca_file
        plugin = None if _is_known(user) else user.get("exec")
        self._plugin = None if plugin is None else ExecPlugin(plugin, cluster)

    @property
    def renew_at(self) -> datetime | None:
        """When `read` will give another credential; None: nobody knows."""
        return self._plugin.renew_at if self._plugin is not None else None

    def forget(self) -> None:
        """The server refuses the credential: keep nothing of it for the next `read`."""
        if self._plugin is not None:
            self._plugin.forget()

    async def read(self) -> Credential:
        """The credential as it is now; files are read anew.

        Raises:
            ConfigError: there is none; the message says what is missing.
            OSError: a file cannot be read.
        """
        if self._ca_file:
            _content(self._ca_file)  # the old credential stays, and with it the old CAs, until the file is there again
        shown = await self._shown()
        if not shown.authorization.isprintable():
            raise ConfigError("the token holds characters that no HTTP header can")
        certificate = shown.client_certificate or _client_certificate(self._user)
        if certificate is not None:
            _check(certificate)
        return Credential(authorization=shown.authorization, client_certificate=certificate)

    async def _shown(self) -> Credential:
        if authorization := _authorization(self._user):
            return Credential(authorization=authorization)
        if provider := self._user.get("auth-provider"):
            return Credential(authorization=f"Bearer {await _provider_token(provider)}")
        return Credential() if self._plugin is None else await self._plugin.credential()


def _is_known(user: Mapping[str, Any]) -> bool:
    """Whether the config itself says who the user is, without an auth-provider or a plugin."""
    return any(
        user.get(key) for key in ("token", "tokenFile", "username", "client-certificate", "client-certificate-data")
    )


async def _provider_token(provider: Mapping[str, Any]) -> str:
    settings = provider.get("config")
    if not settings:
        raise ConfigError(f"the {provider['name']} auth-provider has no config")
    return await (id_token(settings) if provider["name"] == "oidc" else access_token(settings))


def _authorization(user: Mapping[str, Any]) -> str:
    if path := user.get("tokenFile"):
        return f"Bearer {_content(path).decode(errors='replace').strip()}"
    if token := user.get("token"):
        return f"Bearer {token.strip()}"
    if name := user.get("username"):
        pair = f"{name}:{user.get('password') or ''}"
        return f"Basic {base64.b64encode(pair.encode()).decode()}"
    return ""


def _client_certificate(user: Mapping[str, Any]) -> KeyPair | None:
    certificate = _data_or_file(user, "client-certificate")
    return KeyPair(certificate, _data_or_file(user, "client-key")) if certificate else None


def _data_or_file(user: Mapping[str, Any], name: str) -> bytes:
    if data := user.get(f"{name}-data"):
        return base64.b64decode(data)
    path = user.get(name)
    return _content(path) if path else b""


def _content(path: str) -> bytes:
    content = Path(path).read_bytes()
    if not content.strip():
        raise ConfigError(f"{path} is empty")
    return content


def _check(pair: KeyPair) -> None:
    """Refuse what TLS could not use: half of a pair that is being replaced must not push out the old one."""
    try:
        load_key_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pair)
    except CertificateError as error:
        raise ConfigError(f"the client certificate cannot be used: {error}") from error
