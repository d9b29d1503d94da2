"""Events: one store, seen as core/v1 and as events.k8s.io/v1.

They are stored as core/v1. Rules are told in the names of core/v1, whichever version a client uses, with one exception:
the controller is `reportingComponent` there and `reportingController` in events.k8s.io.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in
from controller_runtime.envtest.apiserver.validation.fields import invalid, required
from controller_runtime.envtest.apiserver.validation.names import dns_subdomain, path_segment, qualified_name
from controller_runtime.envtest.apiserver.validation.object_meta import IMMUTABLE, validate_object_meta

_LIMIT: Final = 128  # bytes of reportingInstance, action and reason
_MESSAGE_LIMIT: Final = 1024  # bytes
_NAMES: Final = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
"""Fields by their names in core/v1, with their names in events.k8s.io/v1; all others have the same."""
_CORE_NAMES: Final = {theirs: ours for ours, theirs in _NAMES.items()}
_REFERENCE: Final = ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
_FIXED: Final = (
    "involvedObject",
    "reason",
    "message",
    "source",
    "firstTimestamp",
    "lastTimestamp",
    "count",
    "reason",
    "type",
    "eventTime",
    "action",
    "related",
    "reportingComponent",
    "reportingInstance",
)

LABELS: Final = {
    **{f"involvedObject.{name}": f"involvedObject.{name}" for name in _REFERENCE},
    **{name: name for name in ("reason", "reportingComponent", "source", "type")},
}
"""Fields that selectors of core/v1 may name."""
EVENTS_LABELS: Final = {
    **{f"regarding.{name}": f"involvedObject.{name}" for name in _REFERENCE},
    "reason": "reason",
    "reportingController": "reportingComponent",
    "type": "type",
}
"""Fields that selectors of events.k8s.io/v1 may name, with their names in core/v1."""


def to_core(event: Mapping[str, Any]) -> dict[str, Any]:
    """An events.k8s.io/v1 Event as core/v1; apiVersion is left to the caller."""
    converted = {_CORE_NAMES.get(name, name): value for name, value in event.items()}
    for name in ("involvedObject", "source"):
        converted[name] = converted.get(name) or {}
    for name in ("firstTimestamp", "lastTimestamp", "eventTime"):
        converted.setdefault(name, None)
    for name in ("reportingComponent", "reportingInstance"):
        converted.setdefault(name, "")
    return converted


def from_core(event: Mapping[str, Any]) -> dict[str, Any]:
    """A core/v1 Event as events.k8s.io/v1; apiVersion is left to the caller."""
    converted = {_NAMES.get(name, name): value for name, value in event.items()}
    for name in ("regarding", "deprecatedSource"):
        converted[name] = converted.get(name) or {}
    for name in ("deprecatedFirstTimestamp", "deprecatedLastTimestamp", "eventTime"):
        converted.setdefault(name, None)
    if series := converted.get("series"):
        converted["series"] = {"count": 0, "lastObservedTime": None, **series}
    for name in ("reportingController", "reportingInstance"):
        if not converted.get(name):
            converted.pop(name, None)
    return converted


class EventStrategy(Strategy):
    """Events through core/v1, where older clients write what they like."""

    create_on_update = True
    controller_field = "reportingComponent"

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Namespaces that fit together; those with an eventTime say who saw what."""
        return list(_legacy(obj, self.controller_field))

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:  # noqa: ARG002
        """As for new ones."""
        return list(_legacy(obj, self.controller_field))

    def validate_names(self, obj: dict[str, Any]) -> list[FieldError]:
        """All of metadata, of which core/v1 says nothing else."""
        return validate_object_meta(obj["metadata"], namespaced=True, name_rule=path_segment)

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """What happened, to what, and who says so."""
        involved = obj.get("involvedObject") or {}
        controller = obj.get("reportingComponent") or ""
        return {
            **super().fields(obj),
            **{f"involvedObject.{name}": involved.get(name) or "" for name in _REFERENCE},
            "reason": obj.get("reason") or "",
            "reportingComponent": controller,
            "source": get_in(obj, "source", "component") or controller,
            "type": obj.get("type") or "",
        }


class StrictEventStrategy(EventStrategy):
    """Events through events.k8s.io/v1: complete when new, and only their series goes on."""

    controller_field = "reportingController"

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """All rules of core/v1, and no deprecated fields."""
        found = super().validate_create(obj)
        found += validate_core_meta(obj["metadata"], name_rule=dns_subdomain)
        found += _series(obj)
        if not obj.get("eventTime"):
            found.append(required("eventTime"))
        if (type_ := obj.get("type") or "") not in {"Normal", "Warning"}:
            found.append(invalid("type", "", f"has invalid value: {type_}"))
        found += [
            invalid(name, "", "needs to be unset")
            for name in ("firstTimestamp", "lastTimestamp", "count", "source")
            if obj.get(name)
        ]
        return found

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """Nothing changes but the series and metadata."""
        found = super().validate_update(obj, old)
        found += validate_core_meta_update(obj["metadata"], old["metadata"])
        if obj.get("series") != old.get("series"):
            found += _series(obj)
        for name in _FIXED:
            if (obj.get(name) or None) != (old.get(name) or None):
                field = self.controller_field if name == "reportingComponent" else name
                found.append(invalid(field, _internal(name, obj.get(name)), IMMUTABLE))
        return found


def _legacy(event: Mapping[str, Any], controller_field: str) -> Iterator[FieldError]:
    namespace = get_in(event, "metadata", "namespace") or ""
    involved = get_in(event, "involvedObject", "namespace") or ""
    mismatch = invalid("involvedObject.namespace", involved, "does not match event.namespace")
    if not event.get("eventTime"):
        if (involved != namespace) if involved else (namespace not in {"", "default"}):
            yield mismatch
    else:
        if not involved and namespace not in {"default", "kube-system"}:
            yield mismatch
        yield from _complete(event, controller_field)
    yield from (invalid("namespace", namespace, text) for text in dns_subdomain(namespace))


def _complete(event: Mapping[str, Any], controller_field: str) -> Iterator[FieldError]:
    controller = event.get("reportingComponent") or ""
    if not controller:
        yield required(controller_field)
    yield from (invalid(controller_field, controller, text) for text in qualified_name(controller))
    for name in ("reportingInstance", "action", "reason"):
        value = event.get(name) or ""
        if not value:
            yield required(name)
        if len(value.encode()) > _LIMIT:
            yield invalid(name, "", f"can have at most {_LIMIT} characters")
    if len((event.get("message") or "").encode()) > _MESSAGE_LIMIT:
        yield invalid("message", "", f"can have at most {_MESSAGE_LIMIT} characters")


def _series(event: Mapping[str, Any]) -> Iterator[FieldError]:
    series = event.get("series")
    if series is None:
        return
    if (series.get("count") or 0) < 2:
        yield invalid("series.count", "", "should be at least 2")
    if not series.get("lastObservedTime"):
        yield required("series.lastObservedTime")


_INTERNAL: Final = {
    "involvedObject": {
        "kind": "Kind",
        "namespace": "Namespace",
        "name": "Name",
        "uid": "UID",
        "apiVersion": "APIVersion",
        "resourceVersion": "ResourceVersion",
        "fieldPath": "FieldPath",
    },
    "source": {"component": "Component", "host": "Host"},
}


def _internal(name: str, value: Any) -> Any:
    """The value as messages show it, in which the API server's internal names come to light."""
    if name in {"involvedObject", "related", "source"} and not (name == "related" and value is None):
        fields = _INTERNAL["source" if name == "source" else "involvedObject"]
        return {shown: (value or {}).get(field) or "" for field, shown in fields.items()}
    if name == "count":
        return value or 0
    if value is None and name not in {"related", "firstTimestamp", "lastTimestamp", "eventTime"}:
        return ""
    return value
