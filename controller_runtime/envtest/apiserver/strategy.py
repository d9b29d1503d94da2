"""How a kind is created and updated: defaults, what clients may not set, rules, fields that selectors know.

The order is the API server's: `default`, the generated name and the system's fields (uid, creationTimestamp) by the
caller, `prepare_for_create` or `prepare_for_update`, `validate`, `canonicalize`. Objects are JSON values; methods that
change their argument say so. A subresource (`status`, `finalize`) has a strategy of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.validation.fields import invalid
from controller_runtime.envtest.apiserver.validation.names import NameRule, dns_subdomain, path_segment
from controller_runtime.envtest.apiserver.validation.object_meta import (
    validate_object_meta,
    validate_object_meta_update,
)


class Strategy:
    """What holds for kinds without rules of their own; the others override what differs.

    Attributes:
        namespaced: Whether objects live in a namespace.
        name_rule: What names may look like.
        create_on_update: Whether a PUT of a missing object creates it.
        unconditional_update: Whether an update without a resourceVersion is accepted.
        reset_fields: Paths that the endpoint does not take from clients, which therefore never own them; by
            `apiVersion`, if they hold for that one alone.
    """

    namespaced: bool = True
    name_rule: NameRule = staticmethod(dns_subdomain)
    create_on_update: bool = False
    unconditional_update: bool = True
    reset_fields: Sequence[tuple[str, ...]] | Mapping[str, Sequence[tuple[str, ...]]] = ()

    def default(self, obj: dict[str, Any]) -> None:
        """Fills in what clients left out, in place; done to whatever is decoded, before it has its generated name."""

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """Drops and sets, in place, what is not the client's to say.

        Raises:
            StatusError: something that the object asks for cannot be had (an address that is taken).
        """

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """As `prepare_for_create`; `old` is the stored object and is left alone."""

    def validate(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[FieldError]:
        """What is wrong with a new object, or with what an update makes of the `old` one."""
        if old is not None:
            return [*self._metadata_of_update(obj, old), *self.validate_update(obj, old)]
        return self.validate_create(obj) or self.validate_names(obj)

    def validate_names(self, obj: dict[str, Any]) -> list[FieldError]:
        """What holds even for kinds whose names are free, once `validate_create` has found nothing."""
        metadata = obj["metadata"]
        return [
            invalid(f"metadata.{field}", metadata[field], text)
            for field in ("generateName", "name")
            if metadata.get(field)
            for text in path_segment(metadata[field], field != "name")
        ]

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """The rules of the kind for new objects."""
        return validate_object_meta(obj["metadata"], namespaced=self.namespaced, name_rule=self.name_rule)

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """The rules of the kind for updates."""
        return validate_object_meta_update(obj["metadata"], old["metadata"])

    def canonicalize(self, obj: dict[str, Any]) -> None:
        """Last changes in place, once the object is valid and has its name."""

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:  # noqa: ARG002
        """What clients should know about an object that is accepted; becomes Warning headers."""
        return []

    def prepare_for_delete(self, obj: dict[str, Any]) -> bool:  # noqa: ARG002
        """Marks in place that the object is going; says whether it has to stay until something else has been done."""
        return False

    def removable(self, obj: dict[str, Any]) -> bool:  # noqa: ARG002
        """Whether an object that is marked for deletion and has no finalizers may go."""
        return True

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """What field selectors can ask for."""
        meta = obj["metadata"]
        fields = {"metadata.name": meta.get("name", "")}
        if self.namespaced:
            fields["metadata.namespace"] = meta.get("namespace", "")
        return fields

    def _metadata_of_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """What holds for every kind; what the kind says too is then said twice, as by the API server."""
        return [
            *validate_object_meta(obj["metadata"], namespaced=self.namespaced, name_rule=path_segment),
            *validate_object_meta_update(obj["metadata"], old["metadata"]),
        ]


def get_in(obj: Any, *path: str) -> Any:
    """The value at a path of maps, None where something on the way is missing."""
    for name in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(name)
    return obj
