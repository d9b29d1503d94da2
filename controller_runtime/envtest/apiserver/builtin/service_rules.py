"""The rules of Services (kubernetes, pkg/apis/core/validation): which fields go together, and what they may hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.strategy import get_in
from controller_runtime.envtest.apiserver.validation.addresses import (
    is_ipv6,
    parse_address,
    validate_address,
    validate_network,
    validate_reachable,
)
from controller_runtime.envtest.apiserver.validation.fields import (
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from controller_runtime.envtest.apiserver.validation.names import (
    dns_label,
    dns_subdomain,
    port_name,
    port_number,
    qualified_name,
)
from controller_runtime.envtest.apiserver.validation.object_meta import validate_labels

Spec = Mapping[str, Any]

HEADLESS: Final = "None"
_FAMILIES: Final = ("IPv4", "IPv6")
_POLICIES: Final = ("PreferDualStack", "RequireDualStack", "SingleStack")
_TYPES: Final = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_PROTOCOLS: Final = ("SCTP", "TCP", "UDP")
_AFFINITIES: Final = ("ClientIP", "None")
_TRAFFIC: Final = ("Cluster", "Local")
_DISTRIBUTIONS: Final = ("PreferClose", "PreferSameZone", "PreferSameNode")
_LONGEST_AFFINITY: Final = 86400  # seconds
_HINTS: Final = "service.kubernetes.io/topology-aware-hints"
_MODE: Final = "service.kubernetes.io/topology-mode"
_RANGES: Final = "service.beta.kubernetes.io/load-balancer-source-ranges"
_BALANCED: Final = "may only be used when `type` is 'LoadBalancer'"
_FIXED: Final = "may not change once set"


def is_headless(spec: Spec) -> bool:
    """Whether the service has no address of its own."""
    return spec.get("clusterIPs") == [HEADLESS]


def is_exposed(spec: Spec) -> bool:
    """Whether traffic can come from outside the cluster."""
    type_ = spec.get("type")
    return type_ in {"LoadBalancer", "NodePort"} or (type_ == "ClusterIP" and bool(spec.get("externalIPs")))


def needs_health_check(spec: Spec) -> bool:
    """Whether load balancers ask nodes for their health."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def validate_service(service: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[FieldError]:
    """Everything but metadata."""
    spec: Spec = service.get("spec") or {}
    old_spec: Spec = (old or {}).get("spec") or {}
    annotations = get_in(service, "metadata", "annotations") or {}
    old_annotations = get_in(old, "metadata", "annotations") or {}
    yield from _topology(annotations)
    yield from _type(spec)
    yield from _ports(spec)
    if spec.get("selector"):
        yield from validate_labels(spec["selector"], "spec.selector")
    yield from _affinity(spec)
    yield from validate_addresses(spec, old_spec)
    yield from _external_addresses(spec, old_spec)
    if spec.get("type") not in _TYPES:
        yield not_supported("spec.type", spec.get("type"), _TYPES)
    yield from _node_ports(spec)
    yield from _source_ranges(spec, old_spec, annotations, old_annotations)
    yield from _load_balancer(spec)
    yield from _traffic(spec)


def validate_service_change(spec: Spec, old: Spec) -> Iterator[FieldError]:
    """What an update of a service may not change."""
    if "ExternalName" not in {spec.get("type"), old.get("type")}:
        yield from _address_change(spec, old)
        yield from _family_change(spec, old)
    if spec.get("type") == old.get("type") == "LoadBalancer" and (
        spec.get("loadBalancerClass") != old.get("loadBalancerClass")
    ):
        yield invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), _FIXED)
    yield from _load_balancer_class(spec)
    port, old_port = spec.get("healthCheckNodePort") or 0, old.get("healthCheckNodePort") or 0
    if needs_health_check(spec) and needs_health_check(old) and port != old_port:
        yield forbidden("spec.healthCheckNodePort", "field is immutable")


def validate_addresses(spec: Spec, old: Spec) -> Iterator[FieldError]:
    """Cluster addresses, their families, and the policy about these."""
    if spec.get("type") == "ExternalName":
        return
    field = "spec.clusterIPs"
    address, addresses = spec.get("clusterIP") or "", spec.get("clusterIPs") or []
    families = spec.get("ipFamilies") or []
    if address and not addresses:
        yield required(field)
    elif address and addresses[0] != address:
        yield invalid(field, addresses, "first value must match `clusterIP`")
    elif addresses and not address:
        yield invalid(field, addresses, "must be empty when `clusterIP` is not specified")
    for index, family in enumerate(families):
        if family not in _FAMILIES:
            yield not_supported(f"spec.ipFamilies[{index}]", family, _FAMILIES)
        if family in families[:index]:
            yield duplicate(f"spec.ipFamilies[{index}]", family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in _POLICIES:
        yield not_supported("spec.ipFamilyPolicy", policy, _POLICIES)
    yield from _plain_addresses(addresses, families, old.get("clusterIPs") or [])


def validate_load_balancer(status: Mapping[str, Any], old: Mapping[str, Any], spec: Spec) -> Iterator[FieldError]:
    """`status.loadBalancer`: where clients reach the service."""
    field = "status.loadBalancer.ingress"
    ways: Sequence[Mapping[str, Any]] = status.get("ingress") or []
    if ways and spec.get("type") != "LoadBalancer":
        yield forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")
        return
    known = [way["ip"] for way in old.get("ingress") or [] if way.get("ip")]
    for index, way in enumerate(ways):
        yield from _ingress(way, f"{field}[{index}]", known)


def _ingress(way: Mapping[str, Any], field: str, known: Sequence[str]) -> Iterator[FieldError]:
    address, mode, host = way.get("ip") or "", way.get("ipMode"), way.get("hostname") or ""
    if address:
        yield from validate_address(address, f"{field}.ip", known)
    if mode is None:
        if address:
            yield required(f"{field}.ipMode", "must be specified when `ip` is set")
    elif not address:
        yield forbidden(f"{field}.ipMode", "may not be specified when `ip` is not set")
    elif mode not in {"Proxy", "VIP"}:
        yield not_supported(f"{field}.ipMode", mode, ("Proxy", "VIP"))
    if host:
        yield from (invalid(f"{field}.hostname", host, text) for text in dns_subdomain(host))
        if parse_address(host) is not None:
            yield invalid(f"{field}.hostname", host, "must be a DNS name, not an IP address")


def _topology(annotations: Mapping[str, str]) -> Iterator[FieldError]:
    if _MODE in annotations and _HINTS in annotations and annotations[_MODE] != annotations[_HINTS]:
        text = f"must match annotations[{_HINTS}] when both are specified"
        yield invalid(f"metadata.annotations[{_MODE}]", annotations[_MODE], text)


def _type(spec: Spec) -> Iterator[FieldError]:
    type_ = spec.get("type")
    if not spec.get("ports") and not is_headless(spec) and type_ != "ExternalName":
        yield required("spec.ports")
    if type_ in {"LoadBalancer", "NodePort"} and is_headless(spec):
        yield invalid("spec.clusterIPs[0]", HEADLESS, f"may not be set to 'None' for {type_} services")
    if type_ != "ExternalName":
        return
    for name in ("clusterIPs", "ipFamilies", "ipFamilyPolicy"):
        if spec.get(name):
            yield forbidden(f"spec.{name}", "may not be set for ExternalName services")
    if name := (spec.get("externalName") or "").removesuffix("."):
        yield from (invalid("spec.externalName", name, text) for text in dns_subdomain(name))
    else:
        yield required("spec.externalName")


def _ports(spec: Spec) -> Iterator[FieldError]:
    ports: Sequence[Mapping[str, Any]] = spec.get("ports") or []
    names: set[str] = set()
    for index, port in enumerate(ports):
        field, name = f"spec.ports[{index}]", port.get("name") or ""
        if name:
            yield from (invalid(f"{field}.name", name, text) for text in dns_label(name))
            if name in names:
                yield duplicate(f"{field}.name", name)
            names.add(name)
        elif len(ports) > 1:
            yield required(f"{field}.name")
        yield from _port(port, field)


def _port(port: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    number, target = port.get("port") or 0, port.get("targetPort", 0)
    yield from (invalid(f"{field}.port", number, text) for text in port_number(number))
    if port.get("protocol") not in _PROTOCOLS:
        yield not_supported(f"{field}.protocol", port.get("protocol"), _PROTOCOLS)
    problems = port_name(target) if isinstance(target, str) else port_number(target)
    yield from (invalid(f"{field}.targetPort", target, text) for text in problems)
    if (application := port.get("appProtocol")) is not None:
        yield from (invalid(f"{field}.appProtocol", application, text) for text in qualified_name(application))


def _affinity(spec: Spec) -> Iterator[FieldError]:
    affinity = spec.get("sessionAffinity")
    if affinity not in _AFFINITIES:
        yield not_supported("spec.sessionAffinity", affinity, _AFFINITIES)
    if affinity == "ClientIP":
        seconds = get_in(spec, "sessionAffinityConfig", "clientIP", "timeoutSeconds") or 0
        if not 0 < seconds <= _LONGEST_AFFINITY:
            text = f"must be greater than 0 and less than {_LONGEST_AFFINITY}"
            yield invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", seconds, text)


def _plain_addresses(addresses: Sequence[str], families: Sequence[str], known: Sequence[str]) -> Iterator[FieldError]:
    field = "spec.clusterIPs"
    found: list[FieldError] = []
    for index, address in enumerate(addresses):
        if index == 0 and address == HEADLESS:
            if len(addresses) > 1:
                found.append(invalid(field, addresses, "'None' must be the first and only value"))
            continue
        found += validate_address(address, f"{field}[{index}]", known)
    yield from found
    if len(addresses) > 2:
        yield invalid(field, addresses, "may only hold up to 2 values")
    if found:
        return
    if len(addresses) > 1 and not _dual(addresses):
        yield invalid(field, addresses, "may specify no more than one IP for each IP family")
    if addresses == [HEADLESS]:
        return
    for index, (address, family) in enumerate(zip(addresses, families, strict=False)):
        if family in _FAMILIES and (family == "IPv6") != is_ipv6(address):
            text = f"expected an {family} value as indicated by `ipFamilies[{index}]`"
            yield invalid(f"{field}[{index}]", address, text)


def _dual(addresses: Sequence[str]) -> bool:
    return len(addresses) > 1 and {is_ipv6(address) for address in addresses} == {True, False}


def _external_addresses(spec: Spec, old: Spec) -> Iterator[FieldError]:
    known = old.get("externalIPs") or []
    for index, address in enumerate(spec.get("externalIPs") or []):
        field = f"spec.externalIPs[{index}]"
        found = list(validate_address(address, field, known))
        yield from found or validate_reachable(address, field)


def _node_ports(spec: Spec) -> Iterator[FieldError]:
    ports: Sequence[Mapping[str, Any]] = spec.get("ports") or []
    if spec.get("type") == "ClusterIP":
        for index, port in enumerate(ports):
            if port.get("nodePort"):
                yield forbidden(f"spec.ports[{index}].nodePort", "may not be used when `type` is 'ClusterIP'")
    taken: set[tuple[Any, Any]] = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("nodePort"))
        if port.get("nodePort") and key in taken:
            yield duplicate(f"spec.ports[{index}].nodePort", port["nodePort"])
        taken.add(key)
    taken = set()
    for index, port in enumerate(ports):
        key = (port.get("protocol"), port.get("port"))
        if key in taken:
            yield duplicate(f"spec.ports[{index}]", _as_key(port))
        taken.add(key)


def _as_key(port: Mapping[str, Any]) -> dict[str, Any]:
    """What tells ports apart, in the API server's internal words."""
    return {
        "Name": "",
        "Protocol": port.get("protocol"),
        "AppProtocol": None,
        "Port": port.get("port"),
        "TargetPort": 0,
        "NodePort": 0,
    }


def _source_ranges(
    spec: Spec, old: Spec, annotations: Mapping[str, str], old_annotations: Mapping[str, str]
) -> Iterator[FieldError]:
    balanced = spec.get("type") == "LoadBalancer"
    if ranges := spec.get("loadBalancerSourceRanges"):
        field = "spec.LoadBalancerSourceRanges"
        if not balanced:
            yield forbidden(field, _BALANCED)
        known = [value.strip() for value in old.get("loadBalancerSourceRanges") or []]
        for index, value in enumerate(ranges):
            yield from validate_network(value.strip(), f"{field}[{index}]", known)
    elif _RANGES in annotations:
        field = f"metadata.annotations[{_RANGES}]"
        if not balanced:
            yield forbidden(field, _BALANCED)
        text = annotations[_RANGES]
        if text.strip() and old_annotations.get(_RANGES) != text:
            for value in text.split(","):
                yield from validate_network(value.strip(), field)


def _load_balancer(spec: Spec) -> Iterator[FieldError]:
    allocate, balanced = spec.get("allocateLoadBalancerNodePorts"), spec.get("type") == "LoadBalancer"
    if allocate is not None and not balanced:
        yield forbidden("spec.allocateLoadBalancerNodePorts", _BALANCED)
    if allocate is None and balanced:
        yield required("allocateLoadBalancerNodePorts")
    yield from _load_balancer_class(spec)


def _load_balancer_class(spec: Spec) -> Iterator[FieldError]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return
    if spec.get("type") == "LoadBalancer":
        yield from (invalid("spec.loadBalancerClass", name, text) for text in qualified_name(name))
    else:
        yield forbidden("spec.loadBalancerClass", _BALANCED)


def _traffic(spec: Spec) -> Iterator[FieldError]:
    external = spec.get("externalTrafficPolicy") or ""
    if not is_exposed(spec):
        if external:
            text = "may only be set for externally-accessible services"
            yield invalid("spec.externalTrafficPolicy", external, text)
    elif external not in _TRAFFIC:
        yield not_supported("spec.externalTrafficPolicy", external, _TRAFFIC)
    port = spec.get("healthCheckNodePort") or 0
    if needs_health_check(spec):
        yield from (invalid("spec.healthCheckNodePort", port, text) for text in port_number(port))
    elif port:
        text = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        yield invalid("spec.healthCheckNodePort", port, text)
    internal = spec.get("internalTrafficPolicy")
    if internal is not None and internal not in _TRAFFIC:
        yield not_supported("spec.internalTrafficPolicy", internal, _TRAFFIC)
    distribution = spec.get("trafficDistribution")
    if distribution is not None and distribution not in _DISTRIBUTIONS:
        yield not_supported("spec.trafficDistribution", distribution, _DISTRIBUTIONS)


def _address_change(spec: Spec, old: Spec) -> Iterator[FieldError]:
    field = "spec.clusterIPs"
    after, before = spec.get("clusterIPs") or [], old.get("clusterIPs") or []
    if is_headless(spec) and is_headless(old):
        return
    if len(before) == len(after):
        for index, address in enumerate(before):
            if address != after[index]:
                yield invalid(f"{field}[{index}]", after, _FIXED)
        return
    if not after:
        yield invalid(f"{field}[0]", after or None, "primary clusterIP can not be unset")
    elif before and after[0] != before[0]:
        yield invalid(f"{field}[0]", after, _FIXED)
    if len(before) > len(after) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary clusterIP"
        yield invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text)


def _family_change(spec: Spec, old: Spec) -> Iterator[FieldError]:
    field = "spec.ipFamilies[0]"
    after, before = spec.get("ipFamilies") or [], old.get("ipFamilies") or []
    if is_headless(spec) or is_headless(old):
        return
    if len(before) == len(after):
        for index, family in enumerate(before):
            if family != after[index]:
                yield invalid(field, after, _FIXED)
        return
    if len(before) > len(after) and not spec.get("clusterIPs"):
        yield invalid(field, after or None, "primary ipFamily can not be unset")
    if before and after and after[0] != before[0]:
        yield invalid(field, spec.get("clusterIPs"), _FIXED)
    if len(before) > len(after) == 1 and spec.get("ipFamilyPolicy") != "SingleStack":
        text = "must be set to 'SingleStack' when releasing the secondary ipFamily"
        yield invalid("spec.ipFamilyPolicy", spec.get("ipFamilyPolicy"), text)
