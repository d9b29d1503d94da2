"""Answers that a server gives when something is wrong, and rules that say to which calls something happens."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Generic, Self, TypeVar, Unpack

import msgspec

from controller_runtime.envtest.calls import Call, Only, check_limits, is_meant, verbs_of

_REASONS: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that reports a failure, as a metav1.Status.

    Attributes:
        code: HTTP status.
        reason: metav1.StatusReason; empty takes the usual one of the code (of a create's 409: AlreadyExists).
        message: For people; empty says that a test made it up.
        retry_after: Whole seconds, in the header and in the Status; None: not given.
        cause: Reason of the only cause in the details; empty: there is none.
        text: A body to send in place of the Status, as what is no API server does; None: the Status.
    """

    code: int
    reason: str = ""
    message: str = ""
    retry_after: int | None = None
    cause: str = ""
    text: str | None = None

    def status(self, call: Call) -> dict[str, Any]:
        """The Status, as the answer to a call."""
        reason = self.reason or self._usual_reason(call)
        message = self.message or f"{call}: {self.code} {reason}, as the test has planned"
        details: dict[str, Any] = {} if self.retry_after is None else {"retryAfterSeconds": self.retry_after}
        if self.cause:
            details["causes"] = [{"reason": self.cause, "message": message}]
        status = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": self.code}
        return status | {"reason": reason, "message": message, "details": details}

    def _usual_reason(self, call: Call) -> str:
        if self.code == 409 and call.verb == "create":
            return "AlreadyExists"
        return _REASONS.get(self.code, "")

    def body(self, call: Call) -> bytes:
        """Of the answer to a call."""
        return msgspec.json.encode(self.status(call)) + b"\n" if self.text is None else self.text.encode()

    def event(self, call: Call) -> bytes:
        """The same as an ERROR event of a watch."""
        return watch_line("ERROR", self.status(call))

    def headers(self) -> dict[str, str]:
        """Of the answer."""
        headers = {"Content-Type": "application/json" if self.text is None else "text/plain; charset=utf-8"}
        return headers if self.retry_after is None else headers | {"Retry-After": str(self.retry_after)}


EXPIRED: Final = Failure(410, "Expired", "The resourceVersion for the provided watch is too old.")
"""The history that a watch or a page needs is compacted."""
TOO_LARGE_RESOURCE_VERSION: Final = Failure(
    504, "Timeout", "Timeout: Too large resource version", retry_after=1, cause="ResourceVersionTooLarge"
)
"""A server is asked for a version that it has not reached: one of several, behind the others."""
NOT_SERVED: Final = Failure(404, text="404 page not found\n")
"""The kind is not served, most likely because its CRD is not there."""
BAD_GATEWAY: Final = Failure(502, text="<html><body><h1>502 Bad Gateway</h1></body></html>\n")
"""A load balancer without a server behind it."""


def failure_of(failure: Failure | int) -> Failure:
    """The failure with that code, unless it is one already."""
    return Failure(failure) if isinstance(failure, int) else failure


def expires(call: Call) -> bool:
    """Whether a call relies on history: a page after the first, or a watch from a version."""
    query = call.request.query
    if call.verb == "watch":
        return query.get("resourceVersion", "0") not in ("", "0")
    return call.verb == "list" and bool(query.get("continue"))


def narrow(only: Only, condition: Callable[[Call], bool]) -> None:
    """Adds a condition to a rule's own."""
    where = only.get("where")
    only["where"] = condition if where is None else lambda call: condition(call) and where(call)


def watch_line(event: str, obj: object) -> bytes:
    """One event of a watch, as it is sent."""
    return msgspec.json.encode({"type": event, "object": obj}) + b"\n"


E = TypeVar("E")


class Rule(Generic[E]):
    """Something that happens to some calls, until it is removed.

    As a context it is removed at the end of the block.

    Attributes:
        effect: What happens.
        hits: How often it has happened.
    """

    def __init__(self, rules: Rules[E], effect: E, verbs: frozenset[str], only: Only) -> None:
        self.effect = effect
        self.hits = 0
        self._rules = rules
        self._verbs = verbs
        self._only = only

    def take(self, call: Call, chance: random.Random | None) -> bool:
        """Whether it happens to this call; if so, that is one of its times."""
        if self.hits >= self._only.get("times", self.hits + 1) or not is_meant(call, self._verbs, self._only):
            return False
        if chance is not None and "probability" in self._only and chance.random() >= self._only["probability"]:
            return False
        self.hits += 1
        return True

    def remove(self) -> None:
        """Let it happen no more; nothing happens if it is removed already."""
        self._rules.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.remove()


class Rules(Generic[E]):
    """All rules of an interceptor or proxy, the oldest first. Safe for threads.

    Args:
        chance: Decides about rules with a probability.
    """

    def __init__(self, chance: random.Random | None) -> None:
        self._chance = chance
        self._lock = threading.Lock()
        self._all: tuple[Rule[E], ...] = ()

    def add(self, effect: E, verb: str | Iterable[str], **only: Unpack[Only]) -> Rule[E]:
        """Add one behind the others.

        Raises:
            ValueError: There is no such verb; it has a probability, and there are no random numbers.
            TypeError: There is no such limit.
        """
        check_limits(only, Only)
        if "probability" in only and self._chance is None:
            raise ValueError("a fault with a probability needs random numbers: pass chance=random.Random(seed)")
        rule = Rule(self, effect, verbs_of(verb), only)
        with self._lock:
            self._all = (*self._all, rule)
        return rule

    def remove(self, rule: Rule[E]) -> None:
        """Remove one, if it is there."""
        with self._lock:
            self._all = tuple(each for each in self._all if each is not rule)

    def clear(self) -> None:
        """Remove all."""
        with self._lock:
            self._all = ()

    def effects(self, call: Call) -> Iterator[E]:
        """What happens to a call, one after the other; each counts when it is asked for."""
        for rule in self._all:
            with self._lock:
                is_due = rule.take(call, self._chance)
            if is_due:
                yield rule.effect
