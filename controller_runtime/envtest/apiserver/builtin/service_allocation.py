"""Addresses and node ports for Services: one IPv4 network and one range of ports, shared by all.

What is taken is read from the stored Services each time, so nothing has to be given back when a Service goes, or when
storing one fails. Where the real server picks at random, the lowest free one is taken here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.service_rules import (
    HEADLESS,
    is_headless,
    needs_health_check,
    validate_addresses,
)
from controller_runtime.envtest.apiserver.errors import FieldError, StatusError, internal
from controller_runtime.envtest.apiserver.errors import invalid as invalid_object
from controller_runtime.envtest.apiserver.strategy import get_in
from controller_runtime.envtest.apiserver.validation.addresses import is_ipv6
from controller_runtime.envtest.apiserver.validation.fields import invalid

StoredServices = Callable[[], Iterable[Mapping[str, Any]]]

NETWORK: Final = ipaddress.IPv4Network("10.0.0.0/24")
NODE_PORTS: Final = range(30000, 32768)
_KEPT_FREE: Final = 16  # the lowest addresses, given out last: they are for those who ask for one
_SINGLE, _REQUIRED = "SingleStack", "RequireDualStack"


class Allocation:
    """What one Service gets, given what the others have.

    Args:
        service: the Service, changed in place.
        old: as it is stored, None for a new one.
        stored: all stored Services.
    """

    def __init__(
        self, service: dict[str, Any], old: Mapping[str, Any] | None, stored: Iterable[Mapping[str, Any]]
    ) -> None:
        self._name = service["metadata"].get("name", "")
        self._spec: dict[str, Any] = service["spec"]
        self._old: Mapping[str, Any] | None = None if old is None else (old.get("spec") or {})
        mine = get_in(old, "metadata", "uid")
        others = [each for each in stored if mine is None or get_in(each, "metadata", "uid") != mine]
        self._addresses = {
            address for each in others for address in get_in(each, "spec", "clusterIPs") or () if address != HEADLESS
        }
        self._ports = {port for each in others for port in _ports_of(get_in(each, "spec") or {})}

    def make(self) -> None:
        """Families, addresses, ports.

        Raises:
            StatusError: what the Service asks for cannot be had.
        """
        if not self._stays_dual():
            self._choose_families()
            self._allocate_addresses()
        if self._old is None:
            self._new_node_ports()
        else:
            self._changed_node_ports(self._old)
        if needs_health_check(self._spec) and not (self._old is not None and needs_health_check(self._old)):
            self._health_check_port()

    def _fail(self, *errors: FieldError) -> StatusError:
        return invalid_object("", "Service", self._name, errors)

    def _stays_dual(self) -> bool:
        """Whether an update leaves alone all that a preference for both families was about."""
        old, spec = self._old, self._spec
        if old is None or spec.get("ipFamilyPolicy") != "PreferDualStack" or spec.get("type") == "ExternalName":
            return False
        names = ("type", "ipFamilyPolicy", "clusterIP", "clusterIPs", "ipFamilies")
        return all(spec.get(name) == old.get(name) for name in names)

    def _choose_families(self) -> None:
        spec, old = self._spec, self._old
        if spec.get("type") == "ExternalName":
            return
        unselective = spec.get("clusterIP") == HEADLESS and not spec.get("selector")
        if spec.get("ipFamilyPolicy") is None:
            inherited = (old or {}).get("ipFamilyPolicy")
            spec["ipFamilyPolicy"] = inherited or (_REQUIRED if unselective else _SINGLE)
        if errors := list(validate_addresses(spec, old or {})):
            raise self._fail(*errors)
        if errors := [*self._policy_problems(), *self._infer_families()]:
            raise self._fail(*errors)
        families: list[str] = spec.get("ipFamilies") or []
        if unselective:
            families = families or ["IPv4"]
            if len(families) < 2 and spec["ipFamilyPolicy"] != _SINGLE:
                families = [*families, "IPv6" if families[0] == "IPv4" else "IPv4"]
            spec["ipFamilies"] = families
            return
        if spec["ipFamilyPolicy"] == _REQUIRED:
            text = "this cluster is not configured for dual-stack services"
            raise self._fail(invalid("spec.ipFamilyPolicy", _REQUIRED, text), *self._foreign_families(families))
        if errors := self._foreign_families(families):
            raise self._fail(*errors)
        spec["ipFamilies"] = families or ["IPv4"]

    @staticmethod
    def _foreign_families(families: Iterable[str]) -> list[FieldError]:
        return [
            invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
            for index, family in enumerate(families)
            if family != "IPv4"
        ]

    def _policy_problems(self) -> list[FieldError]:
        spec, old, field = self._spec, self._old or {}, "spec.ipFamilyPolicy"
        policy, found = spec["ipFamilyPolicy"], []
        for name, noun in (("clusterIPs", "cluster IP"), ("ipFamilies", "IP family")):
            before, after = old.get(name) or [], spec.get(name) or []
            if policy == _SINGLE and before == after and len(after) > 1:
                spec[name] = after[:1]
            elif policy != _SINGLE and after and len(after) < len(before):
                found.append(invalid(field, policy, f"must be '{_SINGLE}' to release the secondary {noun}"))
        for name, noun in (("clusterIPs", "cluster IPs"), ("ipFamilies", "IP families")):
            if policy == _SINGLE and len(spec.get(name) or []) == 2:
                text = f"must be '{_REQUIRED}' or 'PreferDualStack' when multiple {noun} are specified"
                found.append(invalid(field, policy, text))
        return found

    def _infer_families(self) -> list[FieldError]:
        addresses, families = self._spec.get("clusterIPs") or [], list(self._spec.get("ipFamilies") or [])
        found = []
        if HEADLESS not in addresses:
            for index in range(len(families), len(addresses)):
                if is_ipv6(addresses[index]):
                    text = "IPv6 is not configured on this cluster"
                    found.append(invalid(f"spec.clusterIPs[{index}]", addresses, text))
                else:
                    families.append("IPv4")
        if families:
            self._spec["ipFamilies"] = families
        return found

    def _allocate_addresses(self) -> None:
        spec, old = self._spec, self._old
        has_some = old is not None and old.get("type") != "ExternalName"
        if has_some or spec.get("type") == "ExternalName" or is_headless(spec):
            return
        wanted = next(iter(spec.get("clusterIPs") or []), "")
        spec["clusterIP"] = self._checked(wanted) if wanted else self._next_address()
        spec["clusterIPs"] = [spec["clusterIP"]]

    def _checked(self, wanted: str) -> str:
        field, address = "spec.clusterIPs", ipaddress.ip_address(wanted)
        if address not in NETWORK or address in {NETWORK.network_address, NETWORK.broadcast_address}:
            problem = "the provided network does not match the current range"
        elif wanted in self._addresses:
            problem = "provided IP is already allocated"
        else:
            return wanted
        raise self._fail(invalid(field, self._spec["clusterIPs"], f"failed to allocate IP {wanted}: {problem}"))

    def _next_address(self) -> str:
        hosts = [str(address) for address in NETWORK.hosts()]
        for address in (*hosts[_KEPT_FREE:], *hosts[:_KEPT_FREE]):
            if address not in self._addresses:
                return address
        raise internal(f'failed to allocate a serviceIP for Service "{self._name}": range is full')

    def _wants_node_ports(self) -> bool:
        type_ = self._spec.get("type")
        return type_ == "NodePort" or (
            type_ == "LoadBalancer" and self._spec.get("allocateLoadBalancerNodePorts") is not False
        )

    def _new_node_ports(self) -> None:
        """Ports of one number share a node port, whatever their protocols."""
        if self._spec.get("type") not in {"NodePort", "LoadBalancer"}:
            return
        ports = self._spec.get("ports") or []
        requested = {port["port"]: port["nodePort"] for port in reversed(ports) if port.get("nodePort")}
        given: dict[int, int] = {}
        for index, port in enumerate(ports):
            number = port.get("nodePort") or 0
            if not number and not self._wants_node_ports():
                continue
            if port["port"] not in given:
                chosen = requested.get(port["port"], 0)
                given[port["port"]] = self._take(chosen, index) if chosen else self._next_port()
                port["nodePort"] = given[port["port"]]
            elif not number:
                port["nodePort"] = given[port["port"]]
            elif number != given[port["port"]]:
                self._take(number, index)

    def _changed_node_ports(self, old: Mapping[str, Any]) -> None:
        if self._spec.get("type") not in {"NodePort", "LoadBalancer"}:
            return
        known, seen = _ports_of(old), set()
        mine: set[int] = set()
        for index, port in enumerate(self._spec.get("ports") or []):
            number = port.get("nodePort") or 0
            if not number and not self._wants_node_ports():
                continue
            if number and number not in known and number not in mine:
                mine.add(self._take(number, index))
            elif not number:
                self._ports |= known
                port["nodePort"] = number = self._next_port()
            key = (port.get("protocol"), number)
            if key in seen:
                raise StatusError(500, "", f"duplicate nodePort: {{{key[0]} {number}}}")
            seen.add(key)

    def _health_check_port(self) -> None:
        wanted = self._spec.get("healthCheckNodePort") or 0
        if not wanted:
            self._spec["healthCheckNodePort"] = self._next_port()
        elif problem := self._port_problem(wanted):
            raise internal(f"failed to allocate requested HealthCheck NodePort {wanted}: {problem}")

    def _take(self, port: int, index: int) -> int:
        if problem := self._port_problem(port):
            raise self._fail(invalid(f"spec.ports[{index}].nodePort", port, problem))
        self._ports.add(port)
        return port

    def _port_problem(self, port: int) -> str:
        if port not in NODE_PORTS:
            valid = f"{NODE_PORTS[0]}-{NODE_PORTS[-1]}"
            return f"provided port is not in the valid range. The range of valid ports is {valid}"
        return "provided port is already allocated" if port in self._ports else ""

    def _next_port(self) -> int:
        port = next((port for port in NODE_PORTS if port not in self._ports), 0)
        if not port:
            raise internal("failed to allocate a nodePort: range is full")
        self._ports.add(port)
        return port


def _ports_of(spec: Mapping[str, Any]) -> set[int]:
    ports = {port["nodePort"] for port in spec.get("ports") or () if port.get("nodePort")}
    if spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return ports
