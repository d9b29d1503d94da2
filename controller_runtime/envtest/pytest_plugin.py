"""Fixtures that give tests an API server: `control_plane`, `control_plane_options` and `kube_namespace`.

Which one, the embedded or the real one, the variable ENVTEST_SERVER says. It is started when a test first asks for it
and stopped with the session. If the real one's programs are not installed, the tests fail with the command to run; they
are never skipped. A module that kills its server, or needs other
options, brings its own by a fixture of the same name:

    @pytest.fixture(scope="module")
    def control_plane():
        with ControlPlane(ControlPlaneOptions(users={"visitor": ["guests"]})) as plane:
            yield plane
"""

from collections.abc import Iterator

import pytest

from controller_runtime.envtest.controlplane import ControlPlane, ControlPlaneOptions
from controller_runtime.envtest.errors import AssetsMissingError


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
