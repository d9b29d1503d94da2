"""The API server takes every form of schema that the generator writes."""

from __future__ import annotations

import pytest

from controller_runtime.controllergen import AGE, custom_resource_definition, to_yaml
from controller_runtime.envtest import ControlPlane
from tests.unit.controllergen.everything import Everything

pytestmark = pytest.mark.integration


@pytest.mark.kubectl
def test_every_form_is_structural_and_no_field_of_the_crd_is_unknown(control_plane: ControlPlane) -> None:
    crd = custom_resource_definition(Everything, columns=(AGE,), short_names=("ev",), categories=("all",))
    apply = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
    answer = control_plane.kubectl(*apply, stdin=to_yaml(crd))
    assert answer == "customresourcedefinition.apiextensions.k8s.io/everythings.example.com created (server dry run)\n"
