"""The roles and bindings that a cluster begins with, as far as they are of use to people and their programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from controller_runtime.envtest.apiserver.builtin.components.rbac import GROUP
from controller_runtime.envtest.apiserver.rbac.authorizer import BINDINGS, ROLES
from controller_runtime.envtest.apiserver.resources import Registry
from controller_runtime.envtest.apiserver.store import Key, Store
from controller_runtime.envtest.apiserver.writer import WriteOptions, Writer

_Rules: TypeAlias = list[dict[str, list[str]]]

_MANAGER: Final = "kube-apiserver"
_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ANNOTATIONS: Final = {f"{GROUP.replace('.k8s.', '.kubernetes.')}/autoupdate": "true"}
_READ: Final = "get list watch"
_WRITE: Final = "create delete deletecollection patch update"
_BOTH: Final = "create delete deletecollection get list patch update watch"
_HEALTH: Final = "/healthz /livez /readyz /version /version/"
_DISCOVERY: Final = "/api /api/* /apis /apis/* /healthz /livez /openapi /openapi/* /readyz /version /version/"
_MONITORING: Final = "/flagz /healthz /healthz/* /livez /livez/* /metrics /metrics/slis /readyz /readyz/* /statusz"
_EVERYBODY: Final = ("system:authenticated", "system:unauthenticated")

_PODS: Final = "pods/attach pods/exec pods/portforward pods/proxy"
_WORKLOADS: Final = "daemonsets deployments deployments/rollback deployments/scale"
_SETS: Final = "replicasets replicasets/scale"
_SEEN_DEPLOYMENTS: Final = "daemonsets daemonsets/status deployments deployments/scale deployments/status"
_SEEN_SETS: Final = "replicasets replicasets/scale replicasets/status"


def _rule(groups: tuple[str, ...] | str, resources: str, verbs: str) -> dict[str, list[str]]:
    groups = (groups,) if isinstance(groups, str) else groups
    return {"verbs": verbs.split(), "apiGroups": list(groups), "resources": resources.split()}


def _paths(paths: str, verbs: str = "get") -> dict[str, list[str]]:
    return {"verbs": verbs.split(), "nonResourceURLs": paths.split()}


_VIEW: Final[_Rules] = [
    _rule(
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
        "replicationcontrollers/scale serviceaccounts services services/status",
        _READ,
    ),
    _rule(
        "",
        "bindings limitranges namespaces/status pods/log pods/status replicationcontrollers/status resourcequotas "
        "resourcequotas/status",
        _READ,
    ),
    _rule("", "namespaces", _READ),
    _rule(("", "events.k8s.io"), "events", _READ),
    _rule("discovery.k8s.io", "endpointslices", _READ),
    _rule(
        "apps",
        f"controllerrevisions {_SEEN_DEPLOYMENTS} {_SEEN_SETS} statefulsets statefulsets/scale statefulsets/status",
        _READ,
    ),
    _rule("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status", _READ),
    _rule("batch", "cronjobs cronjobs/status jobs jobs/status", _READ),
    _rule(
        "extensions",
        f"{_SEEN_DEPLOYMENTS} ingresses ingresses/status networkpolicies {_SEEN_SETS} replicationcontrollers/scale",
        _READ,
    ),
    _rule("policy", "poddisruptionbudgets poddisruptionbudgets/status", _READ),
    _rule("networking.k8s.io", "ingresses ingresses/status networkpolicies", _READ),
    _rule("resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates", _READ),
]
_EDIT: Final[_Rules] = [
    _rule("", f"{_PODS} secrets services/proxy", _READ),
    _rule("", "serviceaccounts", "impersonate"),
    _rule("", f"pods {_PODS}", _WRITE),
    _rule("", "pods/eviction", "create"),
    _rule(
        "",
        "configmaps persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets serviceaccounts "
        "services services/proxy",
        _WRITE,
    ),
    _rule("", "serviceaccounts/token", "create"),
    _rule(("", "events.k8s.io"), "events", _WRITE),
    _rule("apps", f"{_WORKLOADS} {_SETS} statefulsets statefulsets/scale", _WRITE),
    _rule("autoscaling", "horizontalpodautoscalers", _WRITE),
    _rule("batch", "cronjobs jobs", _WRITE),
    _rule("extensions", f"{_WORKLOADS} ingresses networkpolicies {_SETS} replicationcontrollers/scale", _WRITE),
    _rule("policy", "poddisruptionbudgets", _WRITE),
    _rule("networking.k8s.io", "ingresses networkpolicies", _WRITE),
    _rule("coordination.k8s.io", "leases", _BOTH),
    _rule("resource.k8s.io", "resourceclaims resourceclaimtemplates", _WRITE),
]
_ADMIN: Final[_Rules] = [
    _rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
    _rule(GROUP, "rolebindings roles", _BOTH),
]

_ROLES: Final[dict[str, _Rules]] = {
    "cluster-admin": [_rule("*", "*", "*"), _paths("*", "*")],
    "system:discovery": [_paths(_DISCOVERY)],
    "system:monitoring": [_paths(_MONITORING), _rule("", "nodes/metrics", "get")],
    "system:basic-user": [
        _rule("authorization.k8s.io", "selfsubjectaccessreviews selfsubjectrulesreviews", "create"),
        _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
    ],
    "system:public-info-viewer": [_paths(_HEALTH)],
    "system:aggregate-to-admin": _ADMIN,
    "system:aggregate-to-edit": _EDIT,
    "system:aggregate-to-view": _VIEW,
}
_AGGREGATED: Final = ("admin", "edit", "view")
"""What is in a role here is in the one before it too."""
_BOUND: Final = {
    "cluster-admin": ("system:masters",),
    "system:monitoring": ("system:monitoring",),
    "system:discovery": ("system:authenticated",),
    "system:basic-user": ("system:authenticated",),
    "system:public-info-viewer": _EVERYBODY,
}


def bootstrap(store: Store, registry: Registry, writer: Writer) -> None:
    """Makes those that are not there.

    Args:
        store: says which are there.
        registry: has their kinds.
        writer: makes them.
    """
    for obj in _policy():
        kind, name = obj["kind"], obj["metadata"]["name"]
        type_ = registry.get(GROUP, "v1", f"{kind.lower()}s")
        if type_ is not None and store.get((ROLES | BINDINGS)[kind], Key("", name)) is None:
            writer.create(type_, "", {"apiVersion": f"{GROUP}/v1", **obj}, WriteOptions(_MANAGER))


def _policy() -> Iterator[dict[str, Any]]:
    for name, rules in _ROLES.items():
        aggregated = name.removeprefix("system:aggregate-to-")
        yield _object("ClusterRole", name, aggregate_to=aggregated if aggregated != name else "", rules=rules)
    for name, into in zip(_AGGREGATED, ("", *_AGGREGATED), strict=False):
        selector = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
        rule = {"clusterRoleSelectors": [selector]}
        yield _object("ClusterRole", name, aggregate_to=into, aggregationRule=rule, rules=None)
    for name, groups in _BOUND.items():
        subjects = [{"kind": "Group", "apiGroup": GROUP, "name": group} for group in groups]
        role = {"apiGroup": GROUP, "kind": "ClusterRole", "name": name}
        yield _object("ClusterRoleBinding", name, subjects=subjects, roleRef=role)


def _object(kind: str, name: str, *, aggregate_to: str = "", **content: Any) -> dict[str, Any]:
    labels = {**_LABELS, **({f"{GROUP}/aggregate-to-{aggregate_to}": "true"} if aggregate_to else {})}
    return {"kind": kind, "metadata": {"name": name, "labels": labels, "annotations": dict(_ANNOTATIONS)}, **content}
