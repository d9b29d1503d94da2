"""Whole bodies become the JSON that Go makes of the same objects."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver import protobuf
from controller_runtime.envtest.apiserver.builtin.components import COMPONENTS
from controller_runtime.envtest.apiserver.builtin.structs import coerce
from controller_runtime.envtest.apiserver.protobuf.descriptors import Field, Message, messages

BODIES = json.loads(Path(__file__).with_name("bodies.json").read_text(encoding="utf-8"))
SCALARS = {
    ("string", ""): "string",
    ("string", "byte"): "bytes",
    ("boolean", ""): "bool",
    ("integer", "int32"): "int32",
    ("integer", "int64"): "int64",
    ("number", "double"): "double",
}


def decoded(case: dict[str, Any]) -> dict[str, Any]:
    obj = case["object"]
    return protobuf.decode(base64.b64decode(case["body"]), obj["apiVersion"], obj["kind"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["what"]) for case in BODIES if "full" in case["what"]])
def test_an_object_with_all_fields_set_is_that_object(case: dict[str, Any]) -> None:
    assert decoded(case) == case["object"]


@pytest.mark.parametrize("case", [pytest.param(case, id=case["what"]) for case in BODIES if "kubectl" in case["what"]])
def test_what_kubectl_sends_is_the_object_that_go_reads(case: dict[str, Any]) -> None:
    component = next(name for name in messages() if name in COMPONENTS and is_kind(COMPONENTS[name], case["object"]))
    assert coerce(component, decoded(case)) == coerce(component, case["object"])


def is_kind(schema: dict[str, Any], obj: dict[str, Any]) -> bool:
    group, _, version = obj["apiVersion"].rpartition("/")
    return {"group": group, "kind": obj["kind"], "version": version} in schema.get(
        "x-kubernetes-group-version-kind", []
    )


def test_zero_values_of_what_is_no_pointer_are_absent() -> None:
    sent = next(case for case in BODIES if case["what"] == "kubectl: POST namespaces")
    assert decoded(sent) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": sent["object"]["metadata"]["name"]},
        "spec": {},
        "status": {},
    }


SHARED = [
    pytest.param(message, id=name) for name, message in messages().items() if "properties" in COMPONENTS.get(name, {})
]


@pytest.mark.parametrize("message", SHARED)
def test_messages_have_the_fields_of_their_components(message: Message) -> None:
    of_every_kind = {"apiVersion", "kind"} if "DeleteOptions" in message.name or is_root(message) else set()
    assert {field.name for field in message.fields.values()} == set(properties(message)) - of_every_kind


@pytest.mark.parametrize("message", SHARED)
def test_fields_have_the_types_of_their_components(message: Message) -> None:
    for field in message.fields.values():
        assert described(field) == published(properties(message)[field.name]), field.name


def is_root(message: Message) -> bool:
    return "x-kubernetes-group-version-kind" in COMPONENTS[message.name]


def properties(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = COMPONENTS[message.name]["properties"]
    return found


def described(field: Field) -> tuple[str, str]:
    """Container and type of a field."""
    return field.container.replace("*", ""), field.message.short if field.message else field.scalar


def published(schema: dict[str, Any]) -> tuple[str, str]:
    """Container and type of a property."""
    container = "[]" if schema.get("type") == "array" else "{}" if "additionalProperties" in schema else ""
    inner = schema.get("items") or schema.get("additionalProperties") or schema
    reference = inner.get("$ref") or next((each["$ref"] for each in inner.get("allOf", ())), "")
    if reference:
        return container, reference.rpartition(".")[2]
    if inner["type"] == "array":
        return container, "ExtraValue"  # A map cannot hold lists.
    return container, SCALARS[inner["type"], inner.get("format", "")]
