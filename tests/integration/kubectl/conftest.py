"""A server of its own: what kubectl lists of it must not depend on other tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from controller_runtime.envtest import ControlPlane, ControlPlaneOptions


@pytest.fixture(scope="package")
def control_plane() -> Iterator[ControlPlane]:
    """A server that collects garbage."""
    with ControlPlane(ControlPlaneOptions(garbage_collection=True)) as plane:
        yield plane
