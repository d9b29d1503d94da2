"""The `kubernetes` package's loaders behind `load_config`, and the renewal of what they load.

Imported by `load_config` alone, because the package is slow to import. It brings certificates into files, reads token
files, runs exec plugins and re-reads a pod's token. What it lacks is here: it logs the failure of a plugin and goes on
without credentials, and its OIDC client leaves the identity provider unverified.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog
from kubernetes.aio.client import Configuration
from kubernetes.aio.config.config_exception import ConfigException
from kubernetes.aio.config.exec_provider import ExecProvider
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from kubernetes.aio.config.kube_config import FileOrData, KubeConfigLoader

from controller_runtime.apimachinery import parse_time
from controller_runtime.client.config import Credential, RestConfig, in_cluster_namespace
from controller_runtime.client.errors import ConfigError
from controller_runtime.client.kubeconfig import SelectedContext, select_context
from controller_runtime.client.oidc import id_token
from controller_runtime.client.proxies import proxy_from_environment

log = structlog.get_logger(__name__)

_REFRESH_SECONDS = 30.0
"""How often files are read again, a pod's token among them; client-go does so each minute."""
_RETRY_SECONDS = 10.0
"""Shortest time between two renewals that fail, or that the server's 401 asks for."""
_EXPIRY_LEEWAY = timedelta(seconds=10)


async def load_kubeconfig(paths: Sequence[Path], named_by: str, context: str | None, user_agent: str) -> RestConfig:
    """The configuration of one context of kubeconfig files; see `select_context` for the arguments."""
    selected = select_context(paths, named_by, context)
    loader = _KubeConfigLoader(selected.document, config_base_path="")
    configuration = Configuration()
    try:
        await loader.load_and_set(configuration)
    except (ConfigException, ConfigError, OSError, ValueError) as error:
        raise ConfigError(f"{selected.origin} cannot be used: {error}") from error
    configuration.refresh_api_key_hook = loader.load_and_set
    return _rest_config(configuration, selected, user_agent, loader)


async def load_in_cluster(service_account: Path, user_agent: str) -> RestConfig:
    """The configuration of a pod: its service account, and the server that its environment names."""
    loader = InClusterConfigLoader(
        token_filename=str(service_account / "token"),
        cert_filename=str(service_account / "ca.crt"),
        try_refresh_token=False,  # its own hook goes by the wall clock
    )
    configuration = Configuration()
    try:
        loader.load_and_set(configuration)
    except (ConfigException, OSError) as error:
        raise ConfigError(f"the service account in {service_account} cannot be used: {error}") from error
    configuration.refresh_api_key_hook = loader.load_and_set
    selected = SelectedContext({}, in_cluster_namespace(service_account) or "", f"service account {service_account}")
    return _rest_config(configuration, selected, user_agent, None)


def _rest_config(
    configuration: Any, selected: SelectedContext, user_agent: str, loader: _KubeConfigLoader | None
) -> RestConfig:
    host = configuration.host
    if not _is_http_url(host):
        raise ConfigError(f"{selected.origin}: server {host!r} is no http or https URL")
    proxy = configuration.proxy or proxy_from_environment(host)
    if proxy and not _is_http_url(proxy):
        raise ConfigError(f"{selected.origin}: proxy {proxy!r} is no http or https URL, and others are not supported")
    if not configuration.verify_ssl:
        log.warning("the certificate of the API server is not verified", server=host, origin=selected.origin)
    return RestConfig(
        host=host,
        user_agent=user_agent,
        credentials=_RefreshedCredentials(configuration, selected.origin, loader),
        ca_file=configuration.ssl_ca_cert or "",
        verify_tls=configuration.verify_ssl,
        server_name=configuration.tls_server_name or "",
        proxy=proxy,
        namespace=selected.namespace,
    )


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number or too large
        return False


class _KubeConfigLoader(KubeConfigLoader):  # type: ignore[misc]  # the package has no types to speak of
    """The package's loader, with errors that reach the caller and an OIDC client that verifies its server."""

    exec_expiry: datetime | None = None
    """When the plugin's credential runs out; None: it does not say, so it is kept until the server refuses it."""
    _has_exec_credential = False

    def forget_exec_credential(self) -> None:
        """Run the plugin again next time."""
        self._has_exec_credential = False

    async def load_from_exec_plugin(self) -> bool:
        """Run the exec plugin unless its last credential still holds."""
        valid = self.exec_expiry is None or datetime.now(UTC) < self.exec_expiry - _EXPIRY_LEEWAY
        if self._has_exec_credential and valid:
            return True
        plugin = self._user["exec"]
        try:
            status = await ExecProvider(plugin).run()
        except (ConfigException, OSError, TypeError) as error:  # TypeError: its answer is JSON, but no map
            hint = plugin.safe_get("installHint") or ""
            raise ConfigError(f"exec plugin {plugin['command']} failed: {error}. {hint}".rstrip(". ")) from error
        self._take_exec_credential(status, plugin["command"])
        return True

    def _take_exec_credential(self, status: Any, command: str) -> None:
        if not isinstance(status, dict):
            raise ConfigError(f"exec plugin {command} gave a status that is no map")
        if not status.get("token") and not (status.get("clientCertificateData") and status.get("clientKeyData")):
            raise ConfigError(f"exec plugin {command} gave neither a token nor a client certificate with its key")
        if status.get("token"):
            self.token = f"Bearer {status['token']}"
        if status.get("clientCertificateData"):
            self.cert_file = _as_file(status, "clientCertificateData")
            self.key_file = _as_file(status, "clientKeyData")
        expiry = status.get("expirationTimestamp")
        self.exec_expiry = parse_time(expiry) if expiry else None
        self._has_exec_credential = True

    async def _load_oid_token(self) -> str:
        settings = self._user["auth-provider"].safe_get("config")
        if not settings:
            raise ConfigError("the oidc auth-provider has no config")
        self.token = f"Bearer {await id_token(settings)}"
        return self.token


def _as_file(status: dict[str, Any], key: str) -> str:
    return str(FileOrData(status, None, data_key_name=key, base64_file_content=False).as_file())


class _RefreshedCredentials:
    """Runs the Configuration's refresh hook when it is due, in one task however many requests wait for it."""

    def __init__(self, configuration: Any, origin: str, loader: _KubeConfigLoader | None) -> None:
        self._configuration = configuration
        self._origin = origin
        self._loader = loader
        self._credential = self._read()
        self._attempted = -_RETRY_SECONDS
        self._due = 0.0
        self._refresh: asyncio.Task[None] | None = None

    async def current(self) -> Credential:
        """The credential to use now. One that cannot be renewed is used on: the server's answer decides."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._due:
            if self._refresh is None:
                self._refresh = loop.create_task(self._run_hook(loop), name="refresh API credentials")
            # Shielded: the request that happened to come first may be cancelled, and a plugin run must not be with it.
            await asyncio.shield(self._refresh)
        return self._credential

    def reject(self) -> None:
        """After a 401: renew before the next request, if the last renewal was not just now."""
        if self._loader is not None:
            self._loader.forget_exec_credential()
        self._due = min(self._due, self._attempted + _RETRY_SECONDS)

    async def _run_hook(self, loop: asyncio.AbstractEventLoop) -> None:
        self._attempted = loop.time()
        try:
            await self._configuration.get_api_key_with_prefix("BearerToken")  # runs refresh_api_key_hook
            self._credential = self._read()
            self._due = loop.time() + self._seconds_until_refresh()
        except Exception as error:  # whatever the package's loaders raise, the old credential may still do
            self._due = loop.time() + _RETRY_SECONDS
            expected = isinstance(error, ConfigException | ConfigError | OSError | ValueError)
            log.warning(
                "cannot renew API credentials, using the old ones",
                origin=self._origin,
                error=str(error) or type(error).__name__,
                exc_info=None if expected else error,
            )
        finally:
            self._refresh = None

    def _seconds_until_refresh(self) -> float:
        expiry = self._loader.exec_expiry if self._loader is not None else None
        if expiry is None:
            return _REFRESH_SECONDS
        left = (expiry - _EXPIRY_LEEWAY - datetime.now(UTC)).total_seconds()
        return min(_REFRESH_SECONDS, max(left, 1.0))

    def _read(self) -> Credential:
        configuration = self._configuration
        token = (configuration.api_key.get("BearerToken") or "").strip()  # a token file may end in a newline
        if not token.isprintable():
            raise ConfigError(f"{self._origin}: the token holds characters that no HTTP header can")
        files = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
        return Credential(
            authorization=token,
            cert_file=configuration.cert_file or "",
            key_file=configuration.key_file or "",
            files_version=hash(tuple(_version(path) for path in files if path)),
        )


def _version(path: str) -> tuple[int, int, int]:
    stat = Path(path).stat()
    return stat.st_ino, stat.st_mtime_ns, stat.st_size
