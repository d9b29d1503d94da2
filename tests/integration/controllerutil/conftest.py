"""A client to the control plane, and a kind with a status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller_runtime.client import AiohttpTransport, Client, load_config
from controller_runtime.envtest import ControlPlane

asyncio.set_event_loop(None)  # see tests/unit/client/conftest.py


@pytest.fixture(scope="session")
def gadgets_crd(control_plane: ControlPlane) -> None:
    """Have the server serve `Gadget`."""
    control_plane.install_crds([Path(__file__).with_name("gadgets.yaml")])


@pytest.fixture
async def client(control_plane: ControlPlane) -> AsyncIterator[Client]:
    """Yield a client that may do everything."""
    transport = AiohttpTransport(await load_config(str(control_plane.kubeconfig)))
    yield Client(transport, field_owner="controllerutil-tests")
    await transport.close()
