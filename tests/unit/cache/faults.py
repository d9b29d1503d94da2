"""Failures that these tests plan, in the order in which they are to happen."""

from __future__ import annotations

from controller_runtime.envtest.faults import NOT_SERVED, Failure
from controller_runtime.envtest.interceptor import Interceptor

__all__ = ["FORBIDDEN", "NOT_SERVED", "plan", "send_failure"]

FORBIDDEN = Failure(403, "Forbidden", 'gadgets is forbidden: User "operator" cannot list resource "gadgets"')


def plan(net: Interceptor, verb: str, *failures: Failure) -> None:
    """Has the next requests of a verb answered like that, one each."""
    for failure in failures:
        net.fail(verb, failure, times=1)


def send_failure(net: Interceptor, failure: Failure) -> None:
    """Sends every open watch an ERROR event, without ending it."""
    for call in net.open_watches():
        net.send_event("ERROR", failure.status(call))
