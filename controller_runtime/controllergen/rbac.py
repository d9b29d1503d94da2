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
    """Verbs on resources, or on paths that stand for none, and what they are needed for.

    Raises:
        GenerationError: groups and resources, or paths, or verbs, or the reason are empty, which would grant nothing or
            tell nothing; or there are both resources and paths, which the API server refuses.
    """

    verbs: tuple[str, ...]
    reason: str
    """One sentence for the reviewer."""
    api_groups: tuple[str, ...] = ()
    """The empty string is the core group."""
    resources: tuple[str, ...] = ()
    """Plural names; those of subresources as `pods/log`."""
    non_resource_urls: tuple[str, ...] = ()
    """Paths such as `/metrics`; only a ClusterRole can grant them."""
    resource_names: tuple[str, ...] = ()
    """Limits the rule to objects of these names; creating and listing cannot be limited so."""

    def __post_init__(self) -> None:
        """Refuses rules that say nothing."""
        of_resources = self.api_groups and self.resources
        if not (self.verbs and self.reason.strip() and (of_resources or self.non_resource_urls)):
            raise GenerationError(
                f"a rule needs groups, resources, verbs and a reason, or paths for groups and resources: {self}"
            )
        if self.non_resource_urls and (self.api_groups or self.resources or self.resource_names):
            raise GenerationError(f"paths and resources are granted by a rule each: {self}")


def cluster_role_yaml(name: str, rules: Iterable[PolicyRule]) -> str:
    """A ClusterRole as one YAML document, each rule under a comment with its reason."""
    return _role_yaml("ClusterRole", name, rules)


def role_yaml(name: str, rules: Iterable[PolicyRule]) -> str:
    """A Role as one YAML document, each rule under a comment with its reason.

    It has no namespace of its own: the kustomization or the command that applies it gives it one.

    Raises:
        GenerationError: a rule is about paths, which belong to no namespace.
    """
    rules = tuple(rules)
    for rule in rules:
        if rule.non_resource_urls:
            raise GenerationError(f"the Role {name} cannot grant paths, a ClusterRole can: {rule}")
    return _role_yaml("Role", name, rules)


def _role_yaml(kind: str, name: str, rules: Iterable[PolicyRule]) -> str:
    head = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": {"name": name}}
    items = "".join(_comment(rule.reason) + to_yaml([_item(rule)]) for rule in rules)
    return f"{to_yaml(head)}rules:\n{items}"


def _comment(text: str) -> str:
    return textwrap.fill(text, width=118, initial_indent="# ", subsequent_indent="# ") + "\n"


def _item(rule: PolicyRule) -> dict[str, Any]:
    if rule.non_resource_urls:
        return {"nonResourceURLs": sorted(rule.non_resource_urls), "verbs": sorted(rule.verbs)}
    item = {"apiGroups": sorted(rule.api_groups), "resources": sorted(rule.resources), "verbs": sorted(rule.verbs)}
    if rule.resource_names:
        item["resourceNames"] = sorted(rule.resource_names)
    return item
