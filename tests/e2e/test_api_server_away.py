"""The API server dies and comes back while machines boot."""

from __future__ import annotations

import base64
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller_runtime.envtest import ControlPlane
from hack.operator_process import OperatorProcess
from tests.e2e.conftest import apply, condition, manifest, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

MACHINES = 20


def uuid(number: int) -> str:
    return f"7b0e2f10-0000-4000-8000-{number:012d}"


def ignition(number: int) -> bytes:
    return json.dumps({"ignition": {"version": "3.4.0"}, "passwd": {"users": [{"name": f"user-{number}"}]}}).encode()


@pytest.fixture
def machines(control_plane: ControlPlane, kube_namespace: str) -> str:
    """Machines 0 to MACHINES - 1; the namespace they are in."""
    objects = []
    for number in range(MACHINES):
        data = {"ignition": base64.b64encode(ignition(number)).decode()}
        spec = {
            "systemUUID": uuid(number),
            "kernelURL": f"http://images.example.com/{number}/kernel",
            "initrdURL": f"http://images.example.com/{number}/initrd",
            "ignitionSecretRef": {"name": f"ignition-{number}"},
        }
        objects.append(manifest("Secret", kube_namespace, f"ignition-{number}", data=data))
        objects.append(manifest("IPXEBootConfig", kube_namespace, f"machine-{number}", spec=spec))
    apply(control_plane, *objects)
    return kube_namespace


class Boots:
    """Machines that boot over and over, in a thread, until told to stop; what went wrong is kept."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._stop = threading.Event()
        self._passes = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run)
        self.failures: list[str] = []
        self.answers = 0

    def __enter__(self) -> Boots:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def complete_passes(self, count: int) -> None:
        """Waits until every machine has booted `count` more times."""
        while self._passes.acquire(blocking=False):
            pass
        for _ in range(count + 1):  # the pass under way began earlier
            assert self._passes.acquire(timeout=60)

    def _run(self) -> None:
        while not self._stop.is_set():
            for number in range(MACHINES):
                self._boot(number)
            self._passes.release()

    def _boot(self, number: int) -> None:
        for path, expected in (("ipxe", f"/{number}/kernel".encode()), ("ignition", ignition(number))):
            url = f"{self._base}/{path}/{uuid(number)}"
            try:
                with urllib.request.urlopen(url, timeout=10) as response:
                    body = response.read()
            except OSError as error:
                self.failures.append(f"{url}: {error}")
            else:
                self.answers += 1
                if expected not in body:
                    self.failures.append(f"{url}: {body!r}")


@pytest.fixture
def operator(control_plane: ControlPlane, machines: str, tmp_path: Path) -> Iterator[OperatorProcess]:
    with OperatorProcess(control_plane.kubeconfig, tmp_path, f"--namespaces={machines}") as process:
        process.wait_ready()
        yield process


def test_no_boot_fails_while_the_api_server_is_away_and_every_delivery_is_noted_afterwards(
    control_plane: ControlPlane, operator: OperatorProcess, machines: str
) -> None:
    with Boots(operator.url()) as boots:
        boots.complete_passes(1)
        control_plane.kill_api_server()
        boots.complete_passes(3)
        control_plane.start_api_server()
        boots.complete_passes(3)
    assert boots.failures == []
    assert boots.answers >= 7 * 2 * MACHINES
    for number in range(MACHINES):
        for stage in ("IPXEScriptFetched", "IgnitionDataFetched"):
            wait_for(control_plane, machines, f"ipxebootconfig/machine-{number}", stage)


def test_a_machine_that_boots_only_while_the_api_server_is_away_is_noted_afterwards(
    control_plane: ControlPlane, operator: OperatorProcess, machines: str
) -> None:
    wait_for(control_plane, machines, "ipxebootconfig/machine-3", "Ready")
    control_plane.kill_api_server()
    with urllib.request.urlopen(f"{operator.url()}/ignition/{uuid(3)}", timeout=10) as response:
        assert response.read() == ignition(3)
    control_plane.start_api_server()
    wait_for(control_plane, machines, "ipxebootconfig/machine-3", "IgnitionDataFetched")
    assert condition(control_plane, machines, "ipxebootconfig/machine-3", "IPXEScriptFetched") == {}
    assert condition(control_plane, machines, "ipxebootconfig/machine-3", "Ready")["status"] == "True"


def test_an_api_server_that_hangs_does_not_keep_machines_waiting(
    control_plane: ControlPlane, operator: OperatorProcess, machines: str
) -> None:
    control_plane.pause_api_server()
    try:
        with Boots(operator.url()) as boots:
            boots.complete_passes(2)
    finally:
        control_plane.resume_api_server()
    assert boots.failures == []
    wait_for(control_plane, machines, "ipxebootconfig/machine-0", "IgnitionDataFetched")


def test_what_was_delivered_right_before_the_end_is_written_before_the_process_ends(
    control_plane: ControlPlane, operator: OperatorProcess, machines: str
) -> None:
    with urllib.request.urlopen(f"{operator.url()}/ignition/{uuid(5)}", timeout=10) as response:
        assert response.read() == ignition(5)
    assert operator.process.stop(30) == 0
    found = condition(control_plane, machines, "ipxebootconfig/machine-5", "IgnitionDataFetched")
    assert found["status"] == "True"


def test_an_operator_that_starts_without_an_api_server_answers_503_and_becomes_ready_later(
    control_plane: ControlPlane, machines: str, tmp_path: Path
) -> None:
    control_plane.kill_api_server()
    with OperatorProcess(control_plane.kubeconfig, tmp_path, f"--namespaces={machines}") as operator:
        try:
            for path in (f"/ipxe/{uuid(1)}", f"/ignition/{uuid(1)}", "/httpboot", "/ipxe"):
                with pytest.raises(urllib.error.HTTPError) as answer:
                    urllib.request.urlopen(operator.url() + path, timeout=2)
                assert answer.value.code == 503
                assert int(answer.value.headers["Retry-After"]) >= 1
                answer.value.close()
            with pytest.raises(urllib.error.HTTPError) as answer:
                urllib.request.urlopen(operator.url("health-probe-bind") + "/readyz", timeout=5)
            with answer.value:
                assert "informers failed: not synced" in answer.value.read().decode()
        finally:
            control_plane.start_api_server()
        operator.wait_ready()
        with urllib.request.urlopen(f"{operator.url()}/ignition/{uuid(1)}", timeout=10) as response:
            assert response.read() == ignition(1)
