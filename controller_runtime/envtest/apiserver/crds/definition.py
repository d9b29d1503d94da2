"""CustomResourceDefinitions: what they are completed with, and what a registry has to know to serve their kinds."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.defaulting import copied
from controller_runtime.envtest.apiserver.schema.formats import effective_format
from controller_runtime.envtest.apiserver.schema.object_meta import OBJECT_META_OPENAPI
from controller_runtime.envtest.apiserver.validation.fields import quoted

AGE_COLUMN: Final[Mapping[str, Any]] = {
    "name": "Age",
    "type": "date",
    "description": "When the object was created.",
    "jsonPath": ".metadata.creationTimestamp",
}
"""The column of kinds that define none."""
_API_VERSION: Final = {"type": "string", "description": "Group and version of the schema that this object follows."}
_KIND: Final = {"type": "string", "description": "What this object is, in CamelCase."}
_KUBE_VERSION: Final = re.compile(r"v([1-9]\d*)(?:(alpha|beta)([1-9]\d*))?", re.ASCII)
_STAGES: Final = {"alpha": 0, "beta": 1, None: 2}


@dataclass(frozen=True, kw_only=True)
class ServedVersion:
    """One version of a custom kind, as it is served.

    Names are those that were accepted, not those that were asked for.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    list_kind: str
    namespaced: bool
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    schema: Mapping[str, Any] = field(default_factory=dict)
    """As in the definition; what `schema.compile` takes."""
    columns: Sequence[Mapping[str, Any]] = (AGE_COLUMN,)
    """additionalPrinterColumns; `AGE_COLUMN` if there are none."""
    has_status: bool = False
    scale: Mapping[str, Any] | None = None
    """Paths of the scale subresource."""
    selectable_fields: tuple[str, ...] = ()
    """Without the dot in front: `spec.color`."""
    deprecation_warning: str = ""
    """What clients are told; empty if the version is not deprecated."""
    storage_version: str = ""
    """The version in which objects are stored."""

    def published_schema(self) -> dict[str, Any]:
        """The schema with apiVersion, kind and metadata, for OpenAPI documents and for the ownership of fields."""
        schema = _with_embedded_metadata(self.schema)
        properties = {**schema.get("properties", {}), **_meta_properties()}
        gvk = {"group": self.group, "version": self.version, "kind": self.kind}
        return {**schema, "properties": properties, "x-kubernetes-group-version-kind": [gvk]}


def _meta_properties() -> dict[str, Any]:
    return {"apiVersion": _API_VERSION, "kind": _KIND, "metadata": OBJECT_META_OPENAPI}


def _with_embedded_metadata(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with the metadata of embedded resources spelt out."""
    result = dict(schema)
    if properties := schema.get("properties"):
        result["properties"] = {name: _with_embedded_metadata(each) for name, each in properties.items()}
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), Mapping):
            result[name] = _with_embedded_metadata(schema[name])
    if schema.get("x-kubernetes-embedded-resource"):
        required = list(schema.get("required") or ())
        result["required"] = [*required, *(name for name in ("kind", "apiVersion") if name not in required)]
        result["properties"] = {**result.get("properties", {}), **_meta_properties()}
    return result


def default_crd(crd: dict[str, Any]) -> None:
    """Fill in, in place, what a definition leaves out."""
    spec = crd.get("spec") or {}
    names = spec.get("names") or {}
    if names.get("kind"):
        names["singular"] = names.get("singular") or names["kind"].lower()
        names["listKind"] = names.get("listKind") or f"{names['kind']}List"
    conversion = spec.setdefault("conversion", {"strategy": "None"})
    service = ((conversion.get("webhook") or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        service.setdefault("port", 443)
    if not (crd.get("status") or {}).get("storedVersions") and (stored := _storage_versions(spec)):
        crd["status"] = {**(crd.get("status") or {}), "storedVersions": stored}


def prepare_crd_for_create(crd: dict[str, Any]) -> None:
    """Drop, in place, the status that a client has sent."""
    crd["status"] = _empty_status() | {"storedVersions": _storage_versions(crd.get("spec") or {})}
    crd["metadata"]["generation"] = 1


def prepare_crd_for_update(crd: dict[str, Any], old: Mapping[str, Any]) -> None:
    """Keep the old status, in place, with the storage version added to those that may be in the store."""
    crd["status"] = copied(old.get("status") or _empty_status())
    if crd.get("spec") != old.get("spec"):
        crd["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    versions = crd["status"].get("storedVersions") or []
    new = [name for name in _storage_versions(crd.get("spec") or {}) if name not in versions]
    if new:
        crd["status"]["storedVersions"] = [*versions, *new]


def _empty_status() -> dict[str, Any]:
    return {"conditions": None, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": None}


def _storage_versions(spec: Mapping[str, Any]) -> list[str]:
    """The version in which objects are stored; none if the definition is wrong."""
    return [version.get("name", "") for version in spec.get("versions") or () if version.get("storage")][:1]


def crd_warnings(crd: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[str]:
    """What clients should know about a definition: formats that are not checked, unless they were there before."""
    known = set() if old is None else set(_unknown_formats(old))
    return [f"unrecognized format {quoted(name)}" for name in _unknown_formats(crd) if name not in known]


def _unknown_formats(crd: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    seen: list[Mapping[str, Any]] = []
    for version in (crd.get("spec") or {}).get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        # Equal schemas are one to the real server.
        if schema is None or schema in seen:
            continue
        seen.append(schema)
        for each in walk(schema):
            name, type_ = each.get("format"), each.get("type")
            if name and not effective_format(name, (type_,) if type_ else ()):
                found.append(name)
    return found


def walk(schema: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """A schema and all schemas in it."""
    inner = [*(schema.get("properties") or {}).values()]
    inner += [each for name in ("allOf", "anyOf", "oneOf") for each in schema.get(name) or ()]
    inner += [
        schema[name] for name in ("items", "not", "additionalProperties") if isinstance(schema.get(name), Mapping)
    ]
    return [schema, *(each for child in inner for each in walk(child))]


def served_versions(crd: Mapping[str, Any]) -> list[ServedVersion]:
    """The versions that an established definition serves, in its order.

    Args:
        crd: with `status.acceptedNames`.
    """
    spec = crd["spec"]
    return [_served_version(crd, version) for version in spec["versions"] if version.get("served")]


def _served_version(crd: Mapping[str, Any], version: Mapping[str, Any]) -> ServedVersion:
    spec, names = crd["spec"], crd["status"]["acceptedNames"]
    subresources = version.get("subresources") or {}
    return ServedVersion(
        group=spec["group"],
        version=version["name"],
        kind=names["kind"],
        plural=names["plural"],
        singular=names.get("singular", ""),
        list_kind=names.get("listKind", ""),
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        schema=(version.get("schema") or {}).get("openAPIV3Schema") or {},
        columns=tuple(version.get("additionalPrinterColumns") or (AGE_COLUMN,)),
        has_status=subresources.get("status") is not None,
        scale=subresources.get("scale"),
        selectable_fields=tuple(each["jsonPath"].removeprefix(".") for each in version.get("selectableFields") or ()),
        deprecation_warning=_deprecation(spec, version),
        storage_version="".join(_storage_versions(spec)),
    )


def _deprecation(spec: Mapping[str, Any], version: Mapping[str, Any]) -> str:
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    kind, name = spec["names"]["kind"], version["name"]
    newer = [
        each["name"]
        for each in spec["versions"]
        if each.get("served") and not each.get("deprecated") and version_rank(each["name"]) > version_rank(name)
    ]
    text = f"{spec['group']}/{name} {kind} is deprecated"
    return f"{text}; use {spec['group']}/{max(newer, key=version_rank)} {kind}" if newer else text


def version_rank(name: str) -> tuple[int, int, int, int, tuple[int, ...]]:
    """Orders versions as Kubernetes does: v2 after v1, v1 after v1beta1, other names before them all."""
    found = _KUBE_VERSION.fullmatch(name)
    if found is None:
        return (0, 0, 0, 0, (*(-ord(character) for character in name), 1))
    return (1, _STAGES[found[2]], int(found[1]), int(found[3] or 0), ())
