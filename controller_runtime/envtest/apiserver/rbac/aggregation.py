"""ClusterRoles made of others: their rules are those of the ClusterRoles that their selectors select."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import structlog

from controller_runtime.apimachinery.selectors import LabelRequirement, LabelSelector, Operator
from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.builtin.components.rbac import GROUP
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.rbac.authorizer import ROLES
from controller_runtime.envtest.apiserver.resources import Registry
from controller_runtime.envtest.apiserver.store import Event, Key, Store
from controller_runtime.envtest.apiserver.writer import WriteOptions, Writer

_CLUSTER_ROLES: Final = ROLES["ClusterRole"]
_MANAGER: Final = "clusterrole-aggregation-controller"
_OPERATORS: Final[Mapping[str, Operator]] = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
_ROUNDS: Final = 100  # far more than there are roles of roles of roles; two that select each other may never settle

log = structlog.get_logger(__name__)


class AggregationController:
    """Keeps them up to date, as kube-controller-manager does.

    Args:
        store: has the ClusterRoles.
        registry: has their kind.
        writer: changes them.
    """

    def __init__(self, store: Store, registry: Registry, writer: Writer) -> None:
        self._store = store
        self._registry = registry
        self._writer = writer
        self._wake = asyncio.Event()
        store.listen(self._observe)

    def _observe(self, event: Event) -> None:
        if event.resource == _CLUSTER_ROLES:
            self._wake.set()

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._wake.wait()
            self.settle()

    def settle(self) -> None:
        """Brings all of them up to date, if one has changed since the last time."""
        if not self._wake.is_set():
            return
        self._wake.clear()
        for _ in range(_ROUNDS):
            if not self._settle_once():
                return

    def _settle_once(self) -> bool:
        """Whether anything has changed."""
        roles = [forms.decode(record.raw) for record in self._store.list(_CLUSTER_ROLES)]
        changed = [(role["metadata"]["name"], rules) for role in roles if (rules := _gathered(role, roles)) is not None]
        applied = [self._apply(name, rules) for name, rules in changed]
        return any(applied)

    def _apply(self, name: str, rules: list[Any]) -> bool:
        type_ = self._registry.get(GROUP, "v1", "clusterroles")
        if type_ is None:
            return False
        head = {"apiVersion": type_.api_version, "kind": type_.kind, "metadata": {"name": name}}
        options = WriteOptions(_MANAGER, force=True)
        try:
            self._writer.apply(type_, Key("", name), {**head, "rules": rules}, lambda obj: obj, options)
        except StatusError as error:
            log.warning("cannot aggregate a ClusterRole", name=name, error=str(error))
            return False
        return True


def _gathered(role: Mapping[str, Any], roles: list[dict[str, Any]]) -> list[Any] | None:
    """The rules that a role should have; None where it gathers none, or has them."""
    aggregation = role.get("aggregationRule")
    if aggregation is None:
        return None
    rules: list[Any] = []
    for selector in map(_selector, aggregation.get("clusterRoleSelectors") or ()):
        for each in roles:
            metadata = each["metadata"]
            if metadata["name"] == role["metadata"]["name"] or not selector.matches(metadata.get("labels") or {}):
                continue
            for rule in each.get("rules") or ():
                if rule not in rules:
                    rules.append(rule)
    return None if rules == (role.get("rules") or []) else rules


def _selector(selector: Mapping[str, Any]) -> LabelSelector:
    labels: Mapping[str, str] = selector.get("matchLabels") or {}
    return LabelSelector(
        (
            *(LabelRequirement(key, "=", frozenset({value})) for key, value in labels.items()),
            *(
                LabelRequirement(each["key"], _OPERATORS[each["operator"]], frozenset(each.get("values") or ()))
                for each in selector.get("matchExpressions") or ()
            ),
        )
    )
