"""Who may do what: the roles and bindings that are stored, evaluated for each request.

`Authorizer` decides; `Escalation` keeps users from granting what they do not have; `AggregationController` fills the
ClusterRoles that gather the rules of others; `bootstrap` makes the roles that a cluster begins with.

Guarantees: decisions and their texts are those of kube-apiserver with `--authorization-mode=RBAC`, and they follow
every write at once. Members of `system:masters` may do everything, whatever is stored.

Not promised: the roles of Kubernetes' own controllers and nodes are not there, as nobody here would use them; the
bootstrap roles are made where they are missing when the server starts, and nothing keeps them from being changed. Which
of several bindings a reason names is any of them at kube-apiserver, and here the first by name.
"""

from __future__ import annotations

from controller_runtime.envtest.apiserver.rbac.aggregation import AggregationController
from controller_runtime.envtest.apiserver.rbac.attributes import MASTERS, Attributes
from controller_runtime.envtest.apiserver.rbac.authorizer import Authorizer, Decision, Grants
from controller_runtime.envtest.apiserver.rbac.bootstrap import bootstrap
from controller_runtime.envtest.apiserver.rbac.escalation import Escalation

__all__ = [
    "MASTERS",
    "AggregationController",
    "Attributes",
    "Authorizer",
    "Decision",
    "Escalation",
    "Grants",
    "bootstrap",
]
