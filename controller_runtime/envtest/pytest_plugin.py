"""Fixtures that give tests an API server, and faults on the way to it.

**A server in a process of its own**: `control_plane`, `control_plane_options` and `kube_namespace`.

    def test_apply(control_plane, kube_namespace):
        control_plane.kubectl("apply", "-n", kube_namespace, "-f", "config/samples")

Which one, the embedded or the real one, the variable ENVTEST_SERVER says. It is started when a test first asks for it
and stopped with the session. If the real one's programs are not installed, the tests fail with the command to run; they
are never skipped. A module that kills its server, or needs other options, brings its own by a fixture of the same name:

    @pytest.fixture(scope="module")
    def control_plane():
        with ControlPlane(ControlPlaneOptions(users={"visitor": ["guests"]})) as plane:
            yield plane

**Faults on sockets**: `fault_proxy`, a `FaultProxy` in front of `control_plane`, new for each test.

    def test_conflicts(fault_proxy, kube_namespace):
        fault_proxy.fail("update", 409, kind=Widget, times=2)
        run_operator("--kubeconfig", fault_proxy.kubeconfig)
        assert len(fault_proxy.requested("update")) == 3

**A server in the test's process**: `in_memory_api`, an `InMemoryAPI`, new for each test, in some 30 ms.

    async def test_reconcile(in_memory_api):
        in_memory_api.serve(Widget)
        in_memory_api.create(Widget, "a", "default", spec={"size": 1})
        client = Client(in_memory_api.transport())
        await WidgetReconciler(client).reconcile(Request("default", "a"))
        assert in_memory_api.list(Widget)[0]["status"] == {"ready": True}

**Faults in the test's process**: `interceptor`, an `Interceptor` in front of `in_memory_api`.

    async def test_lost_answer(in_memory_api, interceptor):
        interceptor.reset("create", carried_out=True, times=1)
        manager = Manager(interceptor)
        ...

Rules of both with a probability take random numbers that are the same for each test.

**Virtual time**: the last two have no clock but the running loop's. A loop whose time jumps to what is next runs hours
of bookmarks and back-offs in an instant, and of elections whose `LeaderElection(clock=...)` is the loop's `time`. Any
such loop will do; this package brings none. With the plug-ins pytest-asyncio and looptime it is a marker:

    @pytest.mark.looptime
    async def test_resync(in_memory_api):
        ...
        await asyncio.sleep(36_000)
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from controller_runtime.envtest.controlplane import ControlPlane, ControlPlaneOptions
from controller_runtime.envtest.errors import AssetsMissingError

if TYPE_CHECKING:
    # Loaded by the tests that ask for them: pytest loads this plug-in for all.
    from controller_runtime.envtest.fault_proxy import FaultProxy
    from controller_runtime.envtest.in_memory import InMemoryAPI
    from controller_runtime.envtest.interceptor import Interceptor

_SEED = 0


@pytest.fixture(scope="session")
def control_plane_options() -> ControlPlaneOptions:
    """Return how `control_plane` is started; a conftest.py overrides it."""
    return ControlPlaneOptions()


@pytest.fixture(scope="session")
def control_plane(control_plane_options: ControlPlaneOptions) -> Iterator[ControlPlane]:
    """Yield a running control plane that the whole session shares; nothing removes what a test leaves in it."""
    plane = ControlPlane(control_plane_options)
    try:
        plane.start()
    except AssetsMissingError as error:
        pytest.fail(str(error), pytrace=False)
    try:
        yield plane
    finally:
        plane.stop()


@pytest.fixture
def kube_namespace(control_plane: ControlPlane) -> str:
    """Return the name of a new, empty namespace."""
    return control_plane.create_namespace()


@pytest.fixture
def fault_proxy(control_plane: ControlPlane) -> Iterator[FaultProxy]:
    """Yield a running proxy in front of the control plane, without faults yet."""
    from controller_runtime.envtest.fault_proxy import FaultProxy

    with FaultProxy(control_plane.kubeconfig, chance=random.Random(_SEED)) as proxy:
        yield proxy


@pytest.fixture
def in_memory_api() -> InMemoryAPI:
    """Return a new API server within this process; a conftest.py overrides it to serve kinds."""
    from controller_runtime.envtest.in_memory import InMemoryAPI

    return InMemoryAPI()


@pytest.fixture
def interceptor(in_memory_api: InMemoryAPI) -> Interceptor:
    """Return a transport to `in_memory_api`, without faults yet."""
    from controller_runtime.envtest.interceptor import Interceptor

    return Interceptor(in_memory_api.transport(), chance=random.Random(_SEED))
