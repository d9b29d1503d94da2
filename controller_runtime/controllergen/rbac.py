"""Roles (rbac.authorization.k8s.io/v1) from declared rules.

A rule carries its reason, which goes into the YAML as a comment: whoever reviews the rights of a program asks for it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controller_runtime.controllergen.errors import GenerationError
from controller_runtime.controllergen.output import to_yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """Verbs on resources, and what they are needed for.

    Raises:
        GenerationError: groups, resources, verbs or the reason are empty, which would grant nothing or tell nothing.
    """

    api_groups: tuple[str, ...]
    """The empty string is the core group."""
    resources: tuple[str, ...]
    """Plural names; those of subresources as `pods/log`."""
    verbs: tuple[str, ...]
    reason: str
    """One sentence for the reviewer."""
    resource_names: tuple[str, ...] = ()
    """Limits the rule to objects of these names; creating and listing cannot be limited so."""

    def __post_init__(self) -> None:
        """Refuses rules that say nothing."""
        if not (self.api_groups and self.resources and self.verbs and self.reason.strip()):
            raise GenerationError(f"a rule needs groups, resources, verbs and a reason: {self}")


def cluster_role_yaml(name: str, rules: Iterable[PolicyRule]) -> str:
    """A ClusterRole as one YAML document, each rule under a comment with its reason."""
    return _role_yaml("ClusterRole", name, rules)


def role_yaml(name: str, rules: Iterable[PolicyRule]) -> str:
    """A Role as one YAML document, each rule under a comment with its reason.

    It has no namespace of its own: the kustomization or the command that applies it gives it one.
    """
    return _role_yaml("Role", name, rules)


def _role_yaml(kind: str, name: str, rules: Iterable[PolicyRule]) -> str:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
    items = "".join(_comment(rule.reason) + to_yaml([_item(rule)]) for rule in rules)
    return f"{to_yaml(head)}rules:\n{items}"


def _comment(text: str) -> str:
    return textwrap.fill(text, width=118, initial_indent="# ", subsequent_indent="# ") + "\n"


def _item(rule: PolicyRule) -> dict[str, Any]:
    item = {"apiGroups": sorted(rule.api_groups), "resources": sorted(rule.resources), "verbs": sorted(rule.verbs)}
    if rule.resource_names:
        item["resourceNames"] = sorted(rule.resource_names)
    return item
