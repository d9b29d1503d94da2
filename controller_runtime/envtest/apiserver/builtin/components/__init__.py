"""OpenAPI v3 of Kubernetes' own kinds that are served here: fields, types and merge rules as Kubernetes publishes them.

The descriptions are our own. Names are Kubernetes' (`io.k8s.api.core.v1.ServicePort`), and schemas refer to one another
by `#/components/schemas/NAME`. What they enumerate and require is for readers: the API server enforces other rules.
"""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components import (
    apiextensions,
    authentication,
    authorization,
    coordination,
    core,
    events,
    meta,
    rbac,
    selectors,
)
from controller_runtime.envtest.apiserver.builtin.components.terms import Schema

COMPONENTS: Final[dict[str, Schema]] = {
    **meta.COMPONENTS,
    **selectors.COMPONENTS,
    **core.COMPONENTS,
    **events.COMPONENTS,
    **coordination.COMPONENTS,
    **apiextensions.COMPONENTS,
    **rbac.COMPONENTS,
    **authentication.COMPONENTS,
    **authorization.COMPONENTS,
}
