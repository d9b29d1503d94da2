"""Selectors of labels and of fields: what they mean, and how a wrong one is refused."""

from __future__ import annotations

import pytest

from tests.integration.conformance.conftest import Place, configmap, specimen
from tests.integration.conformance.rest import Api, names


@pytest.fixture
def labelled(api: Api, place: Place) -> Place:
    """Return a namespace with ConfigMaps named after what they are labelled with."""
    for name, labels in {
        "none": {},
        "red": {"color": "red"},
        "blue": {"color": "blue"},
        "empty": {"color": ""},
        "big-red": {"color": "red", "size": "9", "e.com/x": "y"},
    }.items():
        api.create(place.configmaps, configmap(name, labels=labels))
    return place


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("", ["big-red", "blue", "empty", "none", "red"], id="empty"),
        pytest.param("color=red", ["big-red", "red"], id="="),
        pytest.param("color==red", ["big-red", "red"], id="=="),
        pytest.param("color!=red", ["blue", "empty", "none"], id="!="),
        pytest.param("color=", ["empty"], id="= nothing"),
        pytest.param("color in (red, blue)", ["big-red", "blue", "red"], id="in"),
        pytest.param("color in (,blue)", ["blue", "empty"], id="in with nothing"),
        pytest.param("color notin (red,blue)", ["empty", "none"], id="notin"),
        pytest.param("color", ["big-red", "blue", "empty", "red"], id="exists"),
        pytest.param("!color", ["none"], id="does not exist"),
        pytest.param("color=red,size", ["big-red"], id="and"),
        pytest.param("color = red , !size", ["red"], id="spaces"),
        pytest.param("size>8", ["big-red"], id="greater"),
        pytest.param("size<9", [], id="less"),
        pytest.param("e.com/x=y", ["big-red"], id="prefix"),
        pytest.param("color=green", [], id="nobody"),
    ],
)
def test_labels_select(api: Api, labelled: Place, selector: str, expected: list[str]) -> None:
    assert names(api.get(labelled.configmaps, labelSelector=selector).expect(200)) == expected


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param("color=red=blue", "found '=', expected: ',' or 'end of string'", id="two values"),
        pytest.param(
            "color in red", "unable to parse requirement: found 'red' expected: '('", id="in without parentheses"
        ),
        pytest.param("=red", "found '=', expected: !, identifier, or 'end of string'", id="no key"),
        pytest.param("color=red,", "found '', expected: identifier after ','", id="comma at the end"),
    ],
)
def test_a_malformed_label_selector_is_refused(api: Api, place: Place, selector: str, text: str) -> None:
    answer = api.get(place.configmaps, labelSelector=selector)
    assert answer.verdict == (400, "BadRequest", text)


def test_a_malformed_label_in_a_selector_is_refused(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, labelSelector="color=-red")
    assert answer.verdict[:2] == (400, "BadRequest")
    assert answer.verdict[2].startswith(
        'unable to parse requirement: values[0][color]: Invalid value: "-red": a valid label must be an empty string or'
    )


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        pytest.param("metadata.name=red", ["red"], id="name"),
        pytest.param("metadata.name==red", ["red"], id="=="),
        pytest.param("metadata.name!=red,metadata.name!=none", ["big-red", "blue", "empty"], id="!="),
        pytest.param("metadata.namespace=default", [], id="namespace"),
    ],
)
def test_fields_select(api: Api, labelled: Place, selector: str, expected: list[str]) -> None:
    assert names(api.get(labelled.configmaps, fieldSelector=selector).expect(200)) == expected


def test_labels_and_fields_select_together(api: Api, labelled: Place) -> None:
    query = {"labelSelector": "color=red", "fieldSelector": "metadata.name!=red"}
    assert names(api.get(labelled.configmaps, **query).expect(200)) == ["big-red"]


def test_selectable_fields_of_a_custom_kind_select(api: Api, place: Place) -> None:
    for name, color in (("a", "red"), ("b", "blue")):
        api.create(place.specimens, specimen(name, {"color": color}))
    api.create(place.specimens, specimen("c"))
    for selector, expected in (("spec.color=red", ["a"]), ("spec.color!=red", ["b", "c"]), ("spec.color=", ["c"])):
        assert names(api.get(place.specimens, fieldSelector=selector).expect(200)) == expected


def test_other_fields_do_not_select(api: Api, place: Place) -> None:
    answer = api.get(place.configmaps, fieldSelector="data.x=1")
    assert answer.verdict == (
        400,
        "BadRequest",
        '"data.x" is not a known field selector: only "metadata.name", "metadata.namespace"',
    )
    answer = api.get(place.specimens, fieldSelector="spec.size=1")
    assert answer.verdict == (400, "BadRequest", "field label not supported: spec.size")


@pytest.mark.parametrize(
    ("selector", "text"),
    [
        pytest.param(
            "metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'", id="no value"
        ),
        pytest.param(
            "metadata.name in (a)",
            "invalid selector: 'metadata.name in (a)'; can't understand 'metadata.name in (a)'",
            id="in",
        ),
    ],
)
def test_a_malformed_field_selector_is_refused(api: Api, place: Place, selector: str, text: str) -> None:
    assert api.get(place.configmaps, fieldSelector=selector).verdict == (400, "BadRequest", text)


def test_fields_escape_commas(api: Api, place: Place) -> None:
    assert api.get(place.configmaps, fieldSelector=r"metadata.name=a\,b").expect(200)["items"] == []


def test_fields_of_secrets_and_events_select(api: Api, place: Place) -> None:
    api.create(place.core("secrets"), {"metadata": {"name": "a"}, "type": "e.com/t"})
    assert names(api.get(place.core("secrets"), fieldSelector="type=e.com/t").expect(200)) == ["a"]
    about = {"kind": "ConfigMap", "name": "x", "namespace": place.namespace, "uid": "u1"}
    for name, reason in (("e", "Good"), ("f", "Bad")):
        event = {"metadata": {"name": name}, "involvedObject": about, "reason": reason, "type": "Normal"}
        api.create(place.core("events"), event)
    for selector, expected in (
        ("involvedObject.name=x,involvedObject.uid=u1,involvedObject.kind=ConfigMap", ["e", "f"]),
        ("reason=Bad", ["f"]),
        ("type=Warning", []),
    ):
        assert names(api.get(place.core("events"), fieldSelector=selector).expect(200)) == expected


def test_fields_of_namespaces_select(api: Api, place: Place) -> None:
    listed = api.get("/api/v1/namespaces", fieldSelector=f"metadata.name={place.namespace},status.phase=Active")
    assert names(listed.expect(200)) == [place.namespace]
