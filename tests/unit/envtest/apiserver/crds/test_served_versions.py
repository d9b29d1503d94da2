"""Defaults of definitions, and what the registry is told of them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.crds.definition import (
    AGE_COLUMN,
    ServedVersion,
    crd_warnings,
    default_crd,
    prepare_crd_for_update,
    served_versions,
    version_rank,
)
from controller_runtime.envtest.apiserver.crds.names import settled_status
from tests.unit.envtest.apiserver.crds.definitions import STRING, complete, definition


def served(crd: dict[str, Any]) -> list[ServedVersion]:
    crd = complete(crd)
    crd["status"] = settled_status(crd, [crd], "now")
    return served_versions(crd)


def test_definitions_are_completed() -> None:
    crd = definition()
    crd["spec"]["conversion"] = {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": "x"}}}}
    default_crd(crd)
    assert crd["spec"]["names"] == {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
    }
    assert crd["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"] == 443
    assert crd["status"]["storedVersions"] == ["v1"]


def test_the_status_of_a_new_definition_is_the_servers() -> None:
    crd = definition()
    crd["status"] = {"conditions": [{"type": "Established", "status": "True"}], "storedVersions": ["v9"]}
    assert complete(crd)["status"] == {
        "conditions": None,
        "acceptedNames": {"plural": "", "kind": ""},
        "storedVersions": ["v1"],
    }
    assert crd["metadata"]["generation"] == 1
    assert crd["spec"]["conversion"] == {"strategy": "None"}


def test_updates_keep_the_status_and_add_the_storage_version() -> None:
    old = complete(definition())
    new = copy.deepcopy(old)
    new["spec"]["versions"][0]["name"] = "v2"
    del new["status"]
    prepare_crd_for_update(new, old)
    assert new["status"]["storedVersions"] == ["v1", "v2"]
    assert new["metadata"]["generation"] == 2
    assert old["status"]["storedVersions"] == ["v1"]


def test_versions_are_described_as_they_are_served() -> None:
    crd = definition(
        subresources={"status": {}, "scale": {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}},
        selectableFields=[{"jsonPath": ".spec.a"}],
    )
    crd["spec"]["names"] |= {"shortNames": ["w"], "categories": ["all"]}
    crd["spec"]["versions"].append({**crd["spec"]["versions"][0], "name": "v2", "storage": False, "served": False})
    (version,) = served(crd)
    assert (version.group, version.version, version.kind, version.plural) == ("example.com", "v1", "Widget", "widgets")
    assert (version.singular, version.list_kind, version.namespaced) == ("widget", "WidgetList", True)
    assert (version.short_names, version.categories) == (("w",), ("all",))
    assert version.has_status
    assert version.scale == {"specReplicasPath": ".spec.n", "statusReplicasPath": ".status.n"}
    assert version.selectable_fields == ("spec.a",)
    assert version.columns == (AGE_COLUMN,)
    assert version.storage_version == "v1"


def test_published_schemas_have_metadata() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    (version,) = served(definition(embedded))
    published = version.published_schema()
    assert published["properties"]["metadata"]["properties"]["ownerReferences"]["x-kubernetes-list-map-keys"] == ["uid"]
    inner = published["properties"]["spec"]["properties"]["x"]
    assert set(inner["properties"]) == {"apiVersion", "kind", "metadata"}
    assert inner["required"] == ["kind", "apiVersion"]
    assert "metadata" not in version.schema["properties"]


@pytest.mark.parametrize(
    ("version", "warning"),
    [
        ({}, ""),
        ({"deprecated": True}, "example.com/v1 Widget is deprecated; use example.com/v2 Widget"),
        ({"deprecated": True, "deprecationWarning": "away with it"}, "away with it"),
    ],
)
def test_deprecated_versions_name_the_newest_one(version: dict[str, Any], warning: str) -> None:
    crd = definition(**version)
    for name in ("v2beta1", "v2"):
        newer = {**crd["spec"]["versions"][0], "name": name, "storage": False}
        newer.pop("deprecated", None)
        newer.pop("deprecationWarning", None)
        crd["spec"]["versions"].append(newer)
    assert served(crd)[0].deprecation_warning == warning


def test_versions_are_ordered_as_kubernetes_orders_them() -> None:
    names = ["v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "foo1", "foo10"]
    shuffled = [*names[5:], *names[:5]]
    assert sorted(shuffled, key=version_rank, reverse=True) == names


def test_unknown_formats_are_warned_of_once() -> None:
    crd = definition({**STRING, "format": "unheard-of"})
    assert crd_warnings(crd) == ['unrecognized format "unheard-of"']
    assert crd_warnings(crd, crd) == []
