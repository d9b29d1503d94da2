"""Options: which of several counts, and what is refused."""

from __future__ import annotations

import copy
import dataclasses
from typing import Any

import pytest

from controller_runtime.controller import ControllerOptions
from tests.unit.controller.fakes import A


def test_what_is_given_comes_before_the_defaults_even_if_it_says_the_same() -> None:
    given = ControllerOptions(max_concurrent_reconciles=1, recover_panics=False)
    defaults = ControllerOptions(max_concurrent_reconciles=4, enable_warmup=True)
    options = given.over(defaults)
    assert options == ControllerOptions(max_concurrent_reconciles=1, recover_panics=False, enable_warmup=True)
    assert options.given == {"max_concurrent_reconciles": 1, "recover_panics": False, "enable_warmup": True}


def test_without_anything_given_the_defaults_are_those_of_the_original() -> None:
    options = ControllerOptions().over(ControllerOptions())
    assert dataclasses.astuple(options)[:6] == (1, 120, None, True, True, False)
    assert options.given == {}
    limiter = options.rate_limiter()
    assert [limiter.when(A) for _ in range(3)] == [0.005, 0.01, 0.02]


def test_a_copy_knows_what_was_given() -> None:
    options = ControllerOptions(enable_warmup=True)
    assert copy.copy(options).given == copy.deepcopy(options).given == {"enable_warmup": True}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"max_concurrent_reconciles": 0}, "at least one worker", id="no worker"),
        pytest.param({"cache_sync_timeout": 0}, "cache_sync_timeout", id="no time to sync"),
        pytest.param({"reconciliation_timeout": -1}, "reconciliation_timeout", id="no time to reconcile"),
        pytest.param({"await_own_writes": -1}, "await_own_writes", id="negative wait"),
    ],
)
def test_a_number_that_makes_no_sense_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ControllerOptions(**options)
