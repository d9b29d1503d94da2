"""Addresses and ports that Services get."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.builtin.services import ServiceStrategy
from controller_runtime.envtest.apiserver.errors import StatusError


class Shelf:
    """A namespace's worth of Services."""

    def __init__(self) -> None:
        self.services: list[dict[str, Any]] = []
        self.strategy = ServiceStrategy(lambda: self.services)

    def put(self, **spec: Any) -> dict[str, Any]:
        number = len(self.services)
        service = {"metadata": {"name": f"s{number}", "uid": f"u{number}"}, "spec": {"ports": [{"port": 80}], **spec}}
        self.strategy.default(service)
        self.strategy.prepare_for_create(service)
        self.services.append(service)
        return service


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def test_no_two_services_share_an_address(shelf: Shelf) -> None:
    addresses = [shelf.put()["spec"]["clusterIP"] for _ in range(254)]
    assert len(set(addresses)) == 254
    assert not {"10.0.0.0", "10.0.0.255"} & set(addresses)


def test_low_addresses_are_for_those_who_ask(shelf: Shelf) -> None:
    assert shelf.put()["spec"]["clusterIP"] == "10.0.0.17"
    assert shelf.put(clusterIP="10.0.0.5")["spec"]["clusterIPs"] == ["10.0.0.5"]


def test_there_is_an_end_to_addresses(shelf: Shelf) -> None:
    for _ in range(254):
        shelf.put()
    with pytest.raises(StatusError, match="range is full") as caught:
        shelf.put()
    assert caught.value.code == 500


def test_an_address_comes_back_when_its_service_goes(shelf: Shelf) -> None:
    address = shelf.put()["spec"]["clusterIP"]
    shelf.services.clear()
    assert shelf.put()["spec"]["clusterIP"] == address


def test_a_taken_node_port_is_refused(shelf: Shelf) -> None:
    taken = shelf.put(type="NodePort")["spec"]["ports"][0]["nodePort"]
    with pytest.raises(StatusError, match="provided port is already allocated"):
        shelf.put(type="NodePort", ports=[{"port": 80, "nodePort": taken}])


def test_health_checks_have_ports_of_their_own(shelf: Shelf) -> None:
    spec = shelf.put(type="LoadBalancer", externalTrafficPolicy="Local")["spec"]
    assert spec["healthCheckNodePort"] != spec["ports"][0]["nodePort"]
    with pytest.raises(StatusError, match="failed to allocate requested HealthCheck NodePort"):
        shelf.put(type="LoadBalancer", externalTrafficPolicy="Local", healthCheckNodePort=spec["healthCheckNodePort"])


def test_an_update_does_not_collide_with_itself(shelf: Shelf) -> None:
    old = shelf.put(type="NodePort")
    new = {"metadata": dict(old["metadata"]), "spec": {**old["spec"], "ports": [dict(old["spec"]["ports"][0])]}}
    shelf.strategy.prepare_for_update(new, old)
    assert new["spec"] == old["spec"]
