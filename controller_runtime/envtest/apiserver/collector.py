"""Owner garbage collection: what kube-controller-manager's garbage collector does, within the server.

Everything that a write may have made due is queued and looked at in a later turn of the loop, each object by itself and
as it is then, so that the order in which things happen does not matter.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import structlog

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.store import Event, Key, Record, Store
from controller_runtime.envtest.apiserver.writer import FOREGROUND, ORPHAN, DeleteOptions, WriteOptions, Writer

_MANAGER: Final = "kube-controller-manager"

log = structlog.get_logger(__name__)


class _Node(NamedTuple):
    """One object."""

    storage: str
    key: Key


class GarbageCollector:
    """Deletes what has lost its owners, and lets owners go that wait for what they own.

    Args:
        store: has the objects.
        registry: has the kinds; an owner of a kind that is not served counts as there.
        writer: deletes and changes objects.
    """

    def __init__(self, store: Store, registry: Registry, writer: Writer) -> None:
        self._store = store
        self._registry = registry
        self._writer = writer
        self._dependents: dict[str, set[_Node]] = {}
        """By the owner's uid."""
        self._due: OrderedDict[_Node, None] = OrderedDict()
        self._wake = asyncio.Event()
        for type_ in {each.storage: each for each in registry}.values():
            for record in store.list(type_.storage):
                self._link(_Node(type_.storage, record.key), record)
                self._enqueue(_Node(type_.storage, record.key))
        store.listen(self._observe)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._wake.wait()
            while self._due:
                node, _ = self._due.popitem(last=False)
                self._process(node)
                await asyncio.sleep(0)
            self._wake.clear()

    def settle(self) -> bool:
        """Does at once what is due; returns whether anything was."""
        any_due = bool(self._due)
        while self._due:
            node, _ = self._due.popitem(last=False)
            self._process(node)
        return any_due

    # What writes make due

    def _observe(self, event: Event) -> None:
        node = _Node(event.resource, event.record.key)
        if event.previous is not None and event.previous.owners:
            self._unlink(node, event.previous)
        if event.type == "DELETED":
            self._enqueue_all(self._dependents.get(event.record.uid, ()))
            self._enqueue_all(self._owners_of(event.record))
            return
        if event.record.owners:
            self._link(node, event.record)
            self._enqueue(node)
        if event.record.is_marked:
            self._enqueue(node)
        if event.previous is not None and event.previous.owners:
            self._enqueue_all(self._owners_of(event.previous))

    def _link(self, node: _Node, record: Record) -> None:
        for uid in record.owners:
            self._dependents.setdefault(uid, set()).add(node)

    def _unlink(self, node: _Node, record: Record) -> None:
        for uid in record.owners:
            nodes = self._dependents.get(uid)
            if nodes is not None:
                nodes.discard(node)
                if not nodes:
                    del self._dependents[uid]

    def _owners_of(self, record: Record) -> Iterator[_Node]:
        for reference in forms.decode(record.raw)["metadata"].get("ownerReferences", ()):
            found = self._owner(reference, record.key.namespace)
            if isinstance(found, tuple):
                yield found[0]

    def _enqueue(self, node: _Node) -> None:
        self._due[node] = None
        self._wake.set()

    def _enqueue_all(self, nodes: Iterable[_Node]) -> None:
        for node in list(nodes):
            self._enqueue(node)

    # One object

    def _process(self, node: _Node) -> None:
        record = self._store.get(node.storage, node.key)
        type_ = self._type(node.storage)
        if record is None or type_ is None:
            return
        metadata = forms.decode(record.raw)["metadata"]
        finalizers = metadata.get("finalizers", ())
        try:
            if "deletionTimestamp" in metadata:
                if ORPHAN in finalizers:
                    self._orphan(type_, node, metadata)
                elif FOREGROUND in finalizers:
                    self._wait_for_dependents(type_, node, metadata)
            elif metadata.get("ownerReferences"):
                self._collect(type_, node, metadata)
        except StatusError as error:
            log.warning("garbage collection failed", resource=node.storage, name=str(node.key), error=str(error))

    def _type(self, storage: str) -> ResourceType | None:
        return next((each for each in self._registry if each.storage == storage), None)

    def _collect(self, type_: ResourceType, node: _Node, metadata: Mapping[str, Any]) -> None:
        """Deletes an object without an owner that is there; else takes the other owners off it."""
        solid, dangling, waiting = self._classified(metadata["ownerReferences"], node.key.namespace)
        if solid:
            if dangling or waiting:
                self._take_off(type_, node, {*dangling, *waiting})
            return
        if waiting and self._dependents.get(metadata["uid"]):
            policy = "Foreground"
        elif ORPHAN in metadata.get("finalizers", ()):
            policy = "Orphan"
        elif FOREGROUND in metadata.get("finalizers", ()):
            policy = "Foreground"
        else:
            policy = "Background"
        self._writer.delete(type_, node.key, DeleteOptions(uid=metadata["uid"], propagation=policy))

    def _classified(
        self, references: Iterable[Mapping[str, Any]], namespace: str
    ) -> tuple[list[str], list[str], list[str]]:
        """Uids of owners that are there, that are not, and that wait to be deleted."""
        solid: list[str] = []
        dangling: list[str] = []
        waiting: list[str] = []
        for reference in references:
            found, uid = self._owner(reference, namespace), reference["uid"]
            if found is None:
                dangling.append(uid)
            elif isinstance(found, str):
                solid.append(uid)
            else:
                _, metadata = found
                waits = "deletionTimestamp" in metadata and FOREGROUND in metadata.get("finalizers", ())
                (waiting if waits else solid).append(uid)
        return solid, dangling, waiting

    def _owner(self, reference: Mapping[str, Any], namespace: str) -> tuple[_Node, dict[str, Any]] | str | None:
        """The owner and its metadata; None if there is no such object, "unknown" if its kind is not served."""
        type_ = self._registry.of_kind(str(reference.get("apiVersion", "")), str(reference.get("kind", "")))
        if type_ is None:
            return "unknown"
        if type_.namespaced and not namespace:
            return "unknown"  # a cluster-scoped object cannot have it as its owner; the real collector leaves it alone
        node = _Node(type_.storage, Key(namespace if type_.namespaced else "", str(reference.get("name", ""))))
        record = self._store.get(node.storage, node.key)
        if record is None or record.uid != reference.get("uid"):
            return None
        return node, forms.decode(record.raw)["metadata"]

    def _orphan(self, type_: ResourceType, node: _Node, metadata: Mapping[str, Any]) -> None:
        for dependent in list(self._dependents.get(metadata["uid"], ())):
            dependent_type = self._type(dependent.storage)
            if dependent_type is not None:
                self._take_off(dependent_type, dependent, {metadata["uid"]})
        self._drop_finalizer(type_, node, ORPHAN)

    def _wait_for_dependents(self, type_: ResourceType, node: _Node, metadata: Mapping[str, Any]) -> None:
        """Lets the owner go once nothing is left that blocks it; hurries what is left."""
        blocking = []
        for dependent in self._dependents.get(metadata["uid"], ()):
            record = self._store.get(dependent.storage, dependent.key)
            if record is None:
                continue
            references = forms.decode(record.raw)["metadata"].get("ownerReferences", ())
            if any(each["uid"] == metadata["uid"] and each.get("blockOwnerDeletion") for each in references):
                blocking.append(dependent)
        if blocking:
            self._enqueue_undeleted(blocking)
        else:
            self._drop_finalizer(type_, node, FOREGROUND)

    def _enqueue_undeleted(self, nodes: Iterable[_Node]) -> None:
        for node in nodes:
            record = self._store.get(node.storage, node.key)
            if record is not None and not record.is_marked:
                self._enqueue(node)

    def _take_off(self, type_: ResourceType, node: _Node, owners: set[str]) -> None:
        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            left = [each for each in obj["metadata"].get("ownerReferences", ()) if each["uid"] not in owners]
            _set_or_drop(obj["metadata"], "ownerReferences", left)
            return obj

        self._writer.patch(type_, node.key, patch, WriteOptions(_MANAGER))

    def _drop_finalizer(self, type_: ResourceType, node: _Node, finalizer: str) -> None:
        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            left = [each for each in obj["metadata"].get("finalizers", ()) if each != finalizer]
            _set_or_drop(obj["metadata"], "finalizers", left)
            return obj

        self._writer.patch(type_, node.key, patch, WriteOptions(_MANAGER))


def _set_or_drop(metadata: dict[str, Any], name: str, values: list[Any]) -> None:
    if values:
        metadata[name] = values
    else:
        metadata.pop(name, None)
