"""Creates and updates objects as the server does, with nothing around: decoding, defaults, preparation, rules."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from controller_runtime.envtest.apiserver import errors
from controller_runtime.envtest.apiserver.builtin import BuiltinKind, builtin_kinds
from controller_runtime.envtest.apiserver.schema.go_structs import CoercionError

TAKEN = {"metadata": {"name": "kubernetes", "uid": "k"}, "spec": {"clusterIPs": ["10.0.0.1"]}}
"""The one Service that is stored."""

KINDS = {f"{kind.plural}.{kind.group}".rstrip("."): kind for kind in builtin_kinds(lambda: (TAKEN,))}


def decode(kind: BuiltinKind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """In the stored form."""
    try:
        decoded, _ = kind.coerce(obj)
    except CoercionError as error:
        raise errors.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {error}'
        ) from error
    return kind.to_storage(decoded)


def create(kind: BuiltinKind, obj: Mapping[str, Any]) -> dict[str, Any]:
    """A new object, in its stored form."""
    made = decode(kind, obj)
    kind.strategy.default(made)
    metadata = made["metadata"]
    for name in ("uid", "creationTimestamp", "namespace", "deletionGracePeriodSeconds"):
        metadata.pop(name, None)
    if kind.namespaced:
        metadata["namespace"] = "default"
    if metadata.get("generateName") and not metadata.get("name"):
        metadata["name"] = f"{metadata['generateName']}abcde"
    metadata |= {"uid": "u", "creationTimestamp": "2024-01-01T00:00:00Z"}
    kind.strategy.prepare_for_create(made)
    _refuse(kind, made, kind.strategy.validate(made))
    kind.strategy.canonicalize(made)
    metadata["resourceVersion"] = "1"
    return made


def update(kind: BuiltinKind, old: dict[str, Any], subresource: str, change: Mapping[str, Any]) -> dict[str, Any]:
    """The object after a change, in its stored form."""
    new = decode(kind, _changed(kind.from_storage(copy.deepcopy(old)), change))
    strategy = kind.subresources[subresource] if subresource else kind.strategy
    strategy.default(new)
    new["metadata"].pop("generation", None)
    before = copy.deepcopy(old)
    strategy.prepare_for_update(new, old)
    assert old == before, "the stored object belongs to somebody else"
    new["metadata"].setdefault("uid", old["metadata"]["uid"])
    new["metadata"]["creationTimestamp"] = old["metadata"]["creationTimestamp"]
    _refuse(kind, new, strategy.validate(new, old))
    strategy.canonicalize(new)
    return new


def _refuse(kind: BuiltinKind, obj: Mapping[str, Any], found: list[errors.FieldError]) -> None:
    if found:
        group = "" if kind.kind == "Event" else kind.group  # Events are of the core group inside
        raise errors.invalid(group, kind.kind, obj["metadata"].get("name", ""), found)


def _changed(document: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    document = dict(document)
    for name, value in change.items():
        if value is None:
            document.pop(name, None)
        elif isinstance(value, dict) and isinstance(document.get(name), dict):
            document[name] = _changed(document[name], value)
        else:
            document[name] = value
    return document


def answer(case: Mapping[str, Any]) -> dict[str, Any]:
    """What becomes of a case of answers.json, in the form of its answer."""
    kind = KINDS[case["kind"]]
    try:
        code, made = 201, create(kind, case["create"])
        if "change" in case:
            code, made = 200, update(kind, made, case["subresource"], case["change"])
    except errors.StatusError as error:
        return {"code": error.code, "message": error.message, "causes": error.details.get("causes", [])}
    return {"code": code, "object": _without_chance(kind.from_storage(made))}


def _without_chance(obj: dict[str, Any]) -> dict[str, Any]:
    """Addresses, ports and names that were picked by the server are masked in answers.json."""
    obj = copy.deepcopy(obj)
    for name in ("apiVersion", "kind"):
        obj.pop(name, None)
    for name in ("uid", "resourceVersion", "creationTimestamp", "managedFields"):
        obj["metadata"].pop(name, None)
    spec = obj.get("spec") or {}
    if "sessionAffinity" in spec:
        if spec.get("clusterIP") not in (None, "None", "10.0.0.240"):
            spec["clusterIP"], spec["clusterIPs"] = "IP", ["IP"]
        if spec.get("healthCheckNodePort") not in (None, 31999):
            spec["healthCheckNodePort"] = "PORT"
        for port in spec.get("ports") or ():
            if port.get("nodePort") and port["nodePort"] not in (31234, 31235, 30001):
                port["nodePort"] = "PORT"
    return obj
