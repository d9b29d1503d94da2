"""Definitions for tests."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.crds.definition import default_crd, prepare_crd_for_create

STRING = {"type": "string"}


def definition(schema: dict[str, Any] | None = None, **version: Any) -> dict[str, Any]:
    """A valid one of Widgets, whose spec has the schema as its property `x`; with additions to its version."""
    properties = {"spec": {"type": "object", "properties": {"a": STRING, **({} if schema is None else {"x": schema})}}}
    first = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        **version,
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [first],
        },
    }


def complete(crd: dict[str, Any]) -> dict[str, Any]:
    """As a create request leaves it, before it is validated."""
    default_crd(crd)
    prepare_crd_for_create(crd)
    return crd
