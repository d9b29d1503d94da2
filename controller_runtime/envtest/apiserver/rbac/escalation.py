"""Nobody grants what they do not have: by a role of which they may write, or by a binding to another role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.builtin.components.rbac import GROUP
from controller_runtime.envtest.apiserver.errors import StatusError, forbidden, not_found
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.rbac.attributes import MASTERS, Attributes
from controller_runtime.envtest.apiserver.rbac.authorizer import ROLES, Authorizer, MissingRoleError
from controller_runtime.envtest.apiserver.rbac.rules import ALL, PolicyRule
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.store import Key, Store
from controller_runtime.envtest.apiserver.validation.fields import quoted

_EVERYTHING: Final = (
    {"apiGroups": [ALL], "resources": [ALL], "verbs": [ALL]},
    {"nonResourceURLs": [ALL], "verbs": [ALL]},
)
_COLLECTOR_FIELDS: Final = ("ownerReferences", "finalizers", "managedFields")
_WORDS: Final = {
    "apiGroups": "APIGroups",
    "resources": "Resources",
    "nonResourceURLs": "NonResourceURLs",
    "resourceNames": "ResourceNames",
    "verbs": "Verbs",
}


class Escalation:
    """Judges what is written to roles and bindings.

    Args:
        store: has what was there before.
        authorizer: knows what users have.
    """

    def __init__(self, store: Store, authorizer: Authorizer) -> None:
        self._store = store
        self._authorizer = authorizer

    def check(self, user: User, type_: ResourceType, key: Key, obj: Mapping[str, Any]) -> None:
        """Refuses a new or changed object that gives more than its writer has.

        Args:
            user: writes it.
            type_: of the object; all but roles and bindings may pass.
            key: where it is, as far as the request names it.
            obj: what it will be, in the form in which it is stored.

        Raises:
            StatusError: 403; 404 where a binding refers to no role.
        """
        if type_.group != GROUP or MASTERS in user.groups:
            return
        if type_.kind in ROLES:
            self._check_role(user, type_, key, obj)
        else:
            self._check_binding(user, type_, key, obj)

    def _check_role(self, user: User, type_: ResourceType, key: Key, obj: Mapping[str, Any]) -> None:
        asked = Attributes(user, "escalate", GROUP, type_.plural, "", key.namespace, key.name)
        old = self._stored(type_, key)
        if self._authorizer.decide(asked).allowed or _same_for_users(obj, old):
            return
        name = obj["metadata"].get("name") or ""
        if why := self._missing(user, key.namespace, obj.get("rules") or ()):
            raise forbidden(GROUP, type_.plural, name, why)
        aggregates = any(((each or {}).get("aggregationRule") or {}).get("clusterRoleSelectors") for each in (obj, old))
        if aggregates and self._missing(user, "", _EVERYTHING):
            text = "must have cluster-admin privileges to use the aggregationRule"
            raise forbidden(GROUP, type_.plural, name, text)

    def _check_binding(self, user: User, type_: ResourceType, key: Key, obj: Mapping[str, Any]) -> None:
        role: Mapping[str, str] = obj.get("roleRef") or {}
        if _same_for_users(obj, self._stored(type_, key)) or self._may_bind(user, role, key.namespace):
            return
        try:
            rules = self._authorizer.rules_of(role, key.namespace)
        except MissingRoleError as error:
            if error.kind in ROLES:
                raise not_found(GROUP, type_.plural, error.name) from None
            raise StatusError(500, "", str(error)) from None
        if why := self._missing(user, key.namespace, [rule.policy for rule in rules]):
            raise forbidden(GROUP, type_.plural, obj["metadata"].get("name") or "", why)

    def _may_bind(self, user: User, role: Mapping[str, str], namespace: str) -> bool:
        if role.get("kind") not in ROLES:
            return False
        plural = f"{role['kind'].lower()}s"
        asked = Attributes(user, "bind", role.get("apiGroup") or GROUP, plural, "", namespace, role.get("name", ""))
        return self._authorizer.decide(asked).allowed

    def _stored(self, type_: ResourceType, key: Key) -> dict[str, Any] | None:
        record = self._store.get(type_.storage, key) if key.name else None
        return forms.decode(record.raw) if record is not None else None

    def _missing(self, user: User, namespace: str, wanted: Sequence[PolicyRule]) -> str:
        """What is to be said about rules that the user does not have; empty where there are none."""
        grants = self._authorizer.grants(user, namespace)
        owned = grants.policies
        missing = [part for rule in wanted for part in _parts(rule) if not any(_covers(each, part) for each in owned)]
        if not missing:
            return ""
        groups = " ".join(map(quoted, user.groups))
        lines = "\n".join(sorted(set(map(_described, _compact(missing)))))
        errors = f"; resolution errors: [{grants.error}]" if grants.errors else ""
        return (
            f"user {quoted(user.name)} (groups=[{groups}]) is attempting to grant RBAC permissions not currently "
            f"held:\n{lines}{errors}"
        )


def _same_for_users(obj: Mapping[str, Any], old: Mapping[str, Any] | None) -> bool:
    """Whether at most that has changed which the garbage collector changes."""
    return old is not None and _without_collector_fields(obj) == _without_collector_fields(old)


def _without_collector_fields(obj: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {name: value for name, value in obj["metadata"].items() if name not in _COLLECTOR_FIELDS}
    return {**obj, "metadata": metadata}


def _parts(rule: PolicyRule) -> Iterator[dict[str, list[str]]]:
    """A rule in pieces of one verb on one resource, object or path each."""
    verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ()
    for group in rule.get("apiGroups") or ():
        for resource in rule.get("resources") or ():
            for verb in verbs:
                part = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                yield from ({**part, "resourceNames": [name]} for name in names)
                if not names:
                    yield part
    for path in rule.get("nonResourceURLs") or ():
        yield from ({"nonResourceURLs": [path], "verbs": [verb]} for verb in verbs)


def _covers(owned: PolicyRule, part: Mapping[str, list[str]]) -> bool:
    """Whether a rule allows all that a piece does."""
    names = owned.get("resourceNames")
    return (
        _has(owned, "verbs", part)
        and _has(owned, "apiGroups", part)
        and all(_covers_resource(owned.get("resources") or (), each) for each in part.get("resources", ()))
        and (not names or ("resourceNames" in part and set(part["resourceNames"]) <= set(names)))
        and all(_covers_path(owned.get("nonResourceURLs") or (), each) for each in part.get("nonResourceURLs", ()))
    )


def _has(owned: PolicyRule, field: str, part: Mapping[str, list[str]]) -> bool:
    words = owned.get(field) or ()
    return ALL in words or all(each in words for each in part.get(field, ()))


def _covers_resource(resources: Sequence[str], resource: str) -> bool:
    _, slash, subresource = resource.partition("/")
    return ALL in resources or resource in resources or bool(slash and f"*/{subresource}" in resources)


def _covers_path(paths: Sequence[str], path: str) -> bool:
    return any(path == each or (each.endswith(ALL) and path.startswith(each.rstrip(ALL))) for each in paths)


def _compact(parts: Sequence[dict[str, list[str]]]) -> list[dict[str, list[str]]]:
    """Pieces about the same objects in one, with all of their verbs."""
    compacted: list[dict[str, list[str]]] = []
    by_object: dict[tuple[str, str, str | None], dict[str, list[str]]] = {}
    for part in parts:
        if "nonResourceURLs" in part:
            compacted.append(part)
            continue
        name = part["resourceNames"][0] if "resourceNames" in part else None
        key = part["apiGroups"][0], part["resources"][0], name
        whole = by_object.setdefault(key, {**part, "verbs": []})
        whole["verbs"] += part["verbs"]
    return [*compacted, *by_object.values()]


def _described(part: Mapping[str, list[str]]) -> str:
    shown = (f"{word}:[{' '.join(map(quoted, part[field]))}]" for field, word in _WORDS.items() if part.get(field))
    return "{" + ", ".join(shown) + "}"
