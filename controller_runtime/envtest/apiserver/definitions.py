"""Definitions of custom kinds at work: kinds begin to be served, change, and go with all their objects.

What several controllers of the real server do one after the other happens here within the step that writes the
definition, so that whoever creates one can use its kind in the next request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.builtin.definitions import CLEANUP
from controller_runtime.envtest.apiserver.crds.definition import served_versions
from controller_runtime.envtest.apiserver.crds.names import is_established, settled_status
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.kinds import custom_types
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.store import Event, Key, Record, Store
from controller_runtime.envtest.apiserver.writer import DEFINITIONS, DeleteOptions, WriteOptions, Writer, timestamp

_MANAGER: Final = "kube-apiserver"

log = structlog.get_logger(__name__)


class DefinitionController:
    """Serves what definitions define.

    Args:
        store: has the definitions.
        registry: takes their kinds.
        writer: changes definitions and deletes objects.
        clock: the wall clock as metav1.Time.
    """

    def __init__(
        self, store: Store, registry: Registry, writer: Writer, *, clock: Callable[[], str] = timestamp
    ) -> None:
        self._store = store
        self._registry = registry
        self._writer = writer
        self._clock = clock
        self._served: dict[str, Mapping[str, Any]] = {}
        """Spec and accepted names of what is served, by name of the definition."""
        self._due: set[str] = set()
        self._wake = asyncio.Event()
        for record in store.list(DEFINITIONS):
            self._serve(forms.decode(record.raw))
            self._note_deletion(record)
        store.listen(self._observe)

    async def run(self) -> None:
        """Works until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._due:
                self._process(self._due.pop())
                await asyncio.sleep(0)

    @property
    def _type(self) -> ResourceType:
        type_ = self._registry.get("apiextensions.k8s.io", "v1", "customresourcedefinitions")
        assert type_ is not None
        return type_

    def _observe(self, event: Event) -> None:
        if event.resource != DEFINITIONS:
            if event.type == "DELETED" and event.resource in self._served:
                self._enqueue(event.resource)
            return
        if event.type == "DELETED":
            self._stop_serving(event.record.key.name)
            for record in self._store.list(DEFINITIONS):
                self._enqueue(record.key.name)
            return
        self._enqueue(event.record.key.name)

    def _enqueue(self, name: str) -> None:
        self._due.add(name)
        self._wake.set()

    def settle(self) -> None:
        """Does at once what definitions make due; called after each write."""
        while self._due:
            self._process(self._due.pop())

    def _note_deletion(self, record: Record) -> None:
        if record.is_marked:
            self._enqueue(record.key.name)

    def _process(self, name: str) -> None:
        record = self._store.get(DEFINITIONS, Key("", name))
        if record is None:
            return
        crd = forms.decode(record.raw)
        try:
            if record.is_marked:
                self._clean_up(name, crd)
            else:
                self._establish(name, crd)
        except StatusError as error:
            log.warning("a definition cannot be dealt with", name=name, error=str(error))

    # Names

    def _establish(self, name: str, crd: dict[str, Any]) -> None:
        others = [forms.decode(record.raw) for record in self._store.list(DEFINITIONS)]
        status = settled_status(crd, others, self._clock())
        if status != crd.get("status"):
            self._write_status(name, status)
            self._due.discard(name)
            crd = {**crd, "status": status}
        self._serve(crd)

    def _write_status(self, name: str, status: dict[str, Any]) -> None:
        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            obj["status"] = status
            return obj

        self._writer.patch(self._type, Key("", name), patch, WriteOptions(_MANAGER), "status")

    # Serving

    def _serve(self, crd: dict[str, Any]) -> None:
        name = crd["metadata"]["name"]
        if not is_established(crd):
            return
        known = {"spec": crd["spec"], "names": crd["status"]["acceptedNames"]}
        if self._served.get(name) == known:
            return
        if name in self._served:
            self._store.end_watches(name)
        self._registry.remove(name)
        self._registry.add(custom_types(served_versions(crd)))
        self._served[name] = known

    def _stop_serving(self, name: str) -> None:
        if self._served.pop(name, None) is not None:
            self._registry.remove(name)
            self._store.end_watches(name)

    # The end

    def _clean_up(self, name: str, crd: Mapping[str, Any]) -> None:
        if CLEANUP not in crd["metadata"].get("finalizers", ()):
            return
        type_ = next((each for each in self._registry if each.storage == name), None)
        self._say_terminating(name, crd)
        for record in self._store.list(name):
            if type_ is not None and not record.is_marked:
                self._writer.delete(type_, record.key, DeleteOptions())
        if self._store.count(name):
            return

        def patch(obj: dict[str, Any]) -> dict[str, Any]:
            left = [each for each in obj["metadata"].get("finalizers", ()) if each != CLEANUP]
            obj["metadata"]["finalizers"] = left
            return obj

        self._writer.patch(self._type, Key("", name), patch, WriteOptions(_MANAGER))

    def _say_terminating(self, name: str, crd: Mapping[str, Any]) -> None:
        conditions = (crd.get("status") or {}).get("conditions") or []
        if any(each["type"] == "Terminating" and each["status"] == "True" for each in conditions):
            return
        terminating = {
            "type": "Terminating",
            "status": "True",
            "lastTransitionTime": self._clock(),
            "reason": "InstanceDeletionInProgress",
            "message": "CustomResource deletion is in progress",
        }
        kept = [each for each in conditions if each["type"] != "Terminating"]
        self._write_status(name, {**(crd.get("status") or {}), "conditions": [*kept, terminating]})
