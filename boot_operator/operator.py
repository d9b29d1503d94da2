"""What the operator consists of, and what is wired to what."""

from __future__ import annotations

import structlog

from api.v1alpha1 import HTTPBootConfig, IPXEBootConfig
from boot_operator.flags import Options
from controller_runtime.cache import Cache
from controller_runtime.client import AiohttpTransport, in_cluster_namespace, load_config
from controller_runtime.leaderelection import LeaderElection
from controller_runtime.manager import CheckFailedError, Group, Manager, MetricsServerOptions
from controllers import set_up_http_boot_config, set_up_ipxe_boot_config
from machines import BootSecrets, Machines, register
from webserver import BootEndpoints, BootServer, DeliveryRecorder, ListenAddress

log = structlog.get_logger("boot_operator")

LEASE_NAME = "e9f0940b.ironcore.dev"
"""The Go operator's, so that both never write at once while one replaces the other."""
_SET_UP = {"ipxebootconfig": set_up_ipxe_boot_config, "httpbootconfig": set_up_http_boot_config}
_DEFAULT_NAMESPACE = "default"


async def run(options: Options) -> None:
    """Runs the operator until cancelled.

    Raises:
        ConfigError: there is no usable way to an API server.
        ListenError: an address is taken or malformed.
        CertificateError: the certificate of the metrics cannot be read or used.
        Exception: a part failed.
    """
    if options.without_effect:
        log.warning("flags of the Go operator without effect here", flags=options.without_effect)
    transport = AiohttpTransport(await load_config(options.kubeconfig))
    try:
        manager = Manager(
            transport,
            leader_election=_leader_election(options),
            namespaces=options.namespaces,
            metrics_server=_metrics_server(options),
            health_probe_bind_address=options.health_probe_bind_address,
            debug_bind_address=options.debug_bind_address,
            max_staleness=options.max_staleness,
        )
        add_parts(manager, options)
    except BaseException:
        await transport.close()
        raise
    await manager.start()


def _leader_election(options: Options) -> LeaderElection | None:
    if not options.leader_elect:
        return None
    namespace = options.leader_election_namespace or in_cluster_namespace() or _DEFAULT_NAMESPACE
    return LeaderElection(name=LEASE_NAME, namespace=namespace)


def _metrics_server(options: Options) -> MetricsServerOptions:
    """Over TLS, and then for those alone who may; or plain, and for everybody."""
    return MetricsServerOptions(
        bind_address=options.metrics_bind_address,
        secure_serving=options.metrics_secure,
        authentication=options.metrics_secure,
        cert_dir=options.metrics_cert_path,
        cert_name=options.metrics_cert_name,
        key_name=options.metrics_cert_key,
    )


def set_up_machines(cache: Cache, manager: Manager, options: Options) -> tuple[Machines, BootSecrets]:
    """What answers machines: indexes, informers and Secrets; the caller adds the Secrets to the manager."""
    register(cache)
    for kind in (IPXEBootConfig, HTTPBootConfig):
        cache.informer(kind)
    secrets = BootSecrets(manager.replica_client, cache)
    return Machines(cache, secrets, default_uki_url=options.default_httpboot_uki_url), secrets


def add_parts(manager: Manager, options: Options) -> None:
    """Adds controllers, Secrets, deliveries and the boot server to a manager.

    Raises:
        ListenError: an address of the boot server is taken or malformed.
    """
    machines, secrets = set_up_machines(manager.cache, manager, options)
    manager.add(secrets)
    for name, set_up in _SET_UP.items():
        if name in options.controllers:
            set_up(manager, machines)
    deliveries = DeliveryRecorder(manager.replica_client, manager.cache)
    manager.add(deliveries)
    endpoints = BootEndpoints(
        machines,
        configured_service_url=options.ipxe_service_url,
        ipxe_enabled="ipxebootconfig" in options.controllers,
    )
    addresses = (
        ListenAddress(options.boot_server_address, "the boot server (--boot-server-address)"),
        ListenAddress(options.image_proxy_server_address, "the image proxy (--image-proxy-server-address)"),
    )
    server = BootServer(endpoints, deliveries, addresses)
    server.bind()
    manager.add(server, group=Group.SERVING)

    def secrets_fetched() -> None:
        if not machines.ready:
            raise CheckFailedError("the Secrets that configurations refer to are being fetched")

    manager.add_readyz_check("boot-secrets", secrets_fetched)
