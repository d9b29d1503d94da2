"""The schemas have the structure of kube-apiserver's, in other words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.builtin import COMPONENTS, builtin_kinds
from controller_runtime.envtest.apiserver.schema import compile_schema

REAL = json.loads((Path(__file__).parent / "openapi.json").read_text())


def structure(value: Any) -> Any:
    """Without descriptions, and with references written in one way."""
    if isinstance(value, list):
        return [structure(item) for item in value]
    if not isinstance(value, dict):
        return value
    stripped = {
        name: structure(item) for name, item in value.items() if not (name == "description" and isinstance(item, str))
    }
    if isinstance(stripped.get("required"), list):
        stripped["required"] = sorted(stripped["required"])
    return stripped["allOf"][0] if stripped.keys() == {"allOf"} else stripped


def test_the_components_are_known() -> None:
    assert COMPONENTS.keys() == REAL.keys()


@pytest.mark.parametrize("name", sorted(REAL))
def test_a_component_has_the_structure_of_the_real_one(name: str) -> None:
    assert structure(COMPONENTS[name]) == REAL[name]


def test_everything_is_described() -> None:
    bare = [
        f"{name}.{field}"
        for name, component in COMPONENTS.items()
        for field, schema in component.get("properties", {}).items()
        if not schema.get("description") and "$ref" not in schema
    ]
    assert not bare
    assert all(component.get("description") for component in COMPONENTS.values())


@pytest.mark.parametrize("kind", builtin_kinds(), ids=lambda kind: f"{kind.plural}.{kind.group}")
def test_a_kinds_schema_compiles(kind: Any) -> None:
    compile_schema(COMPONENTS[kind.component], COMPONENTS)
    assert f"{kind.component}List" in COMPONENTS
