"""Namespaces that go: their content goes first, as kube-controller-manager's namespace controller does it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.store import Event, Key, Record, Store
from controller_runtime.envtest.apiserver.writer import DeleteOptions, WriteOptions, Writer, timestamp

BOOTSTRAP: Final = ("default", "kube-node-lease", "kube-public", "kube-system")
"""Namespaces that are always there."""
_MANAGER: Final = "kube-controller-manager"
_FINE: Final = {
    "NamespaceDeletionDiscoveryFailure": ("ResourcesDiscovered", "All resources successfully discovered"),
    "NamespaceDeletionGroupVersionParsingFailure": (
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    "NamespaceDeletionContentFailure": (
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
    "NamespaceContentRemaining": ("ContentRemoved", "All content successfully removed"),
    "NamespaceFinalizersRemaining": ("ContentHasNoFinalizers", "All content-preserving finalizers finished"),
}

log = structlog.get_logger(__name__)


class NamespaceController:
    """Empties namespaces that are to be deleted, and then lets them go.

    Args:
        store: has the objects.
        registry: has the kinds.
        writer: deletes and changes objects.
    """

    def __init__(self, store: Store, registry: Registry, writer: Writer) -> None:
        self._store = store
        self._registry = registry
        self._writer = writer
        self._terminating: set[str] = set()
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        store.listen(self._observe)
        for record in store.list("namespaces"):
            self._note(record)

    def bootstrap(self) -> None:
        """Creates the namespaces that are always there."""
        type_ = self._registry.get("", "v1", "namespaces")
        for name in BOOTSTRAP:
            if type_ is not None and self._store.get("namespaces", Key("", name)) is None:
                obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
                self._writer.create(type_, "", obj, WriteOptions("kube-apiserver"))

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                self._process(self._due.pop())
                await asyncio.sleep(0)

    def settle(self) -> bool:
        """Does at once what is due; returns whether anything was."""
        any_due = bool(self._due)
        while self._due:
            self._process(self._due.pop())
        return any_due

    def _observe(self, event: Event) -> None:
        if event.resource == "namespaces":
            if event.type == "DELETED":
                self._terminating.discard(event.record.key.name)
            else:
                self._note(event.record)
        elif self._terminating and event.record.key.namespace in self._terminating:
            self._enqueue(event.record.key.namespace)

    def _note(self, record: Record) -> None:
        if record.is_marked:
            self._terminating.add(record.key.name)
            self._enqueue(record.key.name)

    def _enqueue(self, name: str) -> None:
        self._due.add(name)
        self._wake.set()

    def _process(self, name: str) -> None:
        type_ = self._registry.get("", "v1", "namespaces")
        record = self._store.get("namespaces", Key("", name))
        if type_ is None or record is None or not record.is_marked:
            return
        types = list({each.storage: each for each in self._registry if each.namespaced}.values())
        for each in types:
            self._empty(each, name)
        remaining = self._remaining(types, name)
        try:
            self._report(type_, name, remaining)
            if not remaining:
                self._finalize(type_, name)
        except StatusError as error:
            log.warning("a namespace cannot be finalized", namespace=name, error=str(error))

    def _empty(self, type_: ResourceType, namespace: str) -> None:
        for record in self._store.list(type_.storage, namespace):
            try:
                self._writer.delete(type_, record.key, DeleteOptions(propagation="Background"))
            except StatusError as error:
                log.warning("cannot delete", resource=type_.storage, name=str(record.key), error=str(error))

    def _remaining(self, types: Iterable[ResourceType], namespace: str) -> dict[str, list[str]]:
        """Finalizers of what is left, by resource."""
        remaining = {}
        for type_ in types:
            records = self._store.list(type_.storage, namespace)
            if records:
                remaining[f"{type_.plural}.{type_.group}"] = [
                    finalizer
                    for record in records
                    for finalizer in forms.decode(record.raw)["metadata"].get("finalizers", ())
                ]
                remaining[f"{type_.plural}.{type_.group}"].insert(0, str(len(records)))
        return remaining

    def _report(self, type_: ResourceType, name: str, remaining: Mapping[str, list[str]]) -> None:
        """Writes into the namespace's conditions what it waits for; nothing if it waits for nothing."""
        if not remaining:
            return
        counts: dict[str, int] = {}
        for _, *finalizers in remaining.values():
            for finalizer in finalizers:
                counts[finalizer] = counts.get(finalizer, 0) + 1
        resources = ", ".join(
            f"{each} has {number} resource instances" for each, (number, *_) in sorted(remaining.items())
        )
        held = ", ".join(f"{each} in {number} resource instances" for each, number in sorted(counts.items()))
        wrong = {
            "NamespaceContentRemaining": ("SomeResourcesRemain", f"Some resources are remaining: {resources}"),
        }
        if held:
            wrong["NamespaceFinalizersRemaining"] = (
                "SomeFinalizersRemain",
                f"Some content in the namespace has finalizers remaining: {held}",
            )

        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            status = obj.setdefault("status", {})
            status["conditions"] = [_condition(status.get("conditions", ()), each, wrong) for each in _FINE]
            return obj

        self._writer.patch(type_, Key("", name), patch, WriteOptions(_MANAGER), "status")

    def _finalize(self, type_: ResourceType, name: str) -> None:
        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            left = [each for each in obj.get("spec", {}).get("finalizers", ()) if each != "kubernetes"]
            obj["spec"] = {"finalizers": left} if left else {}
            return obj

        self._writer.patch(type_, Key("", name), patch, WriteOptions(_MANAGER), "finalize")


def _condition(
    present: Iterable[Mapping[str, Any]], condition_type: str, wrong: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    reason, message = wrong.get(condition_type) or _FINE[condition_type]
    status = "True" if condition_type in wrong else "False"
    old = next((each for each in present if each["type"] == condition_type), None)
    unchanged = old is not None and old["status"] == status
    return {
        "type": condition_type,
        "status": status,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None and unchanged else timestamp(),
        "reason": reason,
        "message": message,
    }
