"""Secrets: data that its type makes promises about."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.builtin.sizes import DATA_LIMIT, octets
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in
from controller_runtime.envtest.apiserver.validation.fields import forbidden, invalid, required, too_long
from controller_runtime.envtest.apiserver.validation.names import config_key
from controller_runtime.envtest.apiserver.validation.object_meta import IMMUTABLE

_ACCOUNT: Final = "kubernetes.io/service-account.name"
_JSON_KEYS: Final = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


class SecretStrategy(Strategy):
    """Types, keys, sizes, and what `immutable` forbids."""

    def default(self, obj: dict[str, Any]) -> None:
        """Any data unless a type is named; what came in clear becomes data."""
        obj["type"] = obj.get("type") or "Opaque"
        clear: Mapping[str, str] = obj.pop("stringData", None) or {}
        if clear:
            encoded = {key: base64.b64encode((value or "").encode()).decode() for key, value in clear.items()}
            obj["data"] = {**(obj.get("data") or {}), **encoded}

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata, keys, total size, and what the type demands."""
        found = validate_core_meta(obj["metadata"], name_rule=self.name_rule)
        data: Mapping[str, str] = obj.get("data") or {}
        for key in sorted(data):
            found += [invalid(f"data[{key}]", key, text) for text in config_key(key)]
        if sum(map(octets, data.values())) > DATA_LIMIT:
            found.append(too_long("data", DATA_LIMIT))
        return [*found, *_demands(obj, data)]

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """The type stays; the data too, once it is immutable."""
        found = validate_core_meta_update(obj["metadata"], old["metadata"])
        if obj.get("type") != old.get("type"):
            found.append(invalid("type", obj.get("type", ""), IMMUTABLE))
        found += frozen(obj, old, "data")
        return [*found, *self.validate_create(obj)]

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """Name, namespace and type."""
        return {**super().fields(obj), "type": obj.get("type", "")}


def frozen(obj: Mapping[str, Any], old: Mapping[str, Any], *names: str) -> Iterator[FieldError]:
    """Changes to fields of an object that was declared immutable."""
    if not old.get("immutable"):
        return
    text = "field is immutable when `immutable` is set"
    if not obj.get("immutable"):
        yield forbidden("immutable", text)
    for name in names:
        if (obj.get(name) or {}) != (old.get(name) or {}):
            yield forbidden(name, text)


def _demands(obj: Mapping[str, Any], data: Mapping[str, str]) -> Iterator[FieldError]:
    match obj.get("type"):
        case "kubernetes.io/service-account-token":
            if not (get_in(obj, "metadata", "annotations") or {}).get(_ACCOUNT):
                yield required(f"metadata.annotations[{_ACCOUNT}]")
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson" as name:
            yield from _json_value(data, _JSON_KEYS[name])
        case "kubernetes.io/basic-auth":
            if "username" not in data and "password" not in data:
                yield from (required("data[username]"), required("data[password]"))
        case "kubernetes.io/ssh-auth":
            if not data.get("ssh-privatekey"):
                yield required("data[ssh-privatekey]")
        case "kubernetes.io/tls":
            yield from (required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data)


def _json_value(data: Mapping[str, str], key: str) -> Iterator[FieldError]:
    if key not in data:
        yield required(f"data[{key}]")
        return
    text = base64.b64decode(data[key] or "")
    try:
        value = json.loads(text)
    except ValueError:
        yield invalid(f"data[{key}]", "<secret contents redacted>", _syntax(text))
        return
    if value is not None and not isinstance(value, dict):
        words = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
        problem = f"json: cannot unmarshal {words} into Go value of type map[string]interface {{}}"
        yield invalid(f"data[{key}]", "<secret contents redacted>", problem)


def _syntax(text: bytes) -> str:
    """Go's words for the commonest case, ours for the rest: they do not show the content either."""
    stripped = text.decode("utf-8", "replace").strip()
    if not stripped or (stripped[0] in "{[" and stripped[-1] not in "}]"):
        return "unexpected end of JSON input"
    return f"invalid character '{stripped[0]}' looking for beginning of value"
