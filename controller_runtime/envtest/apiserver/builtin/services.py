"""Services: defaults, what an update inherits, and what is dropped when the type changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.core_meta import validate_core_meta, validate_core_meta_update
from controller_runtime.envtest.apiserver.builtin.service_allocation import Allocation, StoredServices
from controller_runtime.envtest.apiserver.builtin.service_rules import (
    HEADLESS,
    Spec,
    is_exposed,
    needs_health_check,
    validate_load_balancer,
    validate_service,
    validate_service_change,
)
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import Strategy, get_in
from controller_runtime.envtest.apiserver.validation.addresses import address_warning
from controller_runtime.envtest.apiserver.validation.names import dns_label

_HINTS: Final = "service.kubernetes.io/topology-aware-hints"
_AFFINITY_SECONDS: Final = 3 * 60 * 60  # for which a client is remembered


class ServiceStrategy(Strategy):
    """Services get addresses and ports, which no two of them share.

    Args:
        stored: gives all stored Services, from which follows what is taken.
    """

    name_rule = staticmethod(dns_label)
    create_on_update = True
    reset_fields = (("status",),)

    def __init__(self, stored: StoredServices) -> None:
        self._stored = stored

    def default(self, obj: dict[str, Any]) -> None:
        """Type, affinity, policies, and each port's protocol and target."""
        spec: dict[str, Any] = obj.setdefault("spec", {})
        _default_affinity(spec)
        spec["type"] = spec.get("type") or "ClusterIP"
        for port in spec.get("ports") or ():
            port["protocol"] = port.get("protocol") or "TCP"
            if not port.get("targetPort"):
                port["targetPort"] = port.get("port") or 0
        if is_exposed(spec) and not spec.get("externalTrafficPolicy"):
            spec["externalTrafficPolicy"] = "Cluster"
        if spec.get("internalTrafficPolicy") is None and spec["type"] in {"NodePort", "LoadBalancer", "ClusterIP"}:
            spec["internalTrafficPolicy"] = "Cluster"
        if spec["type"] == "LoadBalancer":
            if spec.get("allocateLoadBalancerNodePorts") is None:
                spec["allocateLoadBalancerNodePorts"] = True
            for way in get_in(obj, "status", "loadBalancer", "ingress") or ():
                if way.get("ip") and way.get("ipMode") is None:
                    way["ipMode"] = "VIP"

    def prepare_for_create(self, obj: dict[str, Any]) -> None:
        """Gives it addresses and ports, and no status yet."""
        spec = obj["spec"]
        if spec.get("clusterIP") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = [spec["clusterIP"]]
        Allocation(obj, None, self._stored()).make()
        obj["status"] = {"loadBalancer": {}}

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """Keeps what was given to it, unless its new type has no use for that."""
        spec, before = obj["spec"], old.get("spec") or {}
        _inherit(spec, before)
        _synchronize(spec, before)
        Allocation(obj, old, self._stored()).make()
        obj["status"] = dict(old.get("status") or {"loadBalancer": {}})
        _drop_what_the_type_excludes(spec, before)
        if spec.get("type") != "LoadBalancer":
            obj["status"]["loadBalancer"] = {}

    def validate_create(self, obj: dict[str, Any]) -> list[FieldError]:
        """Metadata and spec."""
        return [
            *validate_core_meta(obj["metadata"], name_rule=self.name_rule),
            *validate_service(obj, None),
        ]

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """Addresses and families stay; all else as for a new one."""
        return [
            *validate_core_meta_update(obj["metadata"], old["metadata"]),
            *validate_service_change(obj.get("spec") or {}, old.get("spec") or {}),
            *validate_service(obj, old),
        ]

    def canonicalize(self, obj: dict[str, Any]) -> None:
        """External names have no traffic inside the cluster."""
        if obj["spec"].get("type") == "ExternalName":
            obj["spec"].pop("internalTrafficPolicy", None)

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:  # noqa: ARG002
        """Fields that have no effect, or will lose it."""
        return list(_warnings(obj))

    def fields(self, obj: dict[str, Any]) -> dict[str, str]:
        """Name, namespace, address and type."""
        spec = obj.get("spec") or {}
        return {
            **super().fields(obj),
            "spec.clusterIP": spec.get("clusterIP") or "",
            "spec.type": spec.get("type") or "",
        }


class ServiceStatusStrategy(ServiceStrategy):
    """The status of a Service."""

    reset_fields = (("spec",),)

    def prepare_for_update(self, obj: dict[str, Any], old: dict[str, Any]) -> None:
        """The spec stays."""
        obj["spec"] = old.get("spec") or {}

    def validate_update(self, obj: dict[str, Any], old: dict[str, Any]) -> list[FieldError]:
        """Where the load balancer is reached."""
        return [
            *validate_core_meta_update(obj["metadata"], old["metadata"]),
            *validate_load_balancer(
                get_in(obj, "status", "loadBalancer") or {},
                get_in(old, "status", "loadBalancer") or {},
                obj.get("spec") or {},
            ),
        ]

    def warnings(self, obj: dict[str, Any], old: dict[str, Any] | None = None) -> list[str]:  # noqa: ARG002
        """Addresses that are written oddly."""
        ways = get_in(obj, "status", "loadBalancer", "ingress") or ()
        return [
            text
            for index, way in enumerate(ways)
            if way.get("ip")
            for text in address_warning(way["ip"], f"status.loadBalancer.ingress[{index}]")
        ]


def _default_affinity(spec: dict[str, Any]) -> None:
    spec["sessionAffinity"] = spec.get("sessionAffinity") or "None"
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
        return
    seconds = get_in(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds")
    if spec["sessionAffinity"] == "ClientIP" and seconds is None:
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _AFFINITY_SECONDS}}


def _has_address(spec: Spec) -> bool:
    return spec.get("type") != "ExternalName"


def _has_node_ports(spec: Spec) -> bool:
    return spec.get("type") in {"NodePort", "LoadBalancer"}


def _gets_node_ports(spec: Spec) -> bool:
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return spec.get("type") == "NodePort"


def _inherit(spec: dict[str, Any], old: Spec) -> None:
    """What was given to the service and the client did not send again."""
    if _has_address(old) and _has_address(spec):
        if not spec.get("clusterIP") and old.get("clusterIP"):
            spec["clusterIP"] = old["clusterIP"]
        if not spec.get("clusterIPs") and old.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    if _gets_node_ports(old) and _gets_node_ports(spec):
        _inherit_node_ports(spec, old)
    port = spec.get("healthCheckNodePort") or old.get("healthCheckNodePort")
    if needs_health_check(old) and needs_health_check(spec) and port:
        spec["healthCheckNodePort"] = port


def _inherit_node_ports(spec: dict[str, Any], old: Spec) -> None:
    ports = spec.get("ports") or []
    kept = _numbers(spec) & _numbers(old)
    by_name = {port.get("name") or "": port.get("nodePort") or 0 for port in old.get("ports") or ()}
    for port in ports:
        number = by_name.get(port.get("name") or "", 0)
        if not port.get("nodePort") and number and number not in kept:
            port["nodePort"] = number


def _numbers(spec: Spec) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}


def _synchronize(spec: dict[str, Any], old: Spec) -> None:
    """Older clients know `clusterIP` alone: what they do to it is done to `clusterIPs` for them."""
    address, before = spec.get("clusterIP") or "", old.get("clusterIP") or ""
    if address == before:
        if old.get("clusterIPs") and not spec.get("clusterIPs"):
            spec["clusterIPs"] = list(old["clusterIPs"])
    elif (spec.get("clusterIPs") or []) == (old.get("clusterIPs") or []):
        if address:
            spec["clusterIPs"] = [address]
        else:
            spec.pop("clusterIPs", None)


def _drop_what_the_type_excludes(spec: dict[str, Any], old: Spec) -> None:
    """Fields that the new type cannot have go, if the client left them as they were."""
    if _has_address(old) and not _has_address(spec):
        if all((spec.get(name) or None) == (old.get(name) or None) for name in ("clusterIP", "clusterIPs")):
            spec.pop("clusterIP", None)
            spec.pop("clusterIPs", None)
        _drop_unchanged(spec, old, "ipFamilies", "ipFamilyPolicy")
    if _has_node_ports(old) and not _has_node_ports(spec) and _numbers(spec) <= _numbers(old):
        for port in spec.get("ports") or ():
            port.pop("nodePort", None)
    if needs_health_check(old) and not needs_health_check(spec):
        _drop_unchanged(spec, old, "healthCheckNodePort")
    if old.get("type") == "LoadBalancer" != spec.get("type"):
        _drop_unchanged(spec, old, "allocateLoadBalancerNodePorts", "loadBalancerClass")
    if is_exposed(old) and not is_exposed(spec):
        _drop_unchanged(spec, old, "externalTrafficPolicy")


def _drop_unchanged(spec: dict[str, Any], old: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name in spec and spec[name] == old.get(name):
            del spec[name]


def _warnings(obj: Mapping[str, Any]) -> Iterator[str]:
    spec = obj.get("spec") or {}
    external = spec.get("type") == "ExternalName"
    headless = spec.get("type") == "ClusterIP" and spec.get("clusterIP") == HEADLESS
    addresses = spec.get("externalIPs") or []
    if _HINTS in (get_in(obj, "metadata", "annotations") or {}):
        mode = "service.kubernetes.io/topology-mode"
        yield f"annotation {_HINTS} is deprecated, please use {mode} instead"
    if not headless and not external:
        for index, address in enumerate(spec.get("clusterIPs") or []):
            yield from address_warning(address, f"spec.clusterIPs[{index}]")
    if headless:
        if spec.get("loadBalancerIP"):
            yield "spec.loadBalancerIP is ignored for headless services"
        if addresses:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    for index, address in enumerate(addresses):
        yield from address_warning(address, f"spec.externalIPs[{index}]")
    if addresses and not headless and not external:
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if spec.get("loadBalancerIP"):
        yield from address_warning(spec["loadBalancerIP"], "spec.loadBalancerIP")
    if external and addresses:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if not external and spec.get("externalName"):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
