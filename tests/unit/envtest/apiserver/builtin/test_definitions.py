"""CustomResourceDefinitions: generation, stored versions, and their schemas on the way through Go's types."""

from __future__ import annotations

from typing import Any

from tests.unit.envtest.apiserver.builtin.pipeline import KINDS

KIND = KINDS["customresourcedefinitions.apiextensions.k8s.io"]


def definition(*names: str, **schema: Any) -> dict[str, Any]:
    versions = [
        {"name": name, "served": True, "storage": name == names[-1], "schema": {"openAPIV3Schema": schema}}
        for name in names
    ]
    return {"metadata": {"name": "x"}, "spec": {"group": "g", "versions": versions}}


def test_a_new_definition_notes_its_stored_version() -> None:
    made = definition("v1")
    KIND.strategy.prepare_for_create(made)
    assert made["metadata"]["generation"] == 1
    assert made["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }


def test_another_spec_is_another_generation() -> None:
    old = definition("v1")
    KIND.strategy.prepare_for_create(old)
    same = definition("v1")
    same["metadata"]["generation"] = 1
    KIND.strategy.prepare_for_update(same, old)
    assert same["metadata"]["generation"] == 1
    changed = definition("v1", "v2")
    KIND.strategy.prepare_for_update(changed, old)
    assert changed["metadata"]["generation"] == 2
    assert changed["status"]["storedVersions"] == ["v1", "v2"]
    assert old["status"]["storedVersions"] == ["v1"]


def test_schemas_keep_what_is_set_even_to_zero() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "integer", "minimum": 0, "default": 0, "enum": [0, None], "description": ""},
            "b": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 0, "nullable": False}},
            "c": {"type": "object", "additionalProperties": True},
            "d": {"type": "array", "items": {"type": "string"}, "uniqueItems": False},
        },
    }
    decoded, unknown = KIND.coerce(definition("v1", **schema))
    assert unknown == []
    (version,) = decoded["spec"]["versions"]
    assert version["schema"]["openAPIV3Schema"]["properties"] == {
        "a": {"type": "integer", "minimum": 0, "default": 0, "enum": [0, None]},
        "b": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 0}},
        "c": {"type": "object", "additionalProperties": True},
        "d": {"type": "array", "items": {"type": "string"}},
    }


def test_unknown_fields_are_named_with_their_place() -> None:
    made = definition("v1", type="object", properties={"a": {"tpye": "string"}})
    made["spec"]["versions"][0]["extra"] = 1
    _, unknown = KIND.coerce(made)
    assert sorted(unknown) == [
        "spec.versions[0].extra",
        "spec.versions[0].schema.openAPIV3Schema.properties.a.tpye",
    ]
