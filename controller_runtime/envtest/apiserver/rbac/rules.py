"""Rules of roles, made quick to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

PolicyRule: TypeAlias = Mapping[str, Any]
"""As it is stored: apiGroups, resources, resourceNames, nonResourceURLs, verbs."""
Words: TypeAlias = frozenset[str] | None
"""None is any."""

ALL: Final = "*"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule.

    Attributes:
        verbs: that are allowed.
        groups: API groups.
        resources: plurals, `plural/subresource` and `*/subresource`.
        names: of objects.
        paths: that are no resources.
        prefixes: of such paths.
        policy: the rule as it is stored.
    """

    verbs: Words
    groups: Words
    resources: Words
    names: Words
    paths: Words
    prefixes: tuple[str, ...]
    policy: PolicyRule

    def allows_resource(self, verb: str, group: str, resource: str, any_resource: str, name: str) -> bool:
        """Whether it allows that.

        Args:
            verb: what is to be done.
            group: API group of the resource.
            resource: plural, with the subresource after a slash if there is one.
            any_resource: `*/` and the subresource; without one, the resource again.
            name: of the object; empty for all.
        """
        verbs, groups, resources, names = self.verbs, self.groups, self.resources, self.names
        return (
            (verbs is None or verb in verbs)
            and (groups is None or group in groups)
            and (resources is None or resource in resources or any_resource in resources)
            and (names is None or name in names)
        )

    def allows_path(self, verb: str, path: str) -> bool:
        """Whether it allows that."""
        return (self.verbs is None or verb in self.verbs) and (
            self.paths is None or path in self.paths or path.startswith(self.prefixes)
        )


def compiled(rules: Iterable[PolicyRule] | None) -> tuple[Rule, ...]:
    """The rules of a role."""
    return tuple(map(_compiled, rules or ()))


def _compiled(rule: PolicyRule) -> Rule:
    names, paths = rule.get("resourceNames"), rule.get("nonResourceURLs") or ()
    return Rule(
        verbs=_words(rule.get("verbs")),
        groups=_words(rule.get("apiGroups")),
        resources=_words(rule.get("resources")),
        names=frozenset(names) if names else None,
        paths=_words(paths),
        prefixes=tuple(path.rstrip(ALL) for path in paths if path.endswith(ALL)),
        policy=rule,
    )


def _words(words: Iterable[str] | None) -> Words:
    found = frozenset(words or ())
    return None if ALL in found else found
