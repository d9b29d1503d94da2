"""The embedded API server within this process, for tests on the test's own loop: `InMemoryAPI`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from controller_runtime.apimachinery import Object, Resource, encode
from controller_runtime.envtest.apiserver.apiserver import APIServer
from controller_runtime.envtest.apiserver.exchange import Answer, Query, Request, Response, User
from controller_runtime.envtest.apiserver.store import HISTORY
from controller_runtime.envtest.controlplane import ADMIN
from controller_runtime.envtest.crds import read_crds
from controller_runtime.envtest.dispatcher_transport import DispatcherTransport
from controller_runtime.envtest.errors import ControlPlaneError, RequestError

_DEFINITIONS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_READS: Final = ("GET", "HEAD")
_BUILTIN_GROUPS: Final = frozenset(
    f"{group}.k8s.io"
    for group in (
        "admissionregistration",
        "apiextensions",
        "apiregistration",
        "authentication",
        "authorization",
        "certificates",
        "coordination",
        "discovery",
        "events",
        "flowcontrol.apiserver",
        "internal.apiserver",
        "networking",
        "node",
        "rbac.authorization",
        "resource",
        "scheduling",
        "storage",
        "storagemigration",
    )
)
"""Kubernetes' own among those with a dot; other groups in k8s.io are of CRDs."""
_LACKING: Final = "the embedded server does not have this built-in kind"


class InMemoryAPI:
    """An API server that tests reach without sockets, and change without waiting.

        api = InMemoryAPI(Gadget, namespaces=["lab"])
        api.create(Gadget, "a", "lab", spec={"size": 1})
        manager = Manager(api.transport())

    Validation, RBAC, server-side apply, pages, watches, bookmarks and 410s are the embedded server's. All its time is
    the running loop's; on virtual time, so are its timestamps, which begin with the wall clock. What writes make due
    (garbage collection, the end of a namespace) happens in the loop's next turn. Nothing needs to be closed.

    Args:
        kinds: Served as custom resources whose fields may be anything, with the subresource status where the class has
            such a field. `install_crds` takes true schemas.
        namespaces: Created beside `default`.
        users: Further users and their groups, for `transport`. RBAC decides what they may do.
        history: Writes that watches and pages may go back.

    Attributes:
        server: The server behind it.
    """

    def __init__(
        self,
        *kinds: type[Object],
        namespaces: Iterable[str] = (),
        users: Mapping[str, Sequence[str]] | None = None,
        history: int = HISTORY,
    ) -> None:
        groups = {**(users or {}), ADMIN: ("system:masters",)}
        self._tokens = {user: f"token-of-{user}" for user in groups}
        known = {self._tokens[user]: User(user, tuple(groups[user]), user) for user in groups}
        self.server = APIServer(known, history=history, clock=_LoopClock())
        self.serve(*kinds)
        for namespace in namespaces:
            self.create_namespace(namespace)

    def transport(self, user: str = ADMIN, *, token: str = "") -> DispatcherTransport:
        """A new transport.

        Args:
            user: Who asks: `ADMIN`, or one of the option `users`.
            token: Of a ServiceAccount, in place of a user's.

        Raises:
            ControlPlaneError: There is no such user.
        """
        if user not in self._tokens:
            raise ControlPlaneError(f"there is no user {user} (only {', '.join(self._tokens)}): name it in users=")
        return DispatcherTransport(self._dispatch, token=token or self._tokens[user])

    def _dispatch(self, request: Request) -> Answer:
        answer = self.server.dispatcher.dispatch(request)
        if request.method not in _READS:
            asyncio.get_running_loop().call_soon(self.server.settle)
        return answer

    # What happens in the cluster

    def create(self, kind: type[Object], name: str, namespace: str = "", **fields: Any) -> dict[str, Any]:
        """Create an object at once and return it as it is stored.

        Args:
            kind: Of what kind, which has to be served.
            name: Its name.
            namespace: Its namespace; empty for cluster-scoped kinds.
            fields: Its JSON; `labels`, `annotations`, `finalizers` and `ownerReferences` go into its metadata.

        Raises:
            RequestError: The server refuses it.
            ControlPlaneError: The kind is not served, or a namespace is missing.
        """
        metadata: dict[str, Any] = {"name": name}
        for part in ("labels", "annotations", "finalizers", "ownerReferences"):
            if part in fields:
                metadata[part] = fields.pop(part)
        document = _head(kind.resource) | {"metadata": metadata, **fields}
        created: dict[str, Any] = self.request("POST", self._path(kind, namespace), document)
        return created

    def update(
        self, kind: type[Object], name: str, namespace: str = "", *, subresource: str = "", **fields: Any
    ) -> dict[str, Any]:
        """Replace fields of an object at once and return it; `fields` are JSON. Raises what `create` does."""
        path = self._path(kind, namespace, name)
        document = self.request("GET", path) | fields
        updated: dict[str, Any] = self.request("PUT", f"{path}/{subresource}" if subresource else path, document)
        return updated

    def delete(self, kind: type[Object], name: str, namespace: str = "") -> None:
        """Delete an object at once; one with finalizers is only marked for it. Raises what `create` does."""
        self.request("DELETE", self._path(kind, namespace, name))

    def list(self, kind: type[Object], namespace: str = "") -> list[dict[str, Any]]:
        """All objects of a kind as they are stored, by namespace and name.

        Raises:
            ControlPlaneError: The kind is not served.
        """
        self._check_served(kind)
        found: list[dict[str, Any]] = self.request("GET", kind.resource.path(namespace))["items"]
        return found

    def _path(self, kind: type[Object], namespace: str, name: str = "") -> str:
        self._check_served(kind)
        if kind.resource.namespaced and not namespace:
            raise ControlPlaneError(
                f"{kind.__name__} is a namespaced kind: give the namespace of {name or 'the object'}"
            )
        return kind.resource.path(namespace, name)

    def _check_served(self, kind: type[Object]) -> None:
        resource = kind.resource
        if self.server.registry.get(resource.group, resource.version, resource.plural) is None:
            remedy = _LACKING if _is_builtin(resource) else f"call serve({kind.__name__})"
            raise ControlPlaneError(f"{kind.__name__} is not served: {remedy}")

    def create_namespace(self, name: str) -> None:
        """Create a namespace. Raises RequestError."""
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def install_crds(self, paths: Iterable[Path]) -> None:
        """Create CRDs, which are served at once.

        Args:
            paths: Files of CRDs, or directories of such files.

        Raises:
            CRDError: A file holds no CRD.
            RequestError: The server refuses one.
        """
        for crd in read_crds(paths):
            self.request("POST", _DEFINITIONS, crd)

    def serve(self, *kinds: type[Object]) -> None:
        """Serve kinds as custom resources whose fields may be anything.

        Raises:
            RequestError: The server refuses one.
            ControlPlaneError: One is a built-in kind, which cannot be served so.
        """
        for kind in kinds:
            if _is_builtin(kind.resource):
                self._check_served(kind)
                raise ControlPlaneError(f"{kind.__name__} is a built-in kind, and served already")
            self.request("POST", _DEFINITIONS, _definition(kind))

    @property
    def revision(self) -> int:
        """The last write's resourceVersion."""
        return self.server.store.revision

    def compact(self) -> None:
        """Forget the history: pages and watches from before now are answered with 410. Open watches go on."""
        self.server.store.compact()

    def request(self, method: str, path: str, body: object = None, *, content_type: str = "application/json") -> Any:
        """Send a request as `ADMIN`, at once, and return the decoded answer.

        Args:
            method: HTTP method.
            path: Path with query.
            body: Sent as JSON; None sends nothing.
            content_type: Of the body.

        Raises:
            RequestError: The answer's status is 400 or above.
        """
        parts = urlsplit(path)
        headers = {"authorization": f"Bearer {self._tokens[ADMIN]}", "content-type": content_type}
        content = b"" if body is None else encode(body)
        answer = self.server.dispatcher.dispatch(Request(method, parts.path, Query(parts.query), headers, content))
        assert isinstance(answer, Response), "a watch is for a transport"
        if answer.status >= 400:
            raise RequestError(method, path, answer.status, _message(answer.body))
        if method not in _READS:
            self.server.settle()
        return msgspec.json.decode(answer.body)


def _is_builtin(resource: Resource) -> bool:
    return "." not in resource.group or resource.group in _BUILTIN_GROUPS


def _message(body: bytes) -> str:
    try:
        return str(msgspec.json.decode(body)["message"])
    except msgspec.DecodeError:
        return body.decode(errors="replace").strip()


def _head(resource: Resource) -> dict[str, Any]:
    return {"apiVersion": resource.api_version, "kind": resource.kind}


def _definition(kind: type[Object]) -> dict[str, Any]:
    """A CustomResourceDefinition that takes whatever the kind may be."""
    resource = kind.resource
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version: dict[str, Any] = {"name": resource.version, "served": True, "storage": True}
    version["schema"] = {"openAPIV3Schema": schema}
    if "status" in kind.__struct_fields__:
        version["subresources"] = {"status": {}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.qualified_plural},
        "spec": {
            "group": resource.group,
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "names": {"kind": resource.kind, "plural": resource.plural},
            "versions": [version],
        },
    }


class _LoopClock:
    """Seconds since the epoch: the wall clock until a loop runs, from then on that moment plus the loop's time.

    A loop whose time begins anew, as between an asynchronous fixture and a test on virtual time, counts as another one.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = 0.0
        self._latest = 0.0

    def __call__(self) -> float:
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return time.time() if self._loop is None else self._began + self._loop.time()
        now = loop.time()
        if loop is not self._loop or now < self._latest:
            self._loop, self._began = loop, time.time() - now
        self._latest = now
        return self._began + now
