"""Mistakes of a program that types do not always find: refused at once, or at the cost of one request."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from datetime import timedelta
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest
from structlog.testing import capture_logs

from controller_runtime.builder import ControllerBuilder
from controller_runtime.cache import Cache
from controller_runtime.controller import (
    Controller,
    ControllerOptions,
    FuncSource,
    GenerationChangedPredicate,
    KindSource,
    Request,
    Result,
)
from controller_runtime.envtest.in_memory import InMemoryAPI
from controller_runtime.envtest.interceptor import Interceptor
from controller_runtime.manager import Manager
from controller_runtime.workqueue import PriorityQueue
from tests.unit.cache.kinds import Gadget, Planet
from tests.unit.controller.fakes import A, ListSource, Recording, count, run_for, succeed


def errors_of(logs: list[Any]) -> list[str]:
    return [str(line["error"]) for line in logs if "error" in line and line["log_level"] == "error"]


# Map functions and sources


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("returned", "named"),
    [
        pytest.param(A, "'ns'", id="a-key-instead-of-a-list"),
        pytest.param(["ns/a"], "'ns/a'", id="strings"),
        pytest.param([("ns", "a")], "('ns', 'a')", id="plain-tuples"),
        pytest.param("ns", "'n'", id="a-string"),
        pytest.param(None, "None", id="nothing"),
    ],
)
async def test_a_map_function_that_returns_no_requests_costs_its_own_events(
    api: InMemoryAPI, cache: Cache, returned: Any, named: str
) -> None:
    api.create(Gadget, "a", "ns")
    reconciler = Recording(succeed)
    source = KindSource(cache, Gadget, lambda _: returned)
    with capture_logs() as logs:
        await run_for(10, Controller("mapped", reconciler, sources=[source, ListSource(A)]))
    assert reconciler.requests() == [A]
    [failed] = [line for line in logs if line["event"].startswith("map function failed")]
    assert str(failed["exc_info"]) == (
        f"the map function of Gadget returned {named}, not a Request; return a list of Requests"
    )


@pytest.mark.looptime
async def test_what_is_no_request_is_counted_and_costs_the_controller_nothing() -> None:
    def fill(queue: PriorityQueue[Request]) -> None:
        queue.add(cast("Request", "ns/a"))
        queue.add(A)

    reconciler = Recording(succeed)
    with capture_logs() as logs:
        await run_for(10_000, Controller("raw", reconciler, sources=[FuncSource(fill)]))
    assert reconciler.requests() == [A]
    assert count("raw", "controller_runtime_reconcile_errors_total") == 1
    assert "a source put 'ns/a' into the queue, which is no Request (a NamespacedName)" in errors_of(logs)[0]


# Reconcilers


class Synchronous:
    def reconcile(self, request: Request) -> Result | None:
        return None


class Generating:
    def reconcile(self, request: Request) -> Iterator[None]:
        yield


class Right:
    async def reconcile(self, request: Request) -> None:
        return None


class Delegating:
    def reconcile(self, request: Request) -> Awaitable[None]:
        return succeed(request)


class Unannotated:
    def reconcile(self, request):  # type: ignore[no-untyped-def]
        return succeed(request)


def timed(function: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


class Decorated:
    @timed
    async def reconcile(self, request: Request) -> None:
        return None


async def alone(request: Request) -> None:
    return None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        pytest.param(Right, "the class Right", id="class"),
        pytest.param(alone, "<function alone", id="function"),
        pytest.param(Synchronous(), "the synchronous Synchronous.reconcile", id="synchronous"),
        pytest.param(Generating(), "the synchronous Generating.reconcile", id="generator"),
        pytest.param(None, "None", id="nothing"),
    ],
)
def test_what_certainly_is_no_reconciler_is_refused_at_once(wrong: Any, named: str) -> None:
    with pytest.raises(ValueError, match="for a function of the object see as_reconciler") as error:
        Controller("wrong", wrong)
    needs = "controller wrong needs an object with `async def reconcile(self, request)`, not "
    assert str(error.value).startswith(needs + named)


@pytest.mark.looptime
@pytest.mark.parametrize(
    "reconciler",
    [
        pytest.param(Right(), id="method"),
        pytest.param(Delegating(), id="returns-an-awaitable"),
        pytest.param(Unannotated(), id="says-nothing"),
        pytest.param(Decorated(), id="decorated"),
        pytest.param(AsyncMock(reconcile=AsyncMock(return_value=None)), id="mock"),
    ],
)
async def test_whatever_returns_an_awaitable_reconciles(reconciler: Any) -> None:
    before = count("right", "controller_runtime_reconcile_total", result="success")
    await run_for(10, Controller("right", reconciler, sources=[ListSource(A)]))
    assert count("right", "controller_runtime_reconcile_total", result="success") == before + 1


@pytest.mark.looptime
async def test_a_synchronous_reconcile_that_nothing_gives_away_is_named_by_its_error() -> None:
    class Hidden:
        def reconcile(self, request):  # type: ignore[no-untyped-def]
            return None

    with capture_logs() as logs:
        await run_for(0.001, Controller("hidden", Hidden(), sources=[ListSource(A)]))
    assert errors_of(logs) == ["panic: reconcile must be an `async def`: it returned None at once [recovered]"]


@pytest.mark.looptime
@pytest.mark.parametrize("returned", [True, False, 5, "again"])
async def test_a_run_returns_a_result_or_nothing(returned: Any) -> None:
    async def act(request: Request) -> Any:
        return returned

    with capture_logs() as logs:
        await run_for(0.001, Controller("odd", Recording(act), sources=[ListSource(A)]))
    assert errors_of(logs) == [f"panic: reconcile must return a Result or None, not {returned!r} [recovered]"]


@pytest.mark.looptime
async def test_the_end_of_the_time_limit_says_so() -> None:
    async def hang(request: Request) -> None:
        await asyncio.sleep(1_000)

    options = ControllerOptions(reconciliation_timeout=0.05)
    with capture_logs() as logs:
        await run_for(0.055, Controller("slow", Recording(hang), sources=[ListSource(A)], options=options))
    assert errors_of(logs) == ["the run took longer than reconciliation_timeout (0.05 s)"]


@pytest.mark.parametrize(
    ("delay", "error", "message"),
    [
        pytest.param(-3, ValueError, "0 or more seconds, not -3", id="negative"),
        pytest.param(timedelta(seconds=3), TypeError, "seconds, not a timedelta", id="timedelta"),
    ],
)
def test_a_planned_run_is_some_seconds_away(delay: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        Result(requeue_after=delay)


# The builder


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        pytest.param(GenerationChangedPredicate, "the class GenerationChangedPredicate: make an instance", id="class"),
        pytest.param(lambda obj: True, r"use predicate_for\(\)", id="lambda"),
        pytest.param(object(), "has no create, update, delete, generic", id="object"),
    ],
)
@pytest.mark.parametrize(
    "declare",
    [
        pytest.param(lambda builder, one: builder.for_(Planet, predicates=[one]), id="for"),
        pytest.param(lambda builder, one: builder.owns(Planet, predicates=[one]), id="owns"),
        pytest.param(lambda builder, one: builder.watches(Planet, list, predicates=[one]), id="watches"),
        pytest.param(lambda builder, one: builder.with_event_filter(one), id="event-filter"),
    ],
)
async def test_what_is_no_predicate_is_refused_at_once(
    net: Interceptor, declare: Callable[[ControllerBuilder, Any], Any], wrong: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        declare(ControllerBuilder(Manager(net)), wrong)


async def test_predicates_are_a_list(net: Interceptor) -> None:
    with pytest.raises(TypeError, match="given as a list"):
        ControllerBuilder(Manager(net)).for_(Planet, predicates=cast("Any", GenerationChangedPredicate()))
