"""What is measured about the Secrets held in memory."""

from __future__ import annotations

from prometheus_client import Gauge

from controller_runtime.metrics import REGISTRY

CACHED_SECRETS = Gauge(
    "boot_operator_cached_secrets",
    "Secrets that boot configurations refer to and whose content is held.",
    registry=REGISTRY,
)
CACHED_SECRET_BYTES = Gauge(
    "boot_operator_cached_secret_bytes", "Bytes of the content of Secrets that is held.", registry=REGISTRY
)
UNREADABLE_SECRETS = Gauge(
    "boot_operator_unreadable_secrets",
    "Secrets that boot configurations refer to and whose last fetch failed (other than: not found).",
    registry=REGISTRY,
)
