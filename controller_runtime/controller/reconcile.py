"""The contract between a controller and its reconciler."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.cache import Cache

ObjectT = TypeVar("ObjectT", bound=Object)

Request: TypeAlias = NamespacedName
"""Names the object to reconcile, and nothing else: what happened to it is for the reconciler to find out."""


@dataclass(frozen=True, slots=True)
class Result:
    """What should happen after a reconciliation that succeeded."""

    requeue_after: float = 0
    """Seconds until the object is reconciled again without a change; 0 means only when something changes."""
    priority: int | None = None
    """Priority of that next run; None keeps the one this run had."""

    def __post_init__(self) -> None:
        """Refuses a delay that is no time.

        Raises:
            ValueError: `requeue_after` is negative or infinite.
            TypeError: it is a timedelta.
        """
        delay: object = self.requeue_after
        if isinstance(delay, timedelta):
            raise TypeError("requeue_after is a number of seconds, not a timedelta: give its total_seconds()")
        if not 0 <= self.requeue_after < math.inf:
            raise ValueError(f"requeue_after is 0 or more seconds, not {self.requeue_after}")


_NOTHING = Result()


class TerminalError(Exception):
    """An error that a retry cannot mend: counted and logged, and the object waits for its next change."""


class RetryError(Exception):
    """An error whose retry has a priority of its own, such as `LOW_PRIORITY` for an object that fails all the time.

    In the original a result with a priority may be returned beside an error. Like a `TerminalError` it counts wherever
    it stands among the causes of what was raised.

    Args:
        message: what went wrong.
        priority: of the retry; larger goes first.
    """

    def __init__(self, message: str, *, priority: int) -> None:
        super().__init__(message)
        self.priority = priority


class Reconciler(Protocol):
    """Brings one object closer to what its spec asks for.

    It is called again and again with the same request and must be idempotent. It reads what it needs (mostly from the
    cache), writes only what differs, and returns; a deleted object is simply one that it does not find.
    """

    async def reconcile(self, request: Request) -> Result | None:
        """One run. None is the same as an empty `Result`.

        Raises:
            TerminalError: nothing but a change can help; not retried.
            Exception: anything else is retried with exponential back-off, 5 ms doubling up to 1,000 s.
        """
        ...


_RESULT_ANNOTATIONS = frozenset({"None", "Result", "Optional", "bool"})
"""Words of return annotations that no awaitable has."""


def require_reconciler(reconciler: object, controller: str) -> None:
    """Refuses what certainly is no reconciler.

    A plain function that says nothing of what it returns may return a coroutine; `require_awaitable` judges that.

    Raises:
        ValueError: it is a class, has no `reconcile`, or that is synchronous.
    """
    if isinstance(reconciler, type):
        found = f"the class {reconciler.__qualname__}"
    elif not callable(method := getattr(reconciler, "reconcile", None)):
        found = repr(reconciler)
    elif _is_synchronous(method):
        found = f"the synchronous {method.__qualname__}"
    else:
        return
    raise ValueError(
        f"controller {controller} needs an object with `async def reconcile(self, request)`, not {found}; "
        "for a function of the object see as_reconciler"
    )


def _is_synchronous(method: Callable[..., Any]) -> bool:
    function = inspect.unwrap(method)
    if not (inspect.isfunction(function) or inspect.ismethod(function)) or inspect.iscoroutinefunction(function):
        return False
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return True
    returns = inspect.signature(function).return_annotation
    text = returns if isinstance(returns, str) else inspect.formatannotation(returns)
    words = set(re.findall(r"\w+(?![\w.])", text))
    return returns is not inspect.Signature.empty and words <= _RESULT_ANNOTATIONS


def require_awaitable(returned: object) -> None:
    """Refuses what a synchronous `reconcile` returned.

    Raises:
        TypeError: it cannot be awaited.
    """
    if not isinstance(returned, Awaitable):
        raise TypeError(f"reconcile must be an `async def`: it returned {returned!r} at once")


def result_of(returned: object) -> Result:
    """What a run asks for.

    Raises:
        TypeError: it is neither a `Result` nor None.
    """
    if returned is None:
        return _NOTHING
    if not isinstance(returned, Result):
        raise TypeError(f"reconcile must return a Result or None, not {returned!r}")
    return returned


class _ObjectReconciler(Generic[ObjectT]):
    """See `as_reconciler`."""

    def __init__(
        self, cache: Cache, kind: type[ObjectT], function: Callable[[ObjectT], Awaitable[Result | None]]
    ) -> None:
        self._cache = cache
        self._kind = kind
        self._function = function

    async def reconcile(self, request: Request) -> Result | None:
        """Looks the object up and hands it on."""
        obj = self._cache.get(self._kind, request)
        return None if obj is None else await self._function(obj)


def as_reconciler(
    cache: Cache, kind: type[ObjectT], function: Callable[[ObjectT], Awaitable[Result | None]]
) -> Reconciler:
    """A reconciler from a function of the object.

    Each run reads the object from the cache; one that is not there (any more) is a success without a call. Clean up
    with a finalizer, or in a reconciler that takes requests.

    Args:
        cache: what to read from; it has to hold the kind.
        kind: of the objects that requests name.
        function: one run, as of `Reconciler.reconcile`. It must not change the object, which the cache shares.
    """
    return _ObjectReconciler(cache, kind, function)


reconcile_id: ContextVar[str] = ContextVar("reconcile_id", default="")
"""Names the run of a reconciler that the reader is in, as `reconcileID` does in the log; empty outside of one.

For headers of requests to others and the like. Tasks that a reconciler starts see it too.
"""
