"""Leases: who leads, and until when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in
from controller_runtime.envtest.apiserver.validation.fields import invalid


class LeaseStrategy(Strategy):
    """Numbers in range; elections that the server itself coordinates are not offered."""

    create_on_update = True
    unconditional_update = False

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """Drops what belongs to coordinated elections, a feature that is off by default."""
        spec = obj.get("spec") or {}
        spec.pop("strategy", None)
        spec.pop("preferredHolder", None)

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:  # noqa: ARG002
        """As for a new one."""
        self.prepare_for_create(obj)

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata and numbers."""
        return [*super().validate_create(obj), *_spec(get_in(obj, "spec") or {})]

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """What an update may not change, and the numbers."""
        return [*super().validate_update(obj, old), *_spec(get_in(obj, "spec") or {})]


def _spec(spec: Mapping[str, Any]) -> Iterator[FieldError]:
    duration, transitions = spec.get("leaseDurationSeconds"), spec.get("leaseTransitions")
    if duration is not None and duration <= 0:
        yield invalid("spec.leaseDurationSeconds", duration, "must be greater than 0")
    if transitions is not None and transitions < 0:
        yield invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0")
