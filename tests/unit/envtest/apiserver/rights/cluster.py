"""A server with an administrator and a user who has nothing yet, and rights to give to that user."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from controller_runtime.envtest.apiserver.apiserver import APIServer
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.store import Disk
from tests.unit.envtest.apiserver.core.lab import ADMIN, TOKEN, Lab

GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{GROUP}/v1"
USER = "x"
"""Name and token of the user, who is in the group g."""


class Cluster(Lab):
    """One server.

    Args:
        disk: keeps its objects.
        key: signs tokens of ServiceAccounts.
    """

    def __init__(self, disk: Disk | None = None, key: bytes | None = None) -> None:
        self.api = APIServer({TOKEN: ADMIN, USER: User(USER, ("g",), "uid")}, disk=disk, signing_key=key)

    def bind(self, *rules: dict[str, Any], namespace: str = "", name: str = "r", kind: str = "ClusterRole") -> None:
        """Gives rules to the user, in one namespace or everywhere."""
        place = f"{RBAC}/namespaces/{namespace}" if namespace else RBAC
        roles = place if kind == "Role" else RBAC
        self.create(f"{roles}/{kind.lower()}s", {"metadata": {"name": name}, "rules": list(rules)})
        bindings = "rolebindings" if namespace else "clusterrolebindings"
        self.create(
            f"{place}/{bindings}",
            {
                "metadata": {"name": name},
                "roleRef": {"kind": kind, "name": name},
                "subjects": [{"kind": "User", "name": USER}],
            },
        )

    def refusal(self, method: str, path: str, body: Any = None, **options: Any) -> str:
        """Why the user may not do it."""
        message: str = self.json(method, path, body, status=403, token=USER, **options)["message"]
        return message


def rule(
    resources: str | Sequence[str], verbs: str | Sequence[str] = "get", group: str = "", **more: Any
) -> dict[str, Any]:
    """A rule about resources."""
    return {
        "apiGroups": [group],
        "resources": [resources] if isinstance(resources, str) else list(resources),
        "verbs": [verbs] if isinstance(verbs, str) else list(verbs),
        **more,
    }
