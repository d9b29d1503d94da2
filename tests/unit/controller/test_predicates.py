"""Predicates: which events each of them lets pass, alone and joined."""

from __future__ import annotations

import pytest

from controller_runtime.apimachinery import Object, ObjectMeta, SelectorError
from controller_runtime.controller import (
    And,
    AnnotationChangedPredicate,
    Funcs,
    GenerationChangedPredicate,
    LabelChangedPredicate,
    LabelSelectorPredicate,
    Not,
    Or,
    Predicate,
    ResourceVersionChangedPredicate,
    predicate_for,
)
from tests.unit.cache.kinds import Gadget

OLD = Gadget(metadata=ObjectMeta(name="g", resource_version="1", generation=1, labels={"a": "1"}))
SAME = Gadget(metadata=ObjectMeta(name="g", resource_version="1", generation=1, labels={"a": "1"}))
SPEC = Gadget(metadata=ObjectMeta(name="g", resource_version="2", generation=2, labels={"a": "1"}))
LABELS = Gadget(metadata=ObjectMeta(name="g", resource_version="2", generation=1, labels={"a": "2"}))
ANNOTATIONS = Gadget(
    metadata=ObjectMeta(name="g", resource_version="2", generation=1, labels={"a": "1"}, annotations={"x": "y"})
)
YES, NO = Funcs(), predicate_for(lambda obj: False)


def verdicts(predicate: Predicate, obj: Object = OLD) -> str:
    """The events other than updates that pass, by their first letters."""
    passed = {"c": predicate.create(obj), "d": predicate.delete(obj), "g": predicate.generic(obj)}
    return "".join(letter for letter, passes in passed.items() if passes)


@pytest.mark.parametrize(
    ("predicate", "passing"),
    [
        pytest.param(ResourceVersionChangedPredicate(), [SPEC, LABELS, ANNOTATIONS], id="resource version"),
        pytest.param(GenerationChangedPredicate(), [SPEC], id="generation"),
        pytest.param(LabelChangedPredicate(), [LABELS], id="labels"),
        pytest.param(AnnotationChangedPredicate(), [ANNOTATIONS], id="annotations"),
        pytest.param(Or(GenerationChangedPredicate(), LabelChangedPredicate()), [SPEC, LABELS], id="one of two"),
        pytest.param(And(GenerationChangedPredicate(), LabelChangedPredicate()), [], id="both of two"),
        pytest.param(Not(GenerationChangedPredicate()), [SAME, LABELS, ANNOTATIONS], id="not"),
        pytest.param(Not(Or(GenerationChangedPredicate(), LabelChangedPredicate())), [SAME, ANNOTATIONS], id="neither"),
        pytest.param(Not(Not(GenerationChangedPredicate())), [SPEC], id="not not"),
    ],
)
def test_what_judges_updates_lets_all_else_pass(predicate: Predicate, passing: list[Gadget]) -> None:
    assert [new for new in (SAME, SPEC, LABELS, ANNOTATIONS) if predicate.update(OLD, new)] == passing
    assert verdicts(predicate) == "cdg"


@pytest.mark.parametrize(
    ("predicate", "update", "others"),
    [
        pytest.param(Funcs(), True, "cdg", id="no function"),
        pytest.param(Funcs(create=lambda obj: False), True, "dg", id="create"),
        pytest.param(Funcs(update=lambda old, new: old is new), False, "cdg", id="update"),
        pytest.param(Funcs(delete=lambda obj: False), True, "cg", id="delete"),
        pytest.param(Funcs(generic=lambda obj: False), True, "cd", id="generic"),
        pytest.param(predicate_for(lambda obj: obj is OLD), False, "cdg", id="one function sees the new state"),
        pytest.param(And(), True, "cdg", id="all of none"),
        pytest.param(Or(), False, "", id="one of none"),
        pytest.param(And(YES, NO), False, "", id="and"),
        pytest.param(Or(NO, YES), True, "cdg", id="or"),
        pytest.param(Not(YES), False, "", id="not all"),
        pytest.param(Not(NO), True, "cdg", id="not none"),
        pytest.param(Not(And(GenerationChangedPredicate(), YES)), False, "", id="not of a mixture judges everything"),
    ],
)
def test_functions_and_what_they_are_joined_to(predicate: Predicate, update: bool, others: str) -> None:
    assert predicate.update(OLD, SPEC) is update
    assert verdicts(predicate) == others


def test_joined_predicates_are_asked_in_order_and_no_more_than_needed() -> None:
    def fail(obj: Object) -> bool:
        raise AssertionError("asked")

    assert not And(NO, predicate_for(fail)).create(OLD)
    assert Or(YES, predicate_for(fail)).create(OLD)


def test_a_selector_passes_an_update_of_what_matches_or_did() -> None:
    selected = LabelSelectorPredicate("a=1")
    other = LabelSelectorPredicate("a in (3,4)")
    assert verdicts(selected, OLD) == "cdg"
    assert verdicts(selected, LABELS) == ""
    assert selected.update(OLD, LABELS)
    assert selected.update(LABELS, OLD)
    assert not selected.update(LABELS, LABELS)
    assert not other.update(OLD, LABELS)
    assert verdicts(Not(selected), LABELS) == "cdg"


def test_a_malformed_selector_is_refused_where_it_is_written() -> None:
    with pytest.raises(SelectorError):
        LabelSelectorPredicate("a==(")
