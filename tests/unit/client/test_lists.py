"""Lists are decoded item by item."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.apimachinery import DecodeError, NamespacedName, metadata_of
from controller_runtime.client.lists import decode_list
from controller_runtime.metrics import REGISTRY
from tests.unit.client.fakes import Widget, widget


def body(*items: Any, **metadata: str) -> bytes:
    return json.dumps({"kind": "WidgetList", "metadata": metadata, "items": items}).encode()


def skipped_total() -> float:
    return REGISTRY.get_sample_value("controller_runtime_undecodable_objects_total", {"kind": "Widget"}) or 0.0


def test_items_and_metadata_of_a_page() -> None:
    page = decode_list(Widget, body(widget("a"), widget("b"), resourceVersion="7", **{"continue": "next"}))
    assert [item.key for item in page.items] == [NamespacedName("default", "a"), NamespacedName("default", "b")]
    assert (page.resource_version, page.continue_token, page.skipped) == ("7", "next", ())


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"metadata": {"resourceVersion": "7"}, "items": None}, id="null"),
        pytest.param({"metadata": {"resourceVersion": "7"}}, id="absent"),
        pytest.param({"metadata": {"resourceVersion": "7"}, "items": []}, id="empty"),
    ],
)
def test_an_empty_list_is_a_list(document: dict[str, Any]) -> None:
    page = decode_list(Widget, json.dumps(document).encode())
    assert (page.items, page.resource_version) == ((), "7")


def test_an_undecodable_item_costs_only_itself() -> None:
    before = skipped_total()
    broken = widget("broken", spec={"size": "large"})
    with capture_logs() as logs:
        page = decode_list(Widget, body(widget("a"), broken, widget("b"), resourceVersion="7"))
    assert [item.key.name for item in page.items] == ["a", "b"]
    [(key, _, error)] = page.skipped
    assert key == NamespacedName("default", "broken")
    assert "size" in str(error)
    assert skipped_total() == before + 1
    assert [(line["object"], line["kind"]) for line in logs] == [("default/broken", "Widget")]


@pytest.mark.parametrize("item", [pytest.param(5, id="no object"), pytest.param({"metadata": 5}, id="no metadata")])
def test_an_item_without_a_name_is_skipped_too(item: Any) -> None:
    page = decode_list(Widget, body(item))
    assert [skipped.key for skipped in page.skipped] == [NamespacedName("", "")]


Wigdet = type("Wigdet", (Widget,), {"resource": replace(Widget.resource, kind="Wigdet")}, frozen=True, kw_only=True)
Everywhere = type(
    "Everywhere", (Widget,), {"resource": replace(Widget.resource, namespaced=False)}, frozen=True, kw_only=True
)


def listed(list_kind: str, *items: Any) -> bytes:
    return json.dumps({"kind": list_kind, "metadata": {"resourceVersion": "7"}, "items": items}).encode()


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(listed("WidgetList", widget("a") | {"kind": "Widget"}), id="objects-name-theirs"),
        pytest.param(listed("WidgetList", {"metadata": {"name": "a", "namespace": "default"}}), id="list-alone"),
    ],
)
def test_a_misspelt_kind_is_named(document: bytes) -> None:
    with pytest.raises(
        DecodeError, match=r"calls widgets.example.com Widget, not Wigdet: mend Resource\(kind=\.\.\.\)"
    ):
        decode_list(Wigdet, document)


@pytest.mark.parametrize(
    ("kind", "document"),
    [
        pytest.param(Widget, listed("Widgets", widget("a") | {"kind": "Widget"}), id="list-kind-of-the-crd"),
        pytest.param(Wigdet, listed("WidgetList"), id="empty"),
        pytest.param(metadata_of(Wigdet), listed("PartialObjectMetadataList", widget("a")), id="metadata"),
    ],
)
def test_a_kind_that_may_be_right_passes(kind: Any, document: bytes) -> None:
    assert decode_list(kind, document).resource_version == "7"


def test_a_wrong_scope_is_named() -> None:
    with pytest.raises(DecodeError, match=r"have a namespace: mend Resource\(namespaced=True\)"):
        decode_list(Everywhere, body(widget("a")))
    with pytest.raises(DecodeError, match=r"have no namespace: mend Resource\(namespaced=False\)"):
        decode_list(Widget, body({"metadata": {"name": "a"}}))


def test_a_malformed_envelope_is_an_error() -> None:
    with pytest.raises(DecodeError):
        decode_list(Widget, b'{"items": {}}')


@pytest.mark.parametrize(
    "document",
    [
        pytest.param(b'{"metadata":{"name":"a","uid":"u"},"spec":{"size":1e999}}', id="a number out of range"),
        pytest.param(b'{"metadata":{"name":"a","uid":"u"},"status":{"state":"\xff"}}', id="no UTF-8"),
    ],
)
def test_nothing_that_an_item_holds_costs_the_others(document: bytes) -> None:
    page = decode_list(Widget, b'{"items":[' + document + b"," + json.dumps(widget("b")).encode() + b"]}")
    assert [item.key.name for item in page.items] == ["b"]
    assert [(skipped.key.name, skipped.uid) for skipped in page.skipped] == [("a", "u")]
