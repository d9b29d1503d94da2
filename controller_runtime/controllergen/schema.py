"""Structural OpenAPI v3 schemas of Python types.

| Python | schema |
|---|---|
| str, bool, float | string, boolean, number |
| int | integer, int64 unless `extra_json_schema` names another format |
| bytes | string, format byte (base64) |
| datetime | string, format date-time |
| list, tuple[T, ...] | array |
| set, frozenset | array, x-kubernetes-list-type set |
| dict[str, T] | object with additionalProperties |
| Struct | object with properties |
| Literal, Enum | string or integer with an enum |
| T or None | as T: None is absence, which the API server spells by leaving the field out |
| int or str | x-kubernetes-int-or-string |
| Any, msgspec.Raw | x-kubernetes-preserve-unknown-fields |

`msgspec.Meta` adds to these: its own limits (`min_length`, `ge`, `pattern`...), which decoding enforces as well, and
`extra_json_schema`, which is for the API server alone: limits, `default`, `x-kubernetes-...`.

Required are the fields without a Python default, and those with `msgspec.Meta(extra={"required": True})`, whose Python
default lets objects be decoded that an older CRD accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from msgspec import inspect as types

from controller_runtime.apimachinery import Object
from controller_runtime.controllergen.descriptions import field_descriptions, type_description
from controller_runtime.controllergen.errors import GenerationError
from controller_runtime.controllergen.known_types import KNOWN_SCHEMAS, TYPE_META

Schema: TypeAlias = dict[str, Any]

_Number: TypeAlias = types.IntType | types.FloatType
_Sequence: TypeAlias = types.ListType | types.VarTupleType | types.SetType | types.FrozenSetType

# What `extra_json_schema` may say. The API server would drop a misspelt name without a word, and forbids some others
# (`uniqueItems`, `$ref`) in structural schemas.
_EXTRA_NAMES: Final = frozenset(
    {
        "default",
        "description",
        "enum",
        "example",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "maxItems",
        "maxLength",
        "maxProperties",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "nullable",
        "pattern",
        "title",
        "type",
        "x-kubernetes-embedded-resource",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-map-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    }
)


def open_api_schema(kind: type[Object]) -> Schema:
    """The `openAPIV3Schema` of a kind.

    Raises:
        GenerationError: a field has no structural form, or the docstrings cannot be read.
    """
    place = _Place(kind.resource.kind)
    try:
        info = types.type_info(kind)
    except TypeError as error:
        raise place.error(f"not even JSON can be decoded into the class: {error}") from error
    schema = _schema(info, place)
    return {**schema, "properties": {**TYPE_META, **schema["properties"]}}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the kind the generator is."""

    path: str
    """For errors, as `Bucket.spec.rules[].name`."""
    within: tuple[type, ...] = ()
    """The Structs around this place, which find recursion."""

    def at(self, suffix: str) -> _Place:
        return replace(self, path=self.path + suffix)

    def error(self, what: str) -> GenerationError:
        return GenerationError(f"{self.path}: {what}")


def _schema(info: types.Type, place: _Place) -> Schema:
    match info:
        case types.Metadata():
            return _with_metadata(info, place)
        case types.StructType():
            return _struct(info, place)
        case types.UnionType():
            return _union(info, place)
        case types.DictType():
            return _map(info, place)
        case types.ListType() | types.VarTupleType():
            return _array(info, place)
        case types.SetType() | types.FrozenSetType():
            return {**_array(info, place), "x-kubernetes-list-type": "set"}
        case types.LiteralType(values=values):
            return _enum(values, place)
        case types.EnumType(cls=cls):
            return _enum((member.value for member in cls), place)
        case _:
            return _scalar(info, place)


def _scalar(info: types.Type, place: _Place) -> Schema:
    match info:
        case types.StrType():
            return {"type": "string"} | _length_limits(info, "Length") | _given(pattern=info.pattern)
        case types.BoolType():
            return {"type": "boolean"}
        case types.IntType():
            return {"type": "integer", "format": "int64"} | _range(info)
        case types.FloatType():
            return {"type": "number"} | _range(info)
        case types.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case types.BytesType() | types.ByteArrayType():
            return {"type": "string", "format": "byte"}
        case types.AnyType() | types.RawType():
            return {"x-kubernetes-preserve-unknown-fields": True}
        case _:
            raise place.error(f"{type(info).__name__} has no form in a structural schema; see {__name__} for what has")


def _with_metadata(info: types.Metadata, place: _Place) -> Schema:
    extra = info.extra_json_schema or {}
    if unknown := sorted(extra.keys() - _EXTRA_NAMES):
        raise place.error(f"a structural schema has no {', '.join(unknown)}: correct extra_json_schema")
    return _schema(info.type, place) | extra


def _struct(info: types.StructType, place: _Place) -> Schema:
    if (known := KNOWN_SCHEMAS.get(info.cls)) is not None:
        return known
    if info.cls in place.within:
        raise place.error(f"{info.cls.__name__} contains itself, and a structural schema has an end: use typing.Any")
    if info.array_like or info.tag is not None:
        raise place.error(f"{info.cls.__name__} is tagged or array_like, which the API conventions do not know")
    inside = replace(place, within=(*place.within, info.cls))
    texts = field_descriptions(info.cls)
    properties = {
        field.encode_name: _described(_schema(field.type, inside.at(f".{field.encode_name}")), texts.get(field.name))
        for field in info.fields
    }
    required = sorted(field.encode_name for field in info.fields if _is_required(field))
    schema: Schema = {"type": "object", "properties": properties} | _given(required=required or None)
    return _described(schema, type_description(info.cls))


def _described(schema: Schema, text: str | None) -> Schema:
    return {**schema, "description": text} if text else schema


def _is_required(field: types.Field) -> bool:
    marked = isinstance(field.type, types.Metadata) and (field.type.extra or {}).get("required", False)
    return field.required or bool(marked)


def _union(info: types.UnionType, place: _Place) -> Schema:
    members = [member for member in info.types if not isinstance(member, types.NoneType)]
    if len(members) == 1:
        return _schema(members[0], place)
    if {type(member) for member in members} == {types.IntType, types.StrType}:
        return {"x-kubernetes-int-or-string": True}
    names = ", ".join(type(member).__name__ for member in members)
    raise place.error(f"a union of {names} has no form in a structural schema; only int | str has one")


def _map(info: types.DictType, place: _Place) -> Schema:
    if not isinstance(info.key_type, types.StrType):
        raise place.error(f"keys of JSON maps are strings, not {type(info.key_type).__name__}")
    limits = _length_limits(info, "Properties")
    if isinstance(info.value_type, types.AnyType):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True} | limits
    return {"type": "object", "additionalProperties": _schema(info.value_type, place.at("{}"))} | limits


def _array(info: _Sequence, place: _Place) -> Schema:
    return {"type": "array", "items": _schema(info.item_type, place.at("[]"))} | _length_limits(info, "Items")


def _enum(values: Iterable[Any], place: _Place) -> Schema:
    names = list(values)
    for json_type, python_type in (("string", str), ("integer", int)):
        if all(isinstance(name, python_type) for name in names):
            return {"type": json_type, "enum": names}
    raise place.error("the values of an enum are all strings or all integers")


def _length_limits(info: types.StrType | types.DictType | _Sequence, noun: str) -> Schema:
    return _given(**{f"min{noun}": info.min_length, f"max{noun}": info.max_length})


def _range(info: _Number) -> Schema:
    return _given(
        minimum=info.ge if info.gt is None else info.gt,
        exclusiveMinimum=None if info.gt is None else True,
        maximum=info.le if info.lt is None else info.lt,
        exclusiveMaximum=None if info.lt is None else True,
        multipleOf=info.multiple_of,
    )


def _given(**limits: Any) -> Schema:
    return {name: limit for name, limit in limits.items() if limit is not None}
