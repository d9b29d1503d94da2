"""A shadow finds each thing that an informer may not tell its handlers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from controller_runtime.apimachinery import Object, ObjectMeta
from tests.soak.kinds import Widget
from tests.soak.shadow import Identity, Problems, Shadow


def widget(version: int, uid: str = "u") -> Widget:
    return Widget(metadata=ObjectMeta(namespace="soak-0", name="w", uid=uid, resource_version=str(version)))


def shadow_of(problems: Problems, heard: list[str]) -> Shadow:
    def hear(_: Object, what: str) -> None:
        heard.append(what)

    return Shadow("informer", problems, hear)


def test_a_whole_life_is_no_problem_and_leaves_nothing() -> None:
    problems, heard = Problems(), list[str]()
    shadow = shadow_of(problems, heard)
    shadow.on_add(widget(1), True)
    shadow.on_update(widget(1), widget(1))
    shadow.on_update(widget(1), widget(2))
    assert shadow.objects == {widget(2).key: Identity("u", "2")}
    shadow.on_delete(widget(3), False)
    shadow.on_add(widget(4, "v"), False)
    shadow.on_delete(widget(4, "v"), True)
    assert (shadow.objects, problems.texts) == ({}, [])
    assert heard == ["initial", "listed", "changed", "deleted", "added", "missed"]


@pytest.mark.parametrize(
    ("tell", "words"),
    [
        pytest.param(lambda one: one.on_add(widget(6), False), "was added twice", id="added-twice"),
        pytest.param(lambda one: one.on_update(widget(4), widget(6)), "changed from", id="a-change-was-lost"),
        pytest.param(lambda one: one.on_update(widget(5), widget(6, "v")), "became another object", id="another-uid"),
        pytest.param(lambda one: one.on_update(widget(5), widget(4)), "went back", id="older"),
        pytest.param(lambda one: one.on_delete(widget(6, "v"), False), "was deleted, but", id="deleted-another"),
    ],
)
def test_what_an_informer_may_not_tell_is_found(tell: Callable[[Shadow], None], words: str) -> None:
    problems = Problems()
    shadow = shadow_of(problems, [])
    shadow.on_add(widget(5), True)
    tell(shadow)
    (text,) = problems.texts
    assert words in text
    assert "soak-0/w" in text


def test_all_problems_are_counted_and_the_first_are_kept() -> None:
    problems = Problems()
    for number in range(1000):
        problems.add(str(number))
    assert problems.count == 1000
    assert problems.texts == [str(number) for number in range(len(problems.texts))]
