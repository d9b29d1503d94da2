"""What is wrong with objects of custom kinds, in all its parts."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.crds.definition import ServedVersion
from controller_runtime.envtest.apiserver.crds.objects import (
    custom_object_errors,
    custom_status_errors,
    finalizer_warnings,
    selectable_values,
)
from controller_runtime.envtest.apiserver.schema import compile_schema
from tests.unit.envtest.apiserver.crds.definitions import STRING

OPENAPI = {
    "type": "object",
    "properties": {
        "spec": {"type": "object", "properties": {"a": {**STRING, "maxLength": 2}, "n": {"type": "integer"}}},
        "status": {"type": "object", "required": ["s"], "properties": {"s": {**STRING, "maxLength": 2}}},
    },
}
VERSION = ServedVersion(
    group="example.com",
    version="v1",
    kind="Widget",
    plural="widgets",
    singular="widget",
    list_kind="WidgetList",
    namespaced=True,
    schema=OPENAPI,
    has_status=True,
    scale={"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"},
    selectable_fields=("spec.a", "spec.n"),
)
SCHEMA = compile_schema(OPENAPI)
WITH_RULES = compile_schema({**OPENAPI, "x-kubernetes-validations": [{"rule": "true"}]})


def widget(**fields: Any) -> dict[str, Any]:
    metadata = {"name": "w", "namespace": "n", "resourceVersion": "1"}
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, **fields}


def test_valid_objects_have_no_errors() -> None:
    assert custom_object_errors(VERSION, SCHEMA, widget(spec={"a": "x", "n": 1})) == []


def test_an_object_of_another_kind_is_not_looked_at_further() -> None:
    found = custom_object_errors(VERSION, SCHEMA, widget(kind="Gadget", apiVersion="v1", spec={"a": "xxx"}))
    assert list(map(str, found)) == [
        'kind: Invalid value: "Gadget": must be Widget',
        'apiVersion: Invalid value: "v1": must be example.com/v1',
    ]


def test_errors_are_in_the_order_of_metadata_schema_and_scale() -> None:
    obj = widget(spec={"a": "xxx", "n": -1})
    obj["metadata"]["labels"] = {"a": "-"}
    found = custom_object_errors(VERSION, SCHEMA, obj)
    assert [error.field for error in found] == ["metadata.labels", "spec.a", ".spec.n"]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"spec": {"n": -1}}, ".spec.n: Invalid value: -1: should be a non-negative integer"),
        ({"spec": {"n": 2**31}}, f".spec.n: Invalid value: {2**31}: should be less than or equal to 2147483647"),
        (
            {"status": {"s": "", "n": "x"}},
            ".status.n: Invalid value: 0: .status.n accessor error: x is of the type string, expected int64",
        ),
        (
            {"status": {"s": 1}},
            '.status.s: Invalid value: "": .status.s accessor error: 1 is of the type int64, expected string',
        ),
    ],
)
def test_replicas_are_counts(fields: dict[str, Any], error: str) -> None:
    assert error in list(map(str, custom_object_errors(VERSION, SCHEMA, widget(**fields))))


def test_updates_forgive_what_has_not_changed() -> None:
    old = widget(spec={"a": "xxx"})
    assert custom_object_errors(VERSION, SCHEMA, widget(spec={"a": "xxx", "n": 1}), old) == []
    changed = custom_object_errors(VERSION, SCHEMA, widget(spec={"a": "yyy"}), old)
    assert [error.field for error in changed] == ["spec.a"]


def test_updates_of_the_status_look_at_the_status_alone() -> None:
    old = widget(spec={"a": "x"}, status={"s": "a"})
    new = widget(spec={"a": "xxx"}, status={"s": "abc"})
    assert list(map(str, custom_status_errors(VERSION, SCHEMA, new, old))) == [
        "status.s: Too long: may not be more than 2 bytes"
    ]
    assert custom_status_errors(VERSION, SCHEMA, widget(), old) == []


def test_rules_are_said_to_be_skipped_where_the_real_server_skips_them() -> None:
    found = custom_object_errors(VERSION, WITH_RULES, widget(spec={"a": "xxx"}))
    assert WITH_RULES.has_cel
    assert str(found[-1]) == (
        "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the"
        " existing errors to complete validation"
    )


def test_new_finalizers_without_a_domain_are_warned_of() -> None:
    obj = widget()
    obj["metadata"]["finalizers"] = ["mine", "my.domain", "orphan", "a/b", "-"]
    old = widget()
    old["metadata"]["finalizers"] = ["mine"]
    warnings = finalizer_warnings(obj, old)
    assert [text.split(": ")[1] for text in warnings] == ['"-"', '"-"', '"my.domain"']
    assert warnings[-1] == (
        'metadata.finalizers: "my.domain": prefer a domain-qualified finalizer name including a path (/) to avoid'
        " accidental conflicts with other finalizer writers"
    )


def test_selectors_find_texts() -> None:
    assert selectable_values(VERSION, widget(spec={"n": 3})) == {"spec.a": "", "spec.n": "3"}
