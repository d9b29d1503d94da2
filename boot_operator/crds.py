"""The CRDs of the operator's kinds, made from the types themselves.

`make manifests` writes them to `config/crd/bases`. Standalone mode makes them when it starts: the package has no second
copy of them that could be stale. That takes 15 ms, and the types' sources, which every wheel has.
"""

from __future__ import annotations

from typing import Any

from api.v1alpha1 import HTTPBootConfig, IPXEBootConfig
from controller_runtime.apimachinery import Object
from controller_runtime.controllergen import AGE, PrinterColumn, custom_resource_definition

KINDS: tuple[type[Object], ...] = (HTTPBootConfig, IPXEBootConfig)
"""The kinds that the operator brings."""

_STATE = PrinterColumn(name="State", type="string", json_path=".status.state")


def definition(kind: type[Object]) -> dict[str, Any]:
    """The CustomResourceDefinition of one of `KINDS`.

    Raises:
        GenerationError: the sources of the types are not installed.
    """
    return custom_resource_definition(kind, columns=(_STATE, AGE))
