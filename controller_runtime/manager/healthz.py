"""Probes in the form Kubernetes knows: `/healthz` and `/readyz` with named checks.

`?verbose` lists every check, `?exclude=name` leaves one out, `/readyz/<name>` asks for one. Unlike the original the
verbose form gives the reason of a failure: whoever can reach the probe port can read the logs, and a reason such as a
missing RBAC rule saves the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs

import structlog

log = structlog.get_logger(__name__)

Check: TypeAlias = Callable[[], None]
"""Returns when all is well; called on the event loop with each request, so it must not wait.

Raises:
    CheckFailedError: it is not; the text is the reason. Any other exception is a bug: logged, and a failure, too.
"""


class CheckFailedError(Exception):
    """A check found something wrong; the text says what."""


def ping() -> None:
    """The check that always passes: the event loop answers."""


def probe(name: str, checks: Mapping[str, Check], path: str, query: str) -> tuple[int, str]:
    """Answers a request to one probe.

    Args:
        name: `healthz` or `readyz`.
        checks: all checks of this probe by name.
        path: what follows `/<name>`: empty, `/`, or `/<check>`.
        query: the query string.

    Returns:
        Status code and text.
    """
    single = path.strip("/")
    if single:
        return _probe_one(checks, single)
    options = parse_qs(query, keep_blank_values=True)
    excluded = set(options.get("exclude", ()))
    failed, lines = _run(checks, excluded)
    unknown = sorted(excluded - checks.keys())
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    if failed:
        return 500, "\n".join([*lines, f"{name} check failed", ""])
    return 200, "\n".join([*lines, f"{name} check passed", ""]) if "verbose" in options else "ok"


def _probe_one(checks: Mapping[str, Check], name: str) -> tuple[int, str]:
    if name not in checks:
        return 404, f"there is no check named {name!r}; there are: {', '.join(sorted(checks))}\n"
    reason = _failure(name, checks[name])
    return (200, "ok") if reason is None else (500, f"internal server error: {reason}\n")


def _run(checks: Mapping[str, Check], excluded: Iterable[str]) -> tuple[bool, list[str]]:
    failed, lines = False, []
    for name in sorted(checks):
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        reason = _failure(name, checks[name])
        failed = failed or reason is not None
        lines.append(f"[+]{name} ok" if reason is None else f"[-]{name} failed: {reason}")
    return failed, lines


def _failure(name: str, check: Check) -> str | None:
    """Why the check fails; None if it passes."""
    try:
        check()
    except CheckFailedError as error:
        return str(error)
    except Exception as error:
        # A bug of one check must not take the answers of all others away.
        log.exception("a health check has a bug", check=name, exc_info=error)
        return f"{type(error).__name__}: {error}"
    return None
