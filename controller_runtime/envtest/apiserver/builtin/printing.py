"""Columns of the built-in kinds, as `kubectl get` and `kubectl get -o wide` show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.events import to_core
from controller_runtime.envtest.apiserver.columns import AGE, NAME, UNKNOWN, Column, age
from controller_runtime.envtest.apiserver.strategy import get_in

_NONE: Final = "<none>"


def _text(name: str, description: str, cell: Callable[[Mapping[str, Any]], Any], priority: int = 0) -> Column:
    return Column(
        name=name, type="string", cell=lambda obj, _now: cell(obj), description=description, priority=priority
    )


def _external_address(service: Mapping[str, Any]) -> str:
    spec: Mapping[str, Any] = service.get("spec") or {}
    addresses: Sequence[str] = spec.get("externalIPs") or []
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(addresses) or _NONE
        case "LoadBalancer":
            ways = get_in(service, "status", "loadBalancer", "ingress") or ()
            balanced = sorted({way.get("ip") or way.get("hostname") or "" for way in ways} - {""})
            return ",".join([*balanced, *addresses]) or "<pending>"
        case "ExternalName":
            return spec.get("externalName") or ""
        case _:
            return UNKNOWN


def _ports(service: Mapping[str, Any]) -> str:
    return ",".join(map(_port, get_in(service, "spec", "ports") or ())) or _NONE


def _port(port: Mapping[str, Any]) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port', 0)}{node}/{port.get('protocol', '')}"


def _labels(labels: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or _NONE


def _target(event: Mapping[str, Any]) -> str:
    involved = event.get("involvedObject") or {}
    kind, name = (involved.get("kind") or "").lower(), involved.get("name") or ""
    return f"{kind}/{name}" if name else kind


def _source(event: Mapping[str, Any]) -> str:
    component = get_in(event, "source", "component") or event.get("reportingComponent") or ""
    instance = get_in(event, "source", "host") or event.get("reportingInstance") or ""
    return f"{component}, {instance}" if instance else component


def _count(event: Mapping[str, Any]) -> int:
    count = get_in(event, "series", "count") if event.get("series") is not None else event.get("count") or 1
    return int(count or 0)


def _first_seen(event: Mapping[str, Any], now: datetime) -> str:
    return age(event.get("firstTimestamp") or event.get("eventTime"), now)


def _last_seen(event: Mapping[str, Any], now: datetime) -> str:
    if event.get("series") is not None:
        return age(get_in(event, "series", "lastObservedTime"), now)
    return age(event["lastTimestamp"], now) if event.get("lastTimestamp") else _first_seen(event, now)


NAMESPACE: Final = (
    NAME,
    _text("Status", "The status of the namespace", lambda obj: get_in(obj, "status", "phase") or ""),
    AGE,
)
SECRET: Final = (
    NAME,
    _text("Type", "What the data is for.", lambda obj: obj.get("type") or ""),
    _text("Data", "How many keys there are.", lambda obj: len(obj.get("data") or ())),
    AGE,
)
CONFIG_MAP: Final = (
    NAME,
    _text(
        "Data",
        "How many keys there are.",
        lambda obj: len(obj.get("data") or ()) + len(obj.get("binaryData") or ()),
    ),
    AGE,
)
SERVICE_ACCOUNT: Final = (NAME, AGE)
SERVICE: Final = (
    NAME,
    _text("Type", "From where the service is reached.", lambda obj: get_in(obj, "spec", "type") or ""),
    _text(
        "Cluster-IP",
        "Address inside the cluster.",
        lambda obj: next(iter(get_in(obj, "spec", "clusterIPs") or ()), _NONE),
    ),
    _text("External-IP", "Addresses outside the cluster.", _external_address),
    _text("Port(s)", "Ports, with node ports after a colon.", _ports),
    AGE,
    _text("Selector", "Labels of the pods behind it.", lambda obj: _labels(get_in(obj, "spec", "selector")), 1),
)
EVENT: Final = (
    Column(name="Last Seen", type="string", cell=_last_seen, description="How long ago it last happened."),
    _text("Type", "Normal or Warning.", lambda obj: obj.get("type") or ""),
    _text("Reason", "What happened, in one word.", lambda obj: obj.get("reason") or ""),
    _text("Object", "To what it happened.", _target),
    _text("Subobject", "To which part of that.", lambda obj: get_in(obj, "involvedObject", "fieldPath") or "", 1),
    _text("Source", "Who reports it.", _source, 1),
    _text("Message", "What happened, for people.", lambda obj: (obj.get("message") or "").strip()),
    Column(
        name="First Seen",
        type="string",
        cell=_first_seen,
        description="How long ago it first happened.",
        priority=1,
    ),
    _text("Count", "How often it happened.", _count, 1),
    Column(name="Name", type="string", format="name", cell=NAME.cell, description="Name of the event.", priority=1),
)


def _of_events_group(column: Column) -> Column:
    return replace(column, cell=lambda obj, now: column.cell(to_core(obj), now))


EVENTS_EVENT: Final = tuple(map(_of_events_group, EVENT))
"""As `EVENT`, for objects in events.k8s.io/v1."""

LEASE: Final = (
    NAME,
    _text("Holder", "Who holds it.", lambda obj: get_in(obj, "spec", "holderIdentity") or ""),
    AGE,
)
_CREATED_AT: Final = Column(
    name="Created At",
    type="date",
    cell=lambda obj, _now: obj["metadata"].get("creationTimestamp") or "0001-01-01T00:00:00Z",
    description="When the object was created.",
)
DEFINITION: Final = (NAME, _CREATED_AT)
ROLE: Final = (NAME, _CREATED_AT)
"""Of ClusterRoles too."""


def _role(binding: Mapping[str, Any]) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind', '')}/{role.get('name', '')}"


def _subjects(kind: str) -> Callable[[Mapping[str, Any]], str]:
    def named(subject: Mapping[str, Any]) -> str:
        name: str = subject.get("name") or ""
        return f"{subject.get('namespace') or ''}/{name}" if kind == "ServiceAccount" else name

    return lambda binding: ", ".join(
        named(subject) for subject in binding.get("subjects") or () if subject.get("kind") == kind
    )


def _binding(name: str) -> tuple[Column, ...]:
    return (
        NAME,
        _text("Role", "The role that they get.", _role),
        AGE,
        _text("Users", f"Users in the {name}", _subjects("User"), 1),
        _text("Groups", f"Groups in the {name}", _subjects("Group"), 1),
        _text("ServiceAccounts", f"ServiceAccounts in the {name}", _subjects("ServiceAccount"), 1),
    )


ROLE_BINDING: Final = _binding("roleBinding")
CLUSTER_ROLE_BINDING: Final = _binding("clusterRoleBinding")
