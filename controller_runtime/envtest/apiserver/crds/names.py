"""Names of custom kinds: who gets which, and the conditions that say so (NamesAccepted, Established).

No two definitions of a group have a name in common: neither plural, singular and short names among each other, nor
kinds and list kinds. Whoever comes first keeps it; a definition without all its names is not established. Names are
free again when their definition goes, so the others are to be looked at again then.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.validation.fields import quoted

_RESOURCES: Final = ("plural", "singular")
_KINDS: Final = ("kind", "listKind")


def names_conflicts(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Reasons and messages of conflicts, in the order in which they are found; the last one is reported.

    Args:
        crd: asks for names.
        others: all definitions; those of other groups do not count.
    """
    return _settle(crd, others)[1]


def settled_status(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]], now: str) -> dict[str, Any]:
    """The status with the names that the definition gets, and with the conditions.

    Args:
        crd: not changed.
        others: all definitions, with the names that they were given.
        now: time of conditions that change.
    """
    status = dict(crd.get("status") or {})
    names, conflicts = _settle(crd, others)
    if conflicts:
        reason, message = conflicts[-1]
        accepted = _condition("NamesAccepted", "False", reason, message)
    else:
        accepted = _condition("NamesAccepted", "True", "NoConflicts", "no conflicts found")
    conditions = _set(status.get("conditions") or [], accepted, now)
    established = next((each for each in conditions if each["type"] == "Established"), None)
    if not conflicts and (established is None or established["status"] != "True"):
        ready = _condition("Established", "True", "InitialNamesAccepted", "the initial names have been accepted")
        conditions = _set(conditions, ready, now)
    elif conflicts and established is None:
        missing = _condition("Established", "False", "NotAccepted", "not all names are accepted")
        conditions = _set(conditions, missing, now)
    return {**status, "acceptedNames": names, "conditions": conditions}


def is_established(crd: Mapping[str, Any]) -> bool:
    """Whether the kind is served."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def _settle(
    crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The names that the definition gets, and what it does not get."""
    asked: Mapping[str, Any] = crd["spec"]["names"]
    given: Mapping[str, Any] = (crd.get("status") or {}).get("acceptedNames") or {}
    resources, kinds = _taken(crd, others)
    names, conflicts = dict(given), []

    def settle(field: str, taken: set[str]) -> None:
        if asked.get(field, "") != given.get(field, "") and asked.get(field) in taken:
            conflicts.append((f"{field[0].upper()}{field[1:]}Conflict", f"{quoted(asked[field])} is already in use"))
        elif field in asked:
            names[field] = asked[field]

    for field in _RESOURCES:
        settle(field, resources)
    mine = given.get("shortNames") or []
    lost = [name for name in asked.get("shortNames") or [] if name not in mine and name in resources]
    if lost:
        texts = list(dict.fromkeys(f"{quoted(name)} is already in use" for name in lost))
        conflicts.append(("ShortNamesConflict", texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"))
    else:
        _take(names, asked, "shortNames")
    for field in _KINDS:
        settle(field, kinds)
    _take(names, asked, "categories")
    return names, conflicts


def _take(names: dict[str, Any], asked: Mapping[str, Any], field: str) -> None:
    names.pop(field, None)
    if asked.get(field):
        names[field] = asked[field]


def _taken(crd: Mapping[str, Any], others: Iterable[Mapping[str, Any]]) -> tuple[set[str], set[str]]:
    """Names of resources and of kinds that are given away, to the definition itself as well."""
    resources: set[str] = set()
    kinds: set[str] = set()
    rest = (other for other in others if other["metadata"]["name"] != crd["metadata"]["name"])
    for other in (crd, *rest):
        if other["spec"]["group"] != crd["spec"]["group"]:
            continue
        given = (other.get("status") or {}).get("acceptedNames") or {}
        resources |= {given[field] for field in _RESOURCES if given.get(field)} | set(given.get("shortNames") or ())
        kinds |= {given[field] for field in _KINDS if given.get(field)}
    return resources, kinds


def _condition(type_: str, status: str, reason: str, message: str) -> dict[str, Any]:
    return {"type": type_, "status": status, "reason": reason, "message": message}


def _set(conditions: list[dict[str, Any]], new: dict[str, Any], now: str) -> list[dict[str, Any]]:
    """The conditions with one added or replaced, whose time changes with its status only."""
    old = next((each for each in conditions if each["type"] == new["type"]), None)
    time = old["lastTransitionTime"] if old is not None and old["status"] == new["status"] else now
    timed = (
        old if old is not None and old == {**new, "lastTransitionTime": time} else {"lastTransitionTime": time, **new}
    )
    if old is None:
        return [*conditions, timed]
    return [timed if each["type"] == new["type"] else each for each in conditions]
