"""Structural schemas of Python types: one field per form, and what has no form."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal

import msgspec
import pytest

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.controllergen import GenerationError, open_api_schema
from tests.unit.controllergen.everything import Everything


class Mixed(Enum):
    TEXT = "a"
    NUMBER = 1


PART = {
    "description": "A part of something.",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "description": "What it is called."},
        "weight": {"type": "integer", "format": "int64"},
    },
}
SHORT = {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]*$"}
INT = {"type": "integer", "format": "int64"}
FORMS: dict[str, dict[str, Any]] = {
    "text": {"type": "string"},
    "flag": {"type": "boolean"},
    "number": INT,
    "small": {"type": "integer", "format": "int32"},
    "share": {"type": "number"},
    "octets": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "items": {"type": "array", "items": {"type": "string"}},
    "lines": {"type": "array", "items": INT},
    "unique": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "anything": {"x-kubernetes-preserve-unknown-fields": True},
    "raw": {"x-kubernetes-preserve-unknown-fields": True},
    "optional": {"type": "string"},
    "port": {"x-kubernetes-int-or-string": True},
    "optionalPort": {"x-kubernetes-int-or-string": True},
    "letter": {"type": "string", "enum": ["a", "b"]},
    "digit": {"type": "integer", "enum": [1, 2]},
    "color": {"type": "string", "enum": ["red", "green"]},
    "level": {"type": "integer", "enum": [1, 2]},
    "part": PART,
    "parts": {"type": "array", "items": PART},
    "byName": {"type": "object", "additionalProperties": PART},
    "atomic": {**PART, "x-kubernetes-map-type": "atomic"},
    "short": SHORT,
    "few": {"type": "array", "items": SHORT, "minItems": 1, "maxItems": 3},
    "some": {"type": "object", "additionalProperties": INT, "maxProperties": 5},
    "bounded": {**INT, "minimum": 0, "maximum": 10, "multipleOf": 5},
    "between": {
        "type": "number",
        "minimum": 0,
        "exclusiveMinimum": True,
        "maximum": 1,
        "exclusiveMaximum": True,
    },
    "defaulted": {"type": "string", "default": "x", "minLength": 1},
    "renamedURL": {"type": "string"},
}


@pytest.fixture(scope="module")
def spec_schema() -> dict[str, Any]:
    schema: dict[str, Any] = open_api_schema(Everything)["properties"]["spec"]
    return schema


def test_the_table_of_forms_is_complete(spec_schema: dict[str, Any]) -> None:
    assert spec_schema["properties"].keys() == FORMS.keys() | {"conditions"}


@pytest.mark.parametrize(("name", "form"), [pytest.param(name, form, id=name) for name, form in FORMS.items()])
def test_form_of_a_type(name: str, form: dict[str, Any], spec_schema: dict[str, Any]) -> None:
    assert spec_schema["properties"][name] == form


def test_the_root_has_type_and_metadata_that_nothing_is_said_about() -> None:
    schema = open_api_schema(Everything)
    assert schema["description"] == "A kind with all forms."
    assert schema["type"] == "object"
    assert schema["properties"].keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert schema["properties"]["metadata"] == {"type": "object"}
    assert schema["properties"]["kind"]["type"] == schema["properties"]["apiVersion"]["type"] == "string"
    assert "required" not in schema


def test_conditions_have_the_limits_of_metav1(spec_schema: dict[str, Any]) -> None:
    conditions = spec_schema["properties"]["conditions"]
    assert conditions.keys() == {"type", "items"}, "a list without x-kubernetes-list-type is atomic"
    condition = conditions["items"]
    assert condition["required"] == ["lastTransitionTime", "message", "reason", "status", "type"]
    limits = {name: {**field} for name, field in condition["properties"].items()}
    assert all(field.pop("description") for field in limits.values())
    assert limits == {
        "type": {
            "type": "string",
            "maxLength": 316,
            "pattern": r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?"
            r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$",
        },
        "status": {"type": "string", "enum": ["True", "False", "Unknown"]},
        "observedGeneration": {"type": "integer", "format": "int64", "minimum": 0},
        "lastTransitionTime": {"type": "string", "format": "date-time"},
        "reason": {
            "type": "string",
            "minLength": 1,
            "maxLength": 1024,
            "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        },
        "message": {"type": "string", "maxLength": 32768},
    }


class Demanding(Object, frozen=True, kw_only=True):
    """Has required fields of both sorts."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Demanding", plural="demandings")
    zone: str
    lenient: Annotated[str, msgspec.Meta(extra={"required": True})] = ""
    free: Annotated[str, msgspec.Meta(extra={"required": False})] = ""
    other: Annotated[str, msgspec.Meta(extra={"owner": "somebody"})] = ""


def test_required_are_fields_without_default_and_those_marked_so() -> None:
    assert open_api_schema(Demanding)["required"] == ["lenient", "zone"]


class Node(APIStruct, frozen=True):
    children: tuple[Node, ...] = ()


class Tagged(APIStruct, frozen=True, tag=True):
    name: str = ""


class ArrayLike(APIStruct, frozen=True, array_like=True):
    name: str = ""


RESOURCE = Resource(group="example.com", version="v1", kind="Broken", plural="brokens")


class Recursive(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    root: Node = Node()


class WithTag(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    tagged: Tagged = Tagged()


class WithArrayLike(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    pair: ArrayLike = ArrayLike()


class WithUnion(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    either: tuple[bool | str, ...] = ()


class WithIntKeys(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    numbered: dict[int, str] = {}


class WithMixedEnum(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    mixed: Mixed = Mixed.TEXT


class WithMixedLiteral(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    mixed: Literal["a", 1] = 1


class WithDuration(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    pause: dict[str, timedelta] = {}


class WithMisspelling(Object, frozen=True):
    resource: ClassVar[Resource] = RESOURCE
    name: Annotated[str, msgspec.Meta(extra_json_schema={"minlength": 1, "uniqueItems": True})] = ""


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        pytest.param(Recursive, r"^Broken\.root\.children\[\]: Node contains itself", id="recursion"),
        pytest.param(WithTag, r"^Broken\.tagged: Tagged is tagged or array_like", id="tagged struct"),
        pytest.param(WithArrayLike, r"^Broken\.pair: ArrayLike is tagged or array_like", id="array-like struct"),
        pytest.param(WithUnion, r"^Broken\.either\[\]: a union of BoolType, StrType has no form", id="union"),
        pytest.param(WithIntKeys, r"^Broken\.numbered: keys of JSON maps are strings, not IntType", id="map keys"),
        pytest.param(WithMixedLiteral, r"^Broken\.mixed: the values of an enum are all strings or", id="mixed literal"),
        pytest.param(WithMixedEnum, r"^Broken: .*: Enums must contain either all str or all int", id="not decodable"),
        pytest.param(WithDuration, r"^Broken\.pause\{\}: TimeDeltaType has no form", id="type without form"),
        pytest.param(
            WithMisspelling, r"^Broken\.name: a structural schema has no minlength, uniqueItems", id="unknown extra"
        ),
    ],
)
def test_what_has_no_form_is_an_error_that_names_the_field(kind: type[Object], message: str) -> None:
    with pytest.raises(GenerationError, match=message):
        open_api_schema(kind)


def test_a_struct_may_occur_twice_beside_itself(spec_schema: dict[str, Any]) -> None:
    assert spec_schema["properties"]["part"] == spec_schema["properties"]["parts"]["items"]
