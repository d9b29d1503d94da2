"""Roles and bindings: rules have verbs and something to which they apply, and a binding keeps its role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.components.rbac import GROUP
from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy
from controller_runtime.envtest.apiserver.validation.fields import invalid, not_supported, required
from controller_runtime.envtest.apiserver.validation.label_selectors import validate_label_selector
from controller_runtime.envtest.apiserver.validation.names import dns_subdomain, path_segment

_SUBJECTS: Final = ("ServiceAccount", "User", "Group")


class _RBACStrategy(Strategy):
    """What roles and bindings share: names are free, as far as a path takes them."""

    name_rule = staticmethod(path_segment)
    create_on_update = True

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata, and the rules of the kind."""
        found = validate_core_meta(obj["metadata"], namespaced=self.namespaced, name_rule=self.name_rule)
        return [*found, *self.validate_content(obj)]

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """As for a new one, and what an update may not change."""
        return [*self.validate_create(obj), *validate_core_meta_update(obj["metadata"], old["metadata"])]

    def validate_content(self, obj: dict[str, Any]) -> Iterator[FieldError]:
        """What holds for everything but metadata."""
        raise NotImplementedError


class RoleStrategy(_RBACStrategy):
    """Rules about what is in one namespace."""

    def validate_content(self, obj: dict[str, Any]) -> Iterator[FieldError]:
        """Each rule by itself."""
        for index, rule in enumerate(obj.get("rules") or ()):
            yield from _rule(rule, f"rules[{index}]", namespaced=self.namespaced)


class ClusterRoleStrategy(RoleStrategy):
    """Rules about anything, maybe gathered from other ClusterRoles."""

    namespaced = False

    def validate_content(self, obj: dict[str, Any]) -> Iterator[FieldError]:
        """Each rule, and the selectors of an aggregation."""
        yield from super().validate_content(obj)
        aggregation = obj.get("aggregationRule")
        if aggregation is None:
            return
        field = "aggregationRule.clusterRoleSelectors"
        if not aggregation.get("clusterRoleSelectors"):
            yield required(field, "at least one clusterRoleSelector required if aggregationRule is non-nil")
        for index, selector in enumerate(aggregation.get("clusterRoleSelectors") or ()):
            found = list(validate_label_selector(selector, f"{field}[{index}]"))
            yield from found
            if found:
                yield invalid(f"{field}[{index}]", None, "invalid label selector.")


class RoleBindingStrategy(_RBACStrategy):
    """A role of the namespace, or one of the cluster, for subjects within the namespace."""

    role_kinds: tuple[str, ...] = ("Role", "ClusterRole")

    def default(self, obj: dict[str, Any]) -> None:
        """Roles, users and groups are of this group."""
        role = obj["roleRef"]
        role["apiGroup"] = role.get("apiGroup") or GROUP
        for subject in obj.get("subjects") or ():
            if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
                subject["apiGroup"] = GROUP

    def validate_content(self, obj: dict[str, Any]) -> Iterator[FieldError]:
        """The role and the subjects."""
        role = obj["roleRef"]
        if role["apiGroup"] != GROUP:
            yield not_supported("roleRef.apiGroup", role["apiGroup"], (GROUP,))
        if role["kind"] not in self.role_kinds:
            yield not_supported("roleRef.kind", role["kind"], self.role_kinds)
        if not role["name"]:
            yield required("roleRef.name")
        yield from (invalid("roleRef.name", role["name"], text) for text in path_segment(role["name"]))
        for index, subject in enumerate(obj.get("subjects") or ()):
            yield from _subject(subject, f"subjects[{index}]", namespaced=self.namespaced)

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """Another role would be another binding."""
        found = super().validate_update(obj, old)
        role = obj["roleRef"]
        if role != old["roleRef"]:
            shown = {"APIGroup": role["apiGroup"], "Kind": role["kind"], "Name": role["name"]}
            found.append(invalid("roleRef", shown, "cannot change roleRef"))
        return found


class ClusterRoleBindingStrategy(RoleBindingStrategy):
    """A role of the cluster, everywhere."""

    namespaced = False
    role_kinds = ("ClusterRole",)


def _rule(rule: Mapping[str, Any], field: str, *, namespaced: bool) -> Iterator[FieldError]:
    if not rule.get("verbs"):
        yield required(f"{field}.verbs", "verbs must contain at least one value")
    if paths := rule.get("nonResourceURLs"):
        if namespaced:
            yield invalid(f"{field}.nonResourceURLs", paths, "namespaced rules cannot apply to non-resource URLs")
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            yield invalid(f"{field}.nonResourceURLs", paths, text)
        return
    if not rule.get("apiGroups"):
        yield required(f"{field}.apiGroups", "resource rules must supply at least one api group")
    if not rule.get("resources"):
        yield required(f"{field}.resources", "resource rules must supply at least one resource")


def _subject(subject: Mapping[str, Any], field: str, *, namespaced: bool) -> Iterator[FieldError]:
    name, group = subject.get("name") or "", subject.get("apiGroup") or ""
    if not name:
        yield required(f"{field}.name")
    match subject.get("kind") or "":
        case "ServiceAccount":
            if name:
                yield from (invalid(f"{field}.name", name, text) for text in dns_subdomain(name))
            if group:
                yield not_supported(f"{field}.apiGroup", group, ("",))
            if not namespaced and not subject.get("namespace"):
                yield required(f"{field}.namespace")
        case "User" | "Group":
            if group != GROUP:
                yield not_supported(f"{field}.apiGroup", group, (GROUP,))
        case kind:
            yield not_supported(f"{field}.kind", kind, _SUBJECTS)
