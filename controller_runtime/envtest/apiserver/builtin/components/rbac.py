"""Schemas of rbac.authorization.k8s.io/v1: roles, and who has them."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    META,
    Schema,
    embedded,
    items,
    kind,
    kind_list,
    optional,
    struct,
    text,
    text_or_zero,
    texts,
)

GROUP: Final = "rbac.authorization.k8s.io"
RBAC: Final = "io.k8s.api.rbac.v1"
_RULES: Final = items(f"{RBAC}.PolicyRule", "What the role allows.")
_BINDING: Final[dict[str, Schema]] = {
    "roleRef": embedded(f"{RBAC}.RoleRef", "The role that they get; never changes."),
    "subjects": items(f"{RBAC}.Subject", "Who gets the role."),
}

COMPONENTS: Final[dict[str, Schema]] = {
    f"{RBAC}.Role": kind(GROUP, "v1", "Role", "Rights within one namespace.", {"rules": _RULES}),
    f"{RBAC}.ClusterRole": kind(
        GROUP,
        "v1",
        "ClusterRole",
        "Rights in the whole cluster, or in the namespace of the binding that refers to it.",
        {
            "aggregationRule": optional(
                f"{RBAC}.AggregationRule", "Other ClusterRoles whose rules make up this one's; then `rules` is theirs."
            ),
            "rules": _RULES,
        },
    ),
    f"{RBAC}.RoleBinding": kind(
        GROUP, "v1", "RoleBinding", "Gives a role within one namespace.", _BINDING, required=("roleRef",)
    ),
    f"{RBAC}.ClusterRoleBinding": kind(
        GROUP, "v1", "ClusterRoleBinding", "Gives a role in the whole cluster.", _BINDING, required=("roleRef",)
    ),
    f"{RBAC}.PolicyRule": struct(
        "Verbs that are allowed on some resources, or on some paths.",
        {
            "apiGroups": texts("API groups of the resources; empty for the core group, `*` for all."),
            "nonResourceURLs": texts("Paths that are no resources; a last `*` stands for anything."),
            "resourceNames": texts("Names of the objects; none for all of them."),
            "resources": texts("Plurals, with a subresource after a slash; `*` for all, `*/scale` for one of each."),
            "verbs": texts("What may be done; `*` for everything."),
        },
        required=("verbs",),
    ),
    f"{RBAC}.AggregationRule": struct(
        "Which ClusterRoles make up another one.",
        {"clusterRoleSelectors": items(f"{META}.LabelSelector", "Each adds the ClusterRoles that it selects.")},
    ),
    f"{RBAC}.RoleRef": struct(
        "A role.",
        {
            "apiGroup": text_or_zero(f"API group of the role: `{GROUP}`."),
            "kind": text_or_zero("`Role` or `ClusterRole`."),
            "name": text_or_zero("Name of the role."),
        },
        required=("kind", "name"),
        atomic=True,
    ),
    f"{RBAC}.Subject": struct(
        "A user, a group or a ServiceAccount.",
        {
            "apiGroup": text(f"`{GROUP}` for users and groups, empty for ServiceAccounts."),
            "kind": text_or_zero("`User`, `Group` or `ServiceAccount`."),
            "name": text_or_zero("Its name."),
            "namespace": text("Where the ServiceAccount is."),
        },
        required=("kind", "name"),
        atomic=True,
    ),
    **{
        f"{RBAC}.{name}List": kind_list(GROUP, "v1", name, f"{RBAC}.{name}")
        for name in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
    },
}
