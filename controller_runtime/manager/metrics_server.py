"""The metrics server: plain or over TLS, for everybody or for those who may."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from controller_runtime import metrics
from controller_runtime.certificates import CertificateError, self_signed, server_context
from controller_runtime.client import Client
from controller_runtime.manager.certwatcher import CertificateWatcher, ConfigureTls
from controller_runtime.manager.endpoints import Endpoint, Handler, by_path, exposition
from controller_runtime.manager.filters import with_authentication_and_authorization
from controller_runtime.manager.listen import is_local
from controller_runtime.manager.runnable import run_all

log = structlog.get_logger(__name__)

_PATH = "/metrics"
_PURPOSE = "the metrics (metrics_server.bind_address)"


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsServerOptions:
    """How the metrics are served; each field's docstring in the source says what it is.

    Raises:
        ValueError: a path of `extra_handlers` is no absolute one, or is `/metrics`; `authentication` would let tokens
            travel in the clear.
    """

    bind_address: str = "0"
    """`host:port` or `:port`; "" or "0" serves none."""
    secure_serving: bool = False
    """TLS 1.2 and later instead of plain HTTP, with the certificate of `cert_dir`."""
    cert_dir: Path | None = None
    """Directory of certificate and key, which are read again when they change. None, the default, makes a self-signed
    certificate for localhost and 127.0.0.1, in memory: whoever scrapes cannot verify it."""
    cert_name: str = "tls.crt"
    """The certificate's file in `cert_dir`, with its chain; named as in Secrets of type kubernetes.io/tls."""
    key_name: str = "tls.key"
    """The key's file in `cert_dir`."""
    authentication: bool = False
    """Asks the API server who scrapes and whether they may: see `with_authentication_and_authorization`. Without TLS
    the tokens would travel in the clear, so that this needs `secure_serving` or an address of the loopback interface,
    as behind a proxy."""
    extra_handlers: Mapping[str, Handler] = field(default_factory=dict)
    """More paths of this server, each with what answers it; `authentication` protects them, too."""
    configure_tls: ConfigureTls | None = None
    """Changes to the TLS context beyond what is said here."""

    def __post_init__(self) -> None:
        """Refuses paths that could not be asked for, and tokens in the clear."""
        if self.authentication and not self.secure_serving and not is_local(self.bind_address):
            raise ValueError(
                f"metrics on {self.bind_address} with authentication would take bearer tokens over plain HTTP: set "
                "secure_serving, or bind them to 127.0.0.1"
            )
        for path in self.extra_handlers:
            if path == _PATH or not path.startswith("/"):
                raise ValueError(f"extra handler {path!r}: a path begins with a slash, and is not {_PATH}")


class MetricsServer:
    """Serves `/metrics`, and what else it is given; a Runnable for `Group.SERVERS`.

    Args:
        options: see there.
        client: asks who may scrape.

    Raises:
        ListenError: see `bind`.
        CertificateError: certificate and key cannot be read or used.
    """

    needs_leader_election = False

    def __init__(self, options: MetricsServerOptions, client: Client) -> None:
        self._watcher = _watcher(options)
        handler = by_path({_PATH: exposition(metrics.REGISTRY), **options.extra_handlers})
        if options.authentication:
            handler = with_authentication_and_authorization(client, handler)
        tls = self._watcher.context if self._watcher is not None else _own_context(options)
        self._endpoint = Endpoint(options.bind_address, _PURPOSE, handler, tls=tls)

    @property
    def port(self) -> int:
        """The port it listens on, for an address that asked for port 0."""
        return self._endpoint.port

    async def start(self) -> None:
        """Serves until cancelled."""
        await run_all([self._endpoint] if self._watcher is None else [self._watcher, self._endpoint])

    def close(self) -> None:
        """Stops listening, for a server that is not started."""
        self._endpoint.close()


def _watcher(options: MetricsServerOptions) -> CertificateWatcher | None:
    if not options.secure_serving or options.cert_dir is None:
        return None
    certificate, key = options.cert_dir / options.cert_name, options.cert_dir / options.key_name
    try:
        return CertificateWatcher(certificate, key, configure=options.configure_tls)
    except CertificateError as error:
        raise CertificateError(f"the metrics (metrics_server.cert_dir): {error}") from error


def _own_context(options: MetricsServerOptions) -> ssl.SSLContext | None:
    """With a certificate that nobody has been told of; None for plain HTTP."""
    if not options.secure_serving:
        return None
    context = server_context(self_signed(("localhost", "127.0.0.1"), common_name="metrics"))
    if options.configure_tls is not None:
        options.configure_tls(context)
    return context
