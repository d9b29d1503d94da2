"""The kinds of Kubernetes itself that are served here.

They are Namespace, Secret, ConfigMap, ServiceAccount, Service, Event (in two groups), Lease,
CustomResourceDefinition, and the roles and bindings of RBAC. `builtin_kinds` lists them, each with its schema, its
strategy, its columns and what field selectors may ask for. `COMPONENTS` holds the schemas, as Kubernetes publishes
them.

Guarantees: schemas have the structure of kube-apiserver's own OpenAPI; messages are its own; objects come back in the
form into which its Go types would have brought them.

Not promised: that anybody acts on these objects (no endpoints, no token controller); that certificates in Secrets are
looked into; that a cluster has IPv6.
"""

from __future__ import annotations

from controller_runtime.envtest.apiserver.builtin.components import COMPONENTS
from controller_runtime.envtest.apiserver.builtin.kinds import BuiltinKind, builtin_kinds

__all__ = ["COMPONENTS", "BuiltinKind", "builtin_kinds"]
