"""Judging a boot configuration of either kind."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec
import structlog

from api.v1alpha1 import BootConfig, BootConfigStatus, ConditionType, Reason, State
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import Condition, NamespacedName, Object, find_condition, set_condition
from controller_runtime.builder import ControllerBuilder
from controller_runtime.cache import Cache
from controller_runtime.client import Client, NotFoundError, patch_status
from controller_runtime.controller import ControllerOptions, Request, Result
from controller_runtime.manager import Manager
from controller_runtime.recorder import EventRecorder
from machines import BootError, Machines, NotAvailableYetError

log = structlog.get_logger(__name__)
ConfigT = TypeVar("ConfigT", bound=BootConfig)

_VALID = "The machine can boot with this configuration."
_ACTION = "Verify"
_WORKERS = 4
_ASK_AGAIN_SECONDS = 30.0  # where a Secret could not be read; in between it is fetched again anyway
_SECRETS = "secrets"
"""Index of configurations by the `namespace/name` of the Secrets that they refer to."""


def _referenced_secrets(config: BootConfig) -> list[str]:
    return [str(NamespacedName(config.metadata.namespace, name)) for name in config.secret_names]


class BootConfigReconciler(Generic[ConfigT]):
    """Writes into the status of a configuration whether it can be served.

    What is missing needs no retry: the Secret's appearance, or a rival's end, is a change that leads to a new run. Only
    what could not be found out is asked again.
    """

    def __init__(
        self, kind: type[ConfigT], client: Client, cache: Cache, machines: Machines, events: EventRecorder
    ) -> None:
        self._kind = kind
        self._client = client
        self._cache = cache
        self._machines = machines
        self._events = events

    async def reconcile(self, request: Request) -> Result | None:
        """One run.

        Raises:
            ClientError: the status could not be written.
        """
        config = self._cache.get(self._kind, request)
        if config is None or config.metadata.deletion_timestamp is not None:
            return None
        problem = await self._problem(config)
        before = config

        def judge(current: ConfigT) -> ConfigT:
            nonlocal before
            before = current
            # What was found out about one generation says nothing about another: that one's change leads to a new run.
            return judged(current, problem) if _version(current) == _version(config) else current

        try:
            written = await patch_status(self._client, config, judge)
        except NotFoundError as error:
            if error.kind_is_missing:  # a proxy without an API server, or the CRD was removed
                raise
            return None
        self._tell(before, written)
        is_open = isinstance(problem, NotAvailableYetError)
        return Result(requeue_after=_ASK_AGAIN_SECONDS) if is_open else None

    async def _problem(self, config: ConfigT) -> BootError | None:
        try:
            await self._machines.verify(config)
        except BootError as error:
            return error
        return None

    def _tell(self, before: ConfigT, after: ConfigT) -> None:
        """An Event where the judgement changed; becoming Ready for the first time is no news."""
        old = find_condition(before.status.conditions, ConditionType.READY)
        new = find_condition(after.status.conditions, ConditionType.READY)
        if new is None or (old is not None and (old.reason, old.message) == (new.reason, new.message)):
            return
        if new.status != "True":
            log.warning("configuration cannot be served", reason=new.reason, message=new.message)
            self._events.event(after, "Warning", new.reason, _ACTION, new.message)
        elif old is not None:
            log.info("configuration can be served again")
            self._events.event(after, "Normal", new.reason, _ACTION, new.message)


def _version(config: BootConfig) -> tuple[str, int]:
    return config.metadata.uid, config.metadata.generation


def judged(config: ConfigT, problem: BootError | None) -> ConfigT:
    """The configuration with the status that says so; itself where it says so already.

    What could not be found out makes Ready `Unknown` and leaves the state as it was: machines are still given what was
    last known.
    """
    is_open = isinstance(problem, NotAvailableYetError)
    condition = Condition(
        type=ConditionType.READY,
        status="Unknown" if is_open else "False" if problem else "True",
        reason=problem.reason if problem else Reason.CONFIGURATION_VALID,
        message=str(problem) if problem else _VALID,
        observed_generation=config.metadata.generation,
    )
    state = State.ERROR if problem else State.READY
    status = BootConfigStatus(
        state=config.status.state or State.PENDING if is_open else state,
        conditions=set_condition(config.status.conditions, condition),
    )
    return config if status == config.status else msgspec.structs.replace(config, status=status)


def set_up(manager: Manager, kind: type[ConfigT], machines: Machines) -> None:
    """Adds the controller of one kind to the manager."""
    cache = manager.cache
    name = kind.resource.kind.lower()
    reconciler = BootConfigReconciler(kind, manager.client, cache, machines, manager.recorder(name))

    cache.index(kind, _SECRETS, _referenced_secrets)

    def referring(secret: Object) -> Iterable[Request]:
        return (config.key for config in cache.by_index(kind, _SECRETS, str(secret.key)))

    def rivals(config: ConfigT) -> Iterable[Request]:
        return (rival.key for rival in machines.rivals(config))

    (
        ControllerBuilder(manager)
        .named(name)
        .for_(kind)
        .watches(kind, rivals)
        .watches(Secret, referring, metadata_only=True)
        # Without its caches the operator is unready and says why; ending it would not help.
        .with_options(ControllerOptions(max_concurrent_reconciles=_WORKERS, cache_sync_timeout=None))
        .complete(reconciler)
    )
