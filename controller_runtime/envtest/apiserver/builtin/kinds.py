"""The list of the built-in kinds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin import events, printing
from controller_runtime.envtest.apiserver.builtin.components import rbac
from controller_runtime.envtest.apiserver.builtin.configmaps import ConfigMapStrategy
from controller_runtime.envtest.apiserver.builtin.definitions import DefinitionStatusStrategy, DefinitionStrategy
from controller_runtime.envtest.apiserver.builtin.leases import LeaseStrategy
from controller_runtime.envtest.apiserver.builtin.namespaces import (
    NamespaceFinalizeStrategy,
    NamespaceStatusStrategy,
    NamespaceStrategy,
)
from controller_runtime.envtest.apiserver.builtin.rbac import (
    ClusterRoleBindingStrategy,
    ClusterRoleStrategy,
    RoleBindingStrategy,
    RoleStrategy,
)
from controller_runtime.envtest.apiserver.builtin.secrets import SecretStrategy
from controller_runtime.envtest.apiserver.builtin.service_allocation import StoredServices
from controller_runtime.envtest.apiserver.builtin.serviceaccounts import ServiceAccountStrategy
from controller_runtime.envtest.apiserver.builtin.services import ServiceStatusStrategy, ServiceStrategy
from controller_runtime.envtest.apiserver.builtin.structs import coerce
from controller_runtime.envtest.apiserver.columns import Column
from controller_runtime.envtest.apiserver.strategy import Strategy

Object = dict[str, Any]

_ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
_NAMESPACE_VERBS: Final = ("create", "delete", "get", "list", "patch", "update", "watch")


def _as_it_is(obj: Object) -> Object:
    return obj


@dataclass(frozen=True, kw_only=True)
class BuiltinKind:
    """All that is fixed about a kind.

    Attributes:
        group: API group, empty for the core group.
        version: Version.
        kind: Name of the kind.
        plural: Name in URLs; kind and plural in lower case give the singular.
        component: Name of its schema in `COMPONENTS`, which says more than is enforced: the strategy has the rules.
        strategy: How it is created and updated; takes objects in their stored form.
        columns: Of tables; their cells take objects in this version.
        namespaced: Whether it lives in namespaces.
        short_names: Abbreviations.
        categories: Groups of resources to which it belongs.
        verbs: What can be done.
        subresources: Subresources that are views of the object.
        selectable: Fields that selectors may name besides those of metadata, with their keys in `strategy.fields()`.
            None: nothing but metadata, and another message for anything else.
        storage: Group and plural of the stored form, which versions of one kind share.
        storage_version: `apiVersion` of the stored form.
        to_storage: From this version to the stored form, apiVersion apart.
        from_storage: The other way round.
        returns_deleted: Whether a deletion is answered with the object instead of a Status.
    """

    group: str
    version: str
    kind: str
    plural: str
    component: str
    strategy: Strategy
    columns: Sequence[Column]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    subresources: Mapping[str, Strategy] = field(default_factory=dict)
    selectable: Mapping[str, str] | None = None
    storage: tuple[str, str] = ("", "")
    storage_version: str = "v1"
    to_storage: Callable[[Object], Object] = _as_it_is
    from_storage: Callable[[Object], Object] = _as_it_is
    returns_deleted: bool = False

    @property
    def singular(self) -> str:
        """Singular name."""
        return self.kind.lower()

    @property
    def list_kind(self) -> str:
        """Name of its list."""
        return f"{self.kind}List"

    def coerce(self, obj: Mapping[str, Any]) -> tuple[Object, list[str]]:
        """The object as the API server's decoder leaves it, and paths of unknown fields, which are left out.

        Raises:
            CoercionError: something is of a wrong type; the text is Go's.
        """
        return coerce(self.component, obj)


def builtin_kinds(stored_services: StoredServices = tuple) -> tuple[BuiltinKind, ...]:
    """All built-in kinds.

    Args:
        stored_services: gives all stored Services, which share addresses and ports.
    """
    return (
        BuiltinKind(
            group="",
            version="v1",
            kind="Namespace",
            plural="namespaces",
            component="io.k8s.api.core.v1.Namespace",
            strategy=NamespaceStrategy(),
            columns=printing.NAMESPACE,
            namespaced=False,
            short_names=("ns",),
            verbs=_NAMESPACE_VERBS,
            subresources={"status": NamespaceStatusStrategy(), "finalize": NamespaceFinalizeStrategy()},
            selectable={"status.phase": "status.phase"},
            storage=("", "namespaces"),
            returns_deleted=True,
        ),
        BuiltinKind(
            group="",
            version="v1",
            kind="Secret",
            plural="secrets",
            component="io.k8s.api.core.v1.Secret",
            strategy=SecretStrategy(),
            columns=printing.SECRET,
            selectable={"type": "type"},
            storage=("", "secrets"),
        ),
        BuiltinKind(
            group="",
            version="v1",
            kind="ConfigMap",
            plural="configmaps",
            component="io.k8s.api.core.v1.ConfigMap",
            strategy=ConfigMapStrategy(),
            columns=printing.CONFIG_MAP,
            short_names=("cm",),
            storage=("", "configmaps"),
        ),
        BuiltinKind(
            group="",
            version="v1",
            kind="ServiceAccount",
            plural="serviceaccounts",
            component="io.k8s.api.core.v1.ServiceAccount",
            strategy=ServiceAccountStrategy(),
            columns=printing.SERVICE_ACCOUNT,
            short_names=("sa",),
            storage=("", "serviceaccounts"),
            returns_deleted=True,
        ),
        BuiltinKind(
            group="",
            version="v1",
            kind="Service",
            plural="services",
            component="io.k8s.api.core.v1.Service",
            strategy=ServiceStrategy(stored_services),
            columns=printing.SERVICE,
            short_names=("svc",),
            categories=("all",),
            subresources={"status": ServiceStatusStrategy(stored_services)},
            selectable={"spec.clusterIP": "spec.clusterIP", "spec.type": "spec.type"},
            storage=("", "services"),
            returns_deleted=True,
        ),
        *_event_kinds(),
        BuiltinKind(
            group="coordination.k8s.io",
            version="v1",
            kind="Lease",
            plural="leases",
            component="io.k8s.api.coordination.v1.Lease",
            strategy=LeaseStrategy(),
            columns=printing.LEASE,
            storage=("coordination.k8s.io", "leases"),
            storage_version="coordination.k8s.io/v1",
        ),
        BuiltinKind(
            group="apiextensions.k8s.io",
            version="v1",
            kind="CustomResourceDefinition",
            plural="customresourcedefinitions",
            component="io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition",
            strategy=DefinitionStrategy(),
            columns=printing.DEFINITION,
            namespaced=False,
            short_names=("crd", "crds"),
            categories=("api-extensions",),
            subresources={"status": DefinitionStatusStrategy()},
            storage=("apiextensions.k8s.io", "customresourcedefinitions"),
            storage_version="apiextensions.k8s.io/v1",
        ),
        *_rbac_kinds(),
    )


def _event_kinds() -> tuple[BuiltinKind, BuiltinKind]:
    return (
        BuiltinKind(
            group="",
            version="v1",
            kind="Event",
            plural="events",
            component="io.k8s.api.core.v1.Event",
            strategy=events.EventStrategy(),
            columns=printing.EVENT,
            short_names=("ev",),
            selectable=events.LABELS,
            storage=("", "events"),
        ),
        BuiltinKind(
            group="events.k8s.io",
            version="v1",
            kind="Event",
            plural="events",
            component="io.k8s.api.events.v1.Event",
            strategy=events.StrictEventStrategy(),
            columns=printing.EVENTS_EVENT,
            short_names=("ev",),
            selectable=events.EVENTS_LABELS,
            storage=("", "events"),
            to_storage=events.to_core,
            from_storage=events.from_core,
        ),
    )


def _rbac_kinds() -> Iterator[BuiltinKind]:
    kinds: tuple[tuple[str, Strategy, Sequence[Column]], ...] = (
        ("ClusterRoleBinding", ClusterRoleBindingStrategy(), printing.CLUSTER_ROLE_BINDING),
        ("ClusterRole", ClusterRoleStrategy(), printing.ROLE),
        ("RoleBinding", RoleBindingStrategy(), printing.ROLE_BINDING),
        ("Role", RoleStrategy(), printing.ROLE),
    )
    for kind, strategy, columns in kinds:
        yield BuiltinKind(
            group=rbac.GROUP,
            version="v1",
            kind=kind,
            plural=f"{kind.lower()}s",
            component=f"{rbac.RBAC}.{kind}",
            strategy=strategy,
            columns=columns,
            namespaced=strategy.namespaced,
            storage=(rbac.GROUP, f"{kind.lower()}s"),
            storage_version=f"{rbac.GROUP}/v1",
        )
