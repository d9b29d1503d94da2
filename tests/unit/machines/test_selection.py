"""Which of several configurations counts."""

from __future__ import annotations

import pytest

from api.v1alpha1 import IPXEBootConfig
from controller_runtime.apimachinery import ObjectMeta
from machines import AmbiguousMachineError
from machines.selection import select


def config(name: str) -> IPXEBootConfig:
    return IPXEBootConfig(metadata=ObjectMeta(name=name, namespace="lab"))


def test_nothing_is_selected_from_nothing() -> None:
    assert select(()) is None


def test_the_only_one_is_selected() -> None:
    only = config("a")
    assert select((only,)) is only


def test_several_are_an_error_with_all_of_them_in_order() -> None:
    with pytest.raises(AmbiguousMachineError, match="lab/a, lab/b, lab/c") as caught:
        select((config("c"), config("a"), config("b")))
    assert [found.metadata.name for found in caught.value.configs] == ["a", "b", "c"]
