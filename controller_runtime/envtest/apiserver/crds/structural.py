"""Rules that make a schema structural, so that objects can be pruned and defaulted by it.

What restricts values (`allOf`, `anyOf`, `oneOf`, `not`) must not say what objects look like, and every field that it
restricts must be declared outside of it (apiextensions-apiserver, pkg/apiserver/schema/{validation,complete}.go).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import forbidden, invalid, required
from controller_runtime.envtest.apiserver.schema.re2 import PatternError, compile_pattern

_JUNCTORS: Final = ("allOf", "anyOf", "oneOf")
_INT_OR_STRING: Final = [{"type": "integer"}, {"type": "string"}]
_PRESERVE: Final = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED: Final = "x-kubernetes-embedded-resource"
_INT_OR_STRING_FLAG: Final = "x-kubernetes-int-or-string"
_LEVELS: Final = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
# What a restriction may not say, and why not.
_NOT_NESTED: Final = (
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    (_PRESERVE, "must be false to be structural"),
    (_EMBEDDED, "must be false to be structural"),
    (_INT_OR_STRING_FLAG, "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)


def structural_errors(schema: Mapping[str, Any], path: str) -> list[FieldError]:
    """What keeps a schema from being structural, in the order of the texts."""
    errors = [*_invariants(schema, "root", path), *_completeness(schema, schema, path, path)]
    return sorted(errors, key=str)


def _invariants(schema: Mapping[str, Any], level: str, path: str) -> Iterator[FieldError]:
    type_, items, additional = schema.get("type") or "", schema.get("items"), schema.get("additionalProperties")
    if type_ == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if items is not None:
        yield from _invariants(items, "item", f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _invariants(child, "field", f"{path}.properties[{name}]")
    if additional is not None and level == "root":
        yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
    if isinstance(additional, Mapping):
        yield from _invariants(additional, "field", f"{path}.additionalProperties")
    yield from _extensions(schema, path)
    yield from _values(schema, path, of_structure=True)
    yield from _type(schema, type_, level, path)
    yield from _metadata(schema, level, path)
    if schema.get(_EMBEDDED) and not schema.get(_PRESERVE) and not schema.get("properties"):
        yield required(
            f"{path}.properties",
            f"must not be empty if {_EMBEDDED} is true without {_PRESERVE}",
        )


def _extensions(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for name in (_PRESERVE, _EMBEDDED):
        if schema.get(_INT_OR_STRING_FLAG) and schema.get(name):
            yield invalid(f"{path}.{name}", True, f"must be false if {_INT_OR_STRING_FLAG} is true")


def _type(schema: Mapping[str, Any], type_: str, level: str, path: str) -> Iterator[FieldError]:
    if schema.get(_EMBEDDED) and type_ != "object":
        detail = f"must be object if {_EMBEDDED} is true"
        yield invalid(f"{path}.type", type_, detail) if type_ else required(f"{path}.type", detail)
    elif not type_ and not schema.get(_INT_OR_STRING_FLAG) and not schema.get(_PRESERVE):
        yield required(f"{path}.type", _LEVELS[level])
    if schema.get(_EMBEDDED) and schema.get("additionalProperties") is not None:
        yield forbidden(f"{path}.additionalProperties", f"must not be used if {_EMBEDDED} is set")
    if level == "root" and type_ and type_ != "object":
        yield invalid(f"{path}.type", type_, "must be object at the root")


def _metadata(schema: Mapping[str, Any], level: str, path: str) -> Iterator[FieldError]:
    """Kind and apiVersion are strings; metadata may be restricted in its names only."""
    properties = schema.get("properties") or {}
    is_resource = level == "root" or bool(schema.get(_EMBEDDED))
    for name in ("kind", "apiVersion"):
        if is_resource and name in properties and properties[name].get("type") != "string":
            yield invalid(f"{path}.properties[{name}].type", properties[name].get("type") or "", "must be string")
    if "metadata" not in properties:
        return
    metadata, place = properties["metadata"], f"{path}.properties[metadata]"
    if is_resource and metadata.get("type") != "object":
        yield invalid(f"{place}.type", metadata.get("type") or "", "must be object")
    if level == "root" and not _names_only(metadata):
        yield forbidden(
            place,
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        )


def _names_only(metadata: Mapping[str, Any]) -> bool:
    rest = {name for name, value in metadata.items() if value not in (None, "", False, [], {})}
    properties = metadata.get("properties") or {}
    return rest <= {"type", "properties", "default"} and set(properties) <= {"name", "generateName"}


def _values(schema: Mapping[str, Any], path: str, *, of_structure: bool) -> Iterator[FieldError]:
    """What the schema says about values."""
    skips_any_of = of_structure and schema.get("anyOf") == _INT_OR_STRING
    all_of = schema.get("allOf") or []
    skips_first = of_structure and bool(all_of) and all_of[0].get("anyOf") == _INT_OR_STRING
    for junctor in ("anyOf", "allOf", "oneOf"):
        if junctor == "anyOf" and skips_any_of:
            continue
        for index, nested in enumerate(schema.get(junctor) or ()):
            skip = junctor == "allOf" and index == 0 and skips_first
            yield from _nested(nested, f"{path}.{junctor}[{index}]", skips_any_of=skip)
    if schema.get("not") is not None:
        yield from _nested(schema["not"], f"{path}.not")
    if pattern := schema.get("pattern"):
        try:
            compile_pattern(pattern)
        except PatternError as error:
            detail = f"must be a valid regular expression, but isn't: {error}"
            yield invalid(f"{path}.pattern", pattern, detail)


def _nested(schema: Mapping[str, Any], path: str, *, skips_any_of: bool = False) -> Iterator[FieldError]:
    rest = {name: value for name, value in schema.items() if not (skips_any_of and name == "anyOf")}
    yield from _values(rest, path, of_structure=False)
    if schema.get("items") is not None:
        yield from _nested(schema["items"], f"{path}.items")
    for name, child in (schema.get("properties") or {}).items():
        yield from _nested(child, f"{path}.properties[{name}]")
    for name, reason in _NOT_NESTED:
        if schema.get(name) or (name == "default" and schema.get(name) is not None):
            yield forbidden(f"{path}.{name}", reason)
    if "metadata" in (schema.get("properties") or {}):
        yield forbidden(f"{path}.properties[metadata]", "must not be specified in a nested context")


def _completeness(
    values: Mapping[str, Any], structure: Mapping[str, Any], path: str, where: str
) -> Iterator[FieldError]:
    """Whether everything that is restricted is declared.

    Args:
        values: restricts.
        structure: declares.
        path: of the structure.
        where: of the restriction.
    """
    if values.get("not") is not None:
        yield from _nested_completeness(values["not"], structure, path, f"{where}.not")
    for junctor in _JUNCTORS:
        for index, nested in enumerate(values.get(junctor) or ()):
            yield from _nested_completeness(nested, structure, path, f"{where}.{junctor}[{index}]")


def _nested_completeness(
    values: Mapping[str, Any], structure: Mapping[str, Any] | None, path: str, where: str
) -> Iterator[FieldError]:
    if structure is None:
        yield required(path, f"because it is defined in {where}")
        return
    yield from _completeness(values, structure, path, where)
    if values.get("items") is not None:
        yield from _nested_completeness(values["items"], structure.get("items"), f"{path}.items", f"{where}.items")
    declared = structure.get("properties") or {}
    for name, child in (values.get("properties") or {}).items():
        suffix = f".properties[{name}]"
        yield from _nested_completeness(child, declared.get(name), path + suffix, where + suffix)
