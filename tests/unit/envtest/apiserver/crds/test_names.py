"""Who gets which names, and what the conditions say."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.crds.names import is_established, names_conflicts, settled_status
from tests.unit.envtest.apiserver.crds.definitions import complete, definition


def crd(plural: str, kind: str, *, group: str = "example.com", **names: Any) -> dict[str, Any]:
    made = definition()
    made["metadata"]["name"] = f"{plural}.{group}"
    made["spec"] |= {"group": group, "names": {"plural": plural, "kind": kind, **names}}
    return complete(made)


def settle(*crds: dict[str, Any], now: str = "now") -> None:
    for each in crds:
        each["status"] = settled_status(each, crds, now)


def conditions(made: dict[str, Any]) -> dict[str, tuple[str, str, str]]:
    return {each["type"]: (each["status"], each["reason"], each["message"]) for each in made["status"]["conditions"]}


def test_the_first_gets_all_its_names() -> None:
    foo = crd("foos", "Foo", shortNames=["f"], categories=["all"])
    settle(foo)
    assert foo["status"]["acceptedNames"] == {
        "plural": "foos",
        "singular": "foo",
        "kind": "Foo",
        "listKind": "FooList",
        "shortNames": ["f"],
        "categories": ["all"],
    }
    assert conditions(foo) == {
        "NamesAccepted": ("True", "NoConflicts", "no conflicts found"),
        "Established": ("True", "InitialNamesAccepted", "the initial names have been accepted"),
    }


def test_the_second_does_not_get_what_is_taken_and_is_not_established() -> None:
    foo, bar = crd("foos", "Foo", shortNames=["f", "fo"]), crd("bars", "Bar", shortNames=["f", "fo"], categories=["x"])
    settle(foo, bar)
    assert names_conflicts(bar, [foo]) == [
        ("ShortNamesConflict", '["f" is already in use, "fo" is already in use]'),
    ]
    assert "shortNames" not in bar["status"]["acceptedNames"]
    assert bar["status"]["acceptedNames"]["categories"] == ["x"]
    assert conditions(bar) == {
        "NamesAccepted": ("False", "ShortNamesConflict", '["f" is already in use, "fo" is already in use]'),
        "Established": ("False", "NotAccepted", "not all names are accepted"),
    }
    assert not is_established(bar)


def test_of_several_conflicts_the_last_is_reported() -> None:
    foo, other = crd("foos", "Foo"), crd("bars", "Foo")
    settle(foo, other)
    assert [reason for reason, _ in names_conflicts(other, [foo])] == [
        "SingularConflict",
        "KindConflict",
        "ListKindConflict",
    ]
    assert conditions(other)["NamesAccepted"] == ("False", "ListKindConflict", '"FooList" is already in use')


def test_names_of_other_groups_are_free() -> None:
    foo, other = crd("foos", "Foo"), crd("foos", "Foo", group="example.org")
    settle(foo, other)
    assert is_established(other)


def test_names_are_free_again_when_their_definition_goes() -> None:
    foo, bar = crd("foos", "Foo", shortNames=["f"]), crd("bars", "Bar", shortNames=["f"])
    settle(foo, bar)
    settle(bar, now="later")
    assert is_established(bar)
    assert {each["lastTransitionTime"] for each in bar["status"]["conditions"]} == {"later"}


def test_an_established_kind_stays_so_when_a_new_name_is_taken() -> None:
    foo, bar = crd("foos", "Foo", shortNames=["f"]), crd("bars", "Bar")
    settle(foo, bar)
    bar["spec"]["names"]["shortNames"] = ["f"]
    settle(foo, bar, now="later")
    assert conditions(bar)["NamesAccepted"][0] == "False"
    assert is_established(bar)


def test_a_short_name_may_not_be_a_name_of_the_definition_itself() -> None:
    bar = crd("bars", "Bar")
    settle(bar)
    bar["spec"]["names"]["shortNames"] = ["bar"]
    assert names_conflicts(bar, [bar]) == [("ShortNamesConflict", '"bar" is already in use')]


def test_nothing_changes_where_nothing_has_changed() -> None:
    foo = crd("foos", "Foo")
    settle(foo)
    before = foo["status"]
    assert settled_status(foo, [foo], "later") == before
