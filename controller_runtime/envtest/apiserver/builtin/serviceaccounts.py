"""ServiceAccounts: names to which tokens are issued."""

from __future__ import annotations

from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in

_MOUNTABLE: Final = "kubernetes.io/enforce-mountable-secrets"


class ServiceAccountStrategy(Strategy):
    """Of the Secrets that it names, only the names count."""

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """References to Secrets are reduced to names."""
        if obj.get("secrets"):
            obj["secrets"] = [
                {"name": reference["name"]} if (reference or {}).get("name") else {} for reference in obj["secrets"]
            ]

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:  # noqa: ARG002
        """As for a new one."""
        self.prepare_for_create(obj)

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata alone."""
        return validate_core_meta(obj["metadata"], name_rule=self.name_rule)

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """What an update may not change, and all rules for new ones."""
        return [*validate_core_meta_update(obj["metadata"], old["metadata"]), *self.validate_create(obj)]

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:
        """A deprecated annotation, when it is new."""
        if _MOUNTABLE in (get_in(old, "metadata", "annotations") or {}):
            return []
        if _MOUNTABLE not in (get_in(obj, "metadata", "annotations") or {}):
            return []
        advice = "prefer separate namespaces to isolate access to mounted secrets"
        return [f"metadata.annotations[{_MOUNTABLE}]: deprecated in v1.32+; {advice}"]
