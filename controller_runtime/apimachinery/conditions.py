"""Reading and changing a list of conditions, by the rules of apimachinery's `meta.SetStatusCondition`.

Lists are tuples and are never changed in place: each function returns the list to use from now on, and returns the very
same tuple where nothing changed, so that `is` tells whether a write is needed.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from controller_runtime.apimachinery.meta import Condition
from controller_runtime.apimachinery.times import now


def find_condition(conditions: Iterable[Condition], condition_type: str) -> Condition | None:
    """The condition of that type, or None."""
    return next((condition for condition in conditions if condition.type == condition_type), None)


def is_condition_true(conditions: Iterable[Condition], condition_type: str) -> bool:
    """Whether the condition is there with status `True`."""
    found = find_condition(conditions, condition_type)
    return found is not None and found.status == "True"


def set_condition(conditions: tuple[Condition, ...], wanted: Condition) -> tuple[Condition, ...]:
    """Adds or replaces the condition of `wanted.type`.

    A new type is appended. `last_transition_time` moves only when the status changes: to the given time, else to now.
    With the same status the old time is kept even if another one is given.
    """
    for index, found in enumerate(conditions):
        if found.type == wanted.type:
            same_status = found.status == wanted.status and found.last_transition_time is not None
            time = found.last_transition_time if same_status else wanted.last_transition_time or now()
            merged = msgspec.structs.replace(wanted, last_transition_time=time)
            return conditions if merged == found else (*conditions[:index], merged, *conditions[index + 1 :])
    time = wanted.last_transition_time or now()
    return (*conditions, msgspec.structs.replace(wanted, last_transition_time=time))


def remove_condition(conditions: tuple[Condition, ...], condition_type: str) -> tuple[Condition, ...]:
    """The list without that type."""
    if find_condition(conditions, condition_type) is None:
        return conditions
    return tuple(condition for condition in conditions if condition.type != condition_type)
