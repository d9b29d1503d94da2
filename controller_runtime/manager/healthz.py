"""Probes in the form Kubernetes knows: `/healthz` and `/readyz` with named checks.

`?verbose` lists every check, `?exclude=name` leaves one out, `/readyz/<name>` asks for one. Unlike the original the
verbose form gives the reason of a failure: whoever can reach the probe port can read the logs, and a reason such as a
missing RBAC rule saves the search.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias
from urllib.parse import parse_qs

Check: TypeAlias = Callable[[], None]
"""Returns when all is well.

Raises:
    CheckFailedError: it is not; the text is the reason.
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
        lines.append(f"warn: some health checks cannot be excluded: no matches for {', '.join(map(repr, unknown))}")
    if failed:
        return 500, "\n".join([*lines, f"{name} check failed", ""])
    return 200, "\n".join([*lines, f"{name} check passed", ""]) if "verbose" in options else "ok"


def _probe_one(checks: Mapping[str, Check], name: str) -> tuple[int, str]:
    if name not in checks:
        return 404, f"there is no check named {name!r}; there are: {', '.join(sorted(checks))}\n"
    try:
        checks[name]()
    except CheckFailedError as error:
        return 500, f"internal server error: {error}\n"
    return 200, "ok"


def _run(checks: Mapping[str, Check], excluded: Iterable[str]) -> tuple[bool, list[str]]:
    failed, lines = False, []
    for name in sorted(checks):
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        try:
            checks[name]()
        except CheckFailedError as error:
            failed = True
            lines.append(f"[-]{name} failed: {error}")
        else:
            lines.append(f"[+]{name} ok")
    return failed, lines
