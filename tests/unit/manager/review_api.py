"""An API server that is asked for reviews, two accounts, and the way there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from controller_runtime.apimachinery import Object
from controller_runtime.client import ApiResponse
from controller_runtime.envtest import Call, InMemoryAPI, Interceptor
from controller_runtime.envtest.effects import Proceed

SCRAPER = "system:serviceaccount:monitoring:scraper"
"""May get /metrics and /extra."""
VISITOR = "system:serviceaccount:monitoring:visitor"
"""May not."""
_ACCOUNTS = "/api/v1/namespaces/monitoring/serviceaccounts"
_RBAC = "/apis/rbac.authorization.k8s.io/v1"


class ReviewApi(InMemoryAPI):
    """The API server.

    Attributes:
        net: the transport; what it answers or breaks goes to the caller at once.
        tokens: of the accounts `scraper` and `visitor`.
        gate: requests wait for it.
        arrived: set by each request.
    """

    def __init__(self) -> None:
        super().__init__(namespaces=["monitoring"])
        self.net = Interceptor(self.transport(), retries=False)
        self.tokens = {name: self._account(name) for name in ("scraper", "visitor")}
        self.gate = asyncio.Event()
        self.gate.set()
        self.arrived = asyncio.Event()
        self.net.on("create", self._hold)
        rule = {"nonResourceURLs": ["/metrics", "/extra"], "verbs": ["get"]}
        self.request("POST", f"{_RBAC}/clusterroles", {"metadata": {"name": "metrics"}, "rules": [rule]})
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "metrics"}
        subject = {"kind": "ServiceAccount", "namespace": "monitoring", "name": "scraper"}
        binding = {"metadata": {"name": "metrics"}, "roleRef": role, "subjects": [subject]}
        self.request("POST", f"{_RBAC}/clusterrolebindings", binding)

    def _account(self, name: str) -> str:
        self.request("POST", _ACCOUNTS, {"metadata": {"name": name}})
        token: str = self.request("POST", f"{_ACCOUNTS}/{name}/token", {"spec": {}})["status"]["token"]
        return token

    def asked(self, kind: type[Object]) -> list[dict[str, Any]]:
        """The reviews that came, oldest first."""
        return [json.loads(call.request.body or b"") for call in self.net.requested("create", kind=kind)]

    async def _hold(self, call: Call, proceed: Proceed) -> ApiResponse:
        self.arrived.set()
        await self.gate.wait()
        return await proceed(call.request)
