"""What the error of a run means: a bug, the end of the retries, a retry at another priority."""

from __future__ import annotations

from collections.abc import Iterator

from controller_runtime.controller.reconcile import RetryError, TerminalError

_BUGS = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, TypeError)
"""Exceptions that stand for a mistake in the code: what a panic is in Go. Counted apart, retried like any error."""


def is_bug(error: BaseException) -> bool:
    """Whether the error, or one of those that it groups, is a mistake in the code."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(_BUGS) is not None
    return isinstance(error, _BUGS)


def is_terminal(error: BaseException) -> bool:
    """Whether a `TerminalError` stands anywhere among the error, its causes, and the errors that it groups."""
    return any(isinstance(one, TerminalError) for one in _chain(error))


def retry_priority(error: BaseException, default: int) -> int:
    """What a `RetryError` among the error, its causes and the errors that it groups asks for."""
    return next((one.priority for one in _chain(error) if isinstance(one, RetryError)), default)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error with all that it wraps and joins, as Go's `errors.As` walks it."""
    pending, seen = [error], set[int]()
    while pending:
        one = pending.pop()
        if id(one) in seen:  # nothing forbids causes that go round in a circle
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            pending += one.exceptions
        if one.__cause__ is not None:
            pending.append(one.__cause__)
