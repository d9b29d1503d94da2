"""ServiceAccounts that may do different things, and a manager that runs as one of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import structlog
import yaml
from structlog.typing import EventDict

from controller_runtime.client import AiohttpTransport, load_config
from controller_runtime.envtest import ControlPlane
from controller_runtime.envtest.connection import AdminConnection
from controller_runtime.manager import Manager

asyncio.set_event_loop(None)  # see tests/unit/client/conftest.py

RBAC = Path(__file__).parents[3] / "config" / "rbac"
RIGHTS = "/apis/rbac.authorization.k8s.io/v1"
DEADLINE = 30
"""Seconds after which what was waited for has failed."""


class Accounts:
    """ServiceAccounts of one namespace, and what they are granted in the cluster.

    Args:
        plane: the control plane.
        namespace: of the accounts.
    """

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._admin = AdminConnection(urlsplit(plane.url).port or 0, plane.ca_file, plane.token)

    def create(self, name: str) -> None:
        self._admin.request(
            "POST", f"/api/v1/namespaces/{self._namespace}/serviceaccounts", {"metadata": {"name": name}}
        )

    def kubeconfig(self, name: str) -> Path:
        return self._plane.kubeconfig_for_service_account(self._namespace, name)

    def token(self, name: str) -> str:
        return str(yaml.safe_load(self.kubeconfig(name).read_text())["users"][0]["user"]["token"])

    def username(self, name: str) -> str:
        return f"system:serviceaccount:{self._namespace}:{name}"

    def grant(self, name: str, file: str) -> None:
        """Binds the ClusterRole of a file in config/rbac, and waits until the API server goes by that."""
        (role,) = yaml.safe_load_all((RBAC / file).read_text(encoding="utf-8"))
        self._admin.request(
            "PATCH",
            f"{RIGHTS}/clusterroles/{role['metadata']['name']}?fieldManager=tests&force=true",
            role,
            content_type="application/apply-patch+yaml",
        )
        binding = {
            "metadata": {"name": f"{self._namespace}-{name}-{role['metadata']['name']}"},
            "roleRef": {
                "apiGroup": "rbac.authorization.k8s.io",
                "kind": "ClusterRole",
                "name": role["metadata"]["name"],
            },
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self._namespace}],
        }
        self._admin.request("POST", f"{RIGHTS}/clusterrolebindings", binding)
        for rule in role["rules"]:
            self._until_allowed(name, rule)

    def _until_allowed(self, name: str, rule: dict[str, Any]) -> None:
        if "nonResourceURLs" in rule:
            asked = {"nonResourceAttributes": {"path": rule["nonResourceURLs"][0], "verb": rule["verbs"][0]}}
        else:
            group, resource = rule["apiGroups"][0], rule["resources"][0]
            asked = {"resourceAttributes": {"group": group, "resource": resource, "verb": rule["verbs"][0]}}
        review = {"spec": {"user": self.username(name), **asked}}
        for _ in range(1000):  # each takes a round trip
            answer = self._admin.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            if answer["status"]["allowed"]:
                return
        raise AssertionError(f"{name} did not get {json.dumps(rule)}")


@pytest.fixture
def accounts(control_plane: ControlPlane, kube_namespace: str) -> Accounts:
    """Yields an operator that may review, a scraper that may scrape, and a visitor that may nothing."""
    made = Accounts(control_plane, kube_namespace)
    for name in ("operator", "scraper", "visitor"):
        made.create(name)
    made.grant("scraper", "metrics_reader_role.yaml")
    return made


@contextlib.asynccontextmanager
async def running(kubeconfig: Path, **options: Any) -> AsyncIterator[Manager]:
    """A manager that acts as the owner of the kubeconfig."""
    manager = Manager(AiohttpTransport(await load_config(str(kubeconfig))), **options)
    task = asyncio.create_task(manager.start())
    try:
        yield manager
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


class LogLines:
    """The log of the test: a structlog processor that keeps the lines, for whoever waits for one."""

    def __init__(self) -> None:
        self.lines: list[EventDict] = []
        self._changed = asyncio.Event()

    def __call__(self, logger: Any, method: str, line: EventDict) -> EventDict:
        self.lines.append({**line, "level": method})
        self._changed.set()
        raise structlog.DropEvent

    async def until(self, event: str) -> None:
        """Returns when the event has been logged."""
        async with asyncio.timeout(DEADLINE):
            while not any(line["event"] == event for line in self.lines):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
def logs() -> Iterator[LogLines]:
    """Yields the log lines of the test."""
    processors = structlog.get_config()["processors"]
    before, lines = list(processors), LogLines()
    processors[:] = [lines]  # in place, because loggers that are bound already keep the list
    yield lines
    processors[:] = before
