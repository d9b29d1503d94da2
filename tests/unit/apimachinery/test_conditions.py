"""Lists of conditions, by the rules of meta.SetStatusCondition."""

from datetime import UTC, datetime, timedelta

import msgspec

from controller_runtime.apimachinery import (
    Condition,
    find_condition,
    is_condition_true,
    remove_condition,
    set_condition,
)

EARLIER = datetime(2026, 1, 1, tzinfo=UTC)
LATER = EARLIER + timedelta(hours=1)
READY = Condition(type="Ready", status="True", reason="Fine", message="m", last_transition_time=EARLIER)
OTHER = Condition(type="Other", status="False", reason="X", last_transition_time=EARLIER)


def test_a_new_type_is_appended_with_a_time() -> None:
    (kept, added) = set_condition((OTHER,), Condition(type="Ready", status="True", reason="Fine"))
    assert kept is OTHER
    assert added.last_transition_time is not None


def test_the_time_moves_only_with_the_status() -> None:
    same = msgspec.structs.replace(READY, reason="Better", last_transition_time=LATER)
    assert set_condition((READY,), same)[0].last_transition_time == EARLIER
    other = msgspec.structs.replace(same, status="False")
    assert set_condition((READY,), other)[0].last_transition_time == LATER


def test_the_very_same_list_comes_back_where_nothing_differs() -> None:
    conditions = (OTHER, READY)
    assert set_condition(conditions, msgspec.structs.replace(READY, last_transition_time=None)) is conditions
    assert remove_condition(conditions, "Unknown") is conditions


def test_order_and_other_conditions_are_kept() -> None:
    changed = set_condition((READY, OTHER), msgspec.structs.replace(READY, message="n"))
    assert [condition.type for condition in changed] == ["Ready", "Other"]
    assert changed[1] is OTHER


def test_removal_takes_only_that_type() -> None:
    assert remove_condition((READY, OTHER), "Ready") == (OTHER,)


def test_only_the_status_true_is_true() -> None:
    assert is_condition_true((READY, OTHER), "Ready")
    assert not is_condition_true((READY, OTHER), "Other")
    assert not is_condition_true((READY, OTHER), "Absent")
    assert find_condition((READY, OTHER), "Absent") is None
