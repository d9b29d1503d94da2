"""From the sections of a kubeconfig, or the surroundings of a pod, to a RestConfig; imported by `load_config` alone."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import structlog

from controller_runtime.client.config import Credential, CredentialSource, RestConfig, in_cluster_namespace
from controller_runtime.client.errors import ConfigError
from controller_runtime.client.kubeconfig import SelectedContext, select_context
from controller_runtime.client.proxies import proxy_from_environment
from controller_runtime.client.renewal import RenewedCredentials
from controller_runtime.client.user_credentials import UserCredentials

log = structlog.get_logger(__name__)


async def load_kubeconfig(paths: Sequence[Path], named_by: str, context: str | None, user_agent: str) -> RestConfig:
    """The configuration of one context of kubeconfig files; see `select_context` for the arguments."""
    return await _rest_config(select_context(paths, named_by, context), user_agent)


async def load_in_cluster(service_account: Path, user_agent: str) -> RestConfig:
    """The configuration of a pod: its service account, and the server that its environment names.

    A pod without the file of its CA is an error: the CAs of the system know nothing of the API server.
    """
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    pod = SelectedContext(
        cluster={"server": server, "certificate-authority": str(service_account / "ca.crt")},
        user={"tokenFile": str(service_account / "token")},
        namespace=in_cluster_namespace(service_account) or "",
        origin=f"the service account in {service_account}",
    )
    return await _rest_config(pod, user_agent)


async def _rest_config(selected: SelectedContext, user_agent: str) -> RestConfig:
    cluster, origin = selected.cluster, selected.origin
    host = cluster["server"].rstrip("/")
    if not _is_http_url(host):
        raise ConfigError(f"{origin}: server {_without_login(host)!r} is no http or https URL")
    if "@" in urlsplit(host).netloc:  # it would be in error messages and in metrics
        raise ConfigError(f"{origin}: server {_without_login(host)!r}: one must not name a user or password in the URL")
    proxy = cluster.get("proxy-url") or proxy_from_environment(host)
    if proxy and not _is_http_url(proxy):
        raise ConfigError(
            f"{origin}: proxy {_without_login(proxy)!r} is no http or https URL, and others are not supported"
        )
    verify_tls = not cluster.get("insecure-skip-tls-verify")
    ca_data = _ca_data(cluster, origin)
    ca_file = "" if ca_data else cluster.get("certificate-authority") or ""
    credentials = await _credentials(selected, ca_file)
    if not verify_tls:
        log.warning("the certificate of the API server is not verified", server=host, origin=origin)
    return RestConfig(
        host=host,
        user_agent=user_agent,
        credentials=credentials,
        ca_file=ca_file,
        ca_data=ca_data,
        verify_tls=verify_tls,
        server_name=cluster.get("tls-server-name") or "",
        proxy=proxy,
        namespace=selected.namespace,
    )


async def _credentials(selected: SelectedContext, ca_file: str) -> CredentialSource:
    if urlsplit(selected.cluster["server"]).scheme == "http":  # kubectl, too, shows nothing to who may be anybody
        if selected.user:
            log.warning("the API server is reached without TLS, so no credentials are sent", origin=selected.origin)
        return Credential()
    try:
        user = UserCredentials(selected.user, selected.cluster, ca_file)
        return RenewedCredentials(user, await user.read(), selected.origin)
    except (ConfigError, OSError, ValueError) as error:
        raise ConfigError(f"{selected.origin} cannot be used: {error}") from error


def _ca_data(cluster: Mapping[str, Any], origin: str) -> str:
    data = cluster.get("certificate-authority-data")
    text = base64.b64decode(data or "").decode("ascii", errors="ignore")  # `ssl` takes no comments in other letters
    if data and "BEGIN CERTIFICATE" not in text:
        raise ConfigError(f"{origin}: certificate-authority-data holds no certificate in PEM")
    return text


def _is_http_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without an end, a port that is no number or too large
        return False


def _without_login(url: str) -> str:
    return re.sub("//.*@", "//...@", url)
