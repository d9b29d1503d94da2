"""Decides whether a user may do something."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec

from controller_runtime.envtest.apiserver.builtin.components.rbac import GROUP
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.rbac.attributes import MASTERS, Attributes
from controller_runtime.envtest.apiserver.rbac.rules import PolicyRule, Rule, compiled
from controller_runtime.envtest.apiserver.store import Event, Key, Record, Store
from controller_runtime.envtest.apiserver.validation.fields import quoted

ROLES: Final = {"Role": f"roles.{GROUP}", "ClusterRole": f"clusterroles.{GROUP}"}
BINDINGS: Final = {"RoleBinding": f"rolebindings.{GROUP}", "ClusterRoleBinding": f"clusterrolebindings.{GROUP}"}
"""Names of what is stored, by kind."""

_REMEMBERED: Final = 1024
"""Users in namespaces whose rules are kept until the next change of any role or binding."""


class Decision(NamedTuple):
    """Whether something is allowed, and why."""

    allowed: bool
    reason: str = ""


class MissingRoleError(LookupError):
    """A binding refers to a role that is not there; the text is the real server's.

    Attributes:
        kind: `Role` or `ClusterRole`; anything else is of no use.
        name: of the role.
    """

    def __init__(self, kind: str, name: str) -> None:
        text = f"{kind.lower()}.{GROUP} {quoted(name)} not found"
        super().__init__(text if kind in ROLES else f"unsupported role reference kind: {quoted(kind)}")
        self.kind = kind
        self.name = name


@dataclass(frozen=True, slots=True)
class Grants:
    """What bindings give to a user in one namespace, or in the cluster.

    Attributes:
        rules: each with the binding that gives it, in words.
        errors: what is wrong with bindings that should give more.
    """

    rules: Sequence[tuple[Rule, str]]
    errors: Sequence[str]

    @property
    def policies(self) -> list[PolicyRule]:
        """The rules as they are stored."""
        return [rule.policy for rule, _ in self.rules]

    @property
    def error(self) -> str:
        """The errors as one text; empty where there are none."""
        errors = list(dict.fromkeys(self.errors))
        return errors[0] if len(errors) == 1 else f"[{', '.join(errors)}]" if errors else ""


@dataclass(frozen=True, slots=True)
class _Binding:
    kind: str
    key: Key
    role: Mapping[str, str]
    subjects: Sequence[Mapping[str, str]]

    def subject_of(self, user: User) -> Mapping[str, str] | None:
        """The first of the subjects that is the user."""
        return next((subject for subject in self.subjects if self._is(subject, user)), None)

    def _is(self, subject: Mapping[str, str], user: User) -> bool:
        match subject["kind"]:
            case "User":
                return subject["name"] == user.name
            case "Group":
                return subject["name"] in user.groups
            case "ServiceAccount":
                namespace = subject.get("namespace") or self.key.namespace
                return bool(namespace) and user.name == f"system:serviceaccount:{namespace}:{subject['name']}"
        return False

    def given_to(self, subject: Mapping[str, str]) -> str:
        """The binding in words."""
        name = f"{self.key.name}/{self.key.namespace}" if self.key.namespace else self.key.name
        whom = subject["name"]
        if subject["kind"] == "ServiceAccount":
            whom = f"{whom}/{subject.get('namespace') or self.key.namespace}"
        role = f"{self.role['kind']} {quoted(self.role['name'])}"
        return f"{self.kind} {quoted(name)} of {role} to {subject['kind']} {quoted(whom)}"


class Authorizer:
    """Decides by the roles and bindings of a store, as they are at the moment.

    Args:
        store: has them.
    """

    def __init__(self, store: Store) -> None:
        self._roles: dict[tuple[str, Key], tuple[Rule, ...]] = {}
        self._bindings: dict[str, dict[Key, _Binding]] = {}
        self._known: dict[tuple[str, tuple[str, ...], str], Grants] = {}
        self._kinds = {resource: kind for kind, resource in (ROLES | BINDINGS).items()}
        for resource in self._kinds:
            for record in store.list(resource):
                self._take(resource, record)
        store.listen(self._observe)

    def decide(self, asked: Attributes) -> Decision:
        """Whether the user may do it."""
        user = asked.user
        if MASTERS in user.groups:
            return Decision(True)
        grants = self.grants(user, asked.namespace)
        source = _by_path(grants, asked) if asked.is_path else _by_resource(grants, asked)
        if source is not None:
            return Decision(True, f"RBAC: allowed by {source}")
        return Decision(False, f"RBAC: {grants.error}" if grants.errors else "")

    def grants(self, user: User, namespace: str) -> Grants:
        """All that a user has in a namespace; only what holds in the whole cluster, where there is none."""
        key = (user.name, user.groups, namespace)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[key] = self._gathered(user, namespace)
        return known

    def rules_of(self, role: Mapping[str, str], namespace: str) -> Sequence[Rule]:
        """The rules of a role to which a binding refers.

        Args:
            role: the reference.
            namespace: the binding's, empty for one of the cluster.

        Raises:
            MissingRoleError: there is no such role.
        """
        kind, name = role.get("kind", ""), role.get("name", "")
        rules = self._roles.get((kind, Key(namespace if kind == "Role" else "", name)))
        if rules is None:
            raise MissingRoleError(kind, name)
        return rules

    def _gathered(self, user: User, namespace: str) -> Grants:
        rules: list[tuple[Rule, str]] = []
        errors: list[str] = []
        for place in dict.fromkeys(("", namespace)):
            for _, binding in sorted(self._bindings.get(place, {}).items()):
                subject = binding.subject_of(user)
                if subject is None:
                    continue
                try:
                    found = self.rules_of(binding.role, place)
                except MissingRoleError as error:
                    errors.append(str(error))
                else:
                    source = binding.given_to(subject)
                    rules += ((rule, source) for rule in found)
        return Grants(tuple(rules), tuple(errors))

    # Following the store

    def _observe(self, event: Event) -> None:
        if event.resource not in self._kinds:
            return
        self._known.clear()
        if event.type != "DELETED":
            self._take(event.resource, event.record)
        elif event.resource in ROLES.values():
            self._roles.pop((self._kinds[event.resource], event.record.key), None)
        else:
            self._bindings.get(event.record.key.namespace, {}).pop(event.record.key, None)

    def _take(self, resource: str, record: Record) -> None:
        obj: dict[str, Any] = msgspec.json.decode(record.raw)
        kind, key = self._kinds[resource], record.key
        if kind in ROLES:
            self._roles[kind, key] = compiled(obj.get("rules"))
        else:
            binding = _Binding(kind, key, obj["roleRef"], obj.get("subjects") or ())
            self._bindings.setdefault(key.namespace, {})[key] = binding


def _by_resource(grants: Grants, asked: Attributes) -> str | None:
    verb, group, resource, name = asked.verb, asked.group, asked.resource, asked.name
    any_resource = resource
    if asked.subresource:
        resource, any_resource = f"{resource}/{asked.subresource}", f"*/{asked.subresource}"
    for rule, source in grants.rules:
        if rule.allows_resource(verb, group, resource, any_resource, name):
            return source
    return None


def _by_path(grants: Grants, asked: Attributes) -> str | None:
    for rule, source in grants.rules:
        if rule.allows_path(asked.verb, asked.path):
            return source
    return None
