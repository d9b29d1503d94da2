"""The Secrets that boot configurations refer to, fetched ahead of need: no boot request waits for the API server.

The metadata informer tells which Secrets exist and in which version; the content of those that a configuration refers
to is fetched in the background. Each such Secret goes through these states:

    UNKNOWN   no fetch has ended since its version changed   a fetch is queued or runs: PRESENT, MISSING, FAILED
    PRESENT   read in the version that the informer knows    version changes: UNKNOWN
    MISSING   gone at the API server, the informer lags      version changes: UNKNOWN
    FAILED    the last fetch failed                          retried with back-off: PRESENT, MISSING, FAILED

Guarantees:

- One request in flight for each Secret; `MAX_CONCURRENT_FETCHES` in all, those that somebody waits for first.
- Content outlives failed fetches and an API server that is away. It is dropped when the Secret is deleted, when another
  one (uid) takes its name, and when no configuration refers to it any more.
- Memory is bounded by `max_bytes`. What is fetched ahead pushes nothing out, except that a newer version of what is
  held may grow; what a machine asked for pushes out what was used least recently, and is itself kept even if it alone
  is larger than the bound (the API server's limit of about 1 MB for an object bounds the excess). A Secret that was
  pushed out is fetched again when it is asked for.
- Only the keys that booting needs are kept, and no content is ever logged or shown by `repr`.
"""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, NamedTuple, TypeAlias

import structlog

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig, SecretKey
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName, Object, metadata_of
from controller_runtime.cache import Cache, Informer, Registration
from controller_runtime.client import Client, ClientError, NotFoundError
from machines.metrics import CACHED_SECRET_BYTES, CACHED_SECRETS, UNREADABLE_SECRETS

DEFAULT_MAX_BYTES: Final = 256 << 20
"""20,000 machines with 12 kB of Ignition each."""
MAX_CONCURRENT_FETCHES: Final = 16
"""20,000 Secrets take some seconds at the start, and the API server barely notices."""

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 60.0
_LONGEST_RETRY_IF_WANTED_SECONDS = 5.0  # a machine is waiting
_SERVED_KEYS = tuple(SecretKey)

log = structlog.get_logger(__name__)


class SecretState(Enum):
    """What is known of a Secret."""

    PRESENT = auto()
    """It exists and its content is at hand."""
    ABSENT = auto()
    """It does not exist."""
    PENDING = auto()
    """Its content is not at hand; a fetch is under way."""
    FAILED = auto()
    """The last fetch failed; it is retried."""


@dataclass(frozen=True, slots=True)
class SecretAnswer:
    """What is known of a Secret, and its content where that is at hand."""

    state: SecretState
    data: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The keys that booting needs (`SecretKey`), as far as the Secret has them; empty unless PRESENT."""
    uid: str = ""
    resource_version: str = ""
    error: str = ""
    """Why it cannot be read, for people; empty unless FAILED."""


_ABSENT = SecretAnswer(SecretState.ABSENT)
_PENDING = SecretAnswer(SecretState.PENDING)


class _Outcome(Enum):
    """The states of the module's docstring."""

    UNKNOWN = auto()
    PRESENT = auto()
    MISSING = auto()
    FAILED = auto()


class Version(NamedTuple):
    """What tells two states of a Secret apart."""

    uid: str
    resource_version: str


def _version_of(obj: Object | None) -> Version | None:
    return Version(obj.metadata.uid, obj.metadata.resource_version) if obj else None


_Reference: TypeAlias = tuple[type[BootConfig], NamespacedName]
"""A configuration that refers to a Secret."""


class _Entry:
    """One Secret that somebody refers to or waits for."""

    __slots__ = (
        "content",
        "error",
        "failures",
        "fetch",
        "outcome",
        "references",
        "retry",
        "size",
        "version",
        "waiters",
        "wanted",
    )

    def __init__(self) -> None:
        self.references: set[_Reference] = set()
        self.waiters: list[asyncio.Future[SecretAnswer]] = []
        self.version: Version | None = None
        """As the informer knows it; None: there is no such Secret."""
        self.outcome = _Outcome.UNKNOWN
        self.content: SecretAnswer | None = None
        """The last content read; not necessarily of the current version, but of a Secret that still exists."""
        self.size = 0
        """Bytes of the last content, also after it was pushed out."""
        self.error = ""
        self.failures = 0
        """Failed fetches in a row."""
        self.retry: asyncio.TimerHandle | None = None
        self.fetch: asyncio.Task[None] | None = None
        """The request under way."""
        self.wanted = False
        """A machine asked while the content was not at hand."""

    def reset(self) -> None:
        """Forgets what fetches of an earlier version said."""
        self.outcome = _Outcome.UNKNOWN
        self.failures = 0
        self.cancel_retry()

    def cancel_retry(self) -> None:
        if self.retry is not None:
            self.retry.cancel()
            self.retry = None

    def settled(self) -> SecretAnswer | None:
        """The answer about the current version; None while there is none or its content is not at hand."""
        if self.version is None or self.outcome is _Outcome.MISSING:
            return _ABSENT
        if self.outcome is _Outcome.FAILED:
            return SecretAnswer(SecretState.FAILED, error=self.error)
        return self.content if self.outcome is _Outcome.PRESENT else None


class BootSecrets:
    """Keeps the content of the Secrets that boot configurations refer to; a Runnable for every replica.

    Args:
        client: reads Secrets.
        cache: has the informers of both kinds and of the Secrets' metadata; they are requested here.
        max_bytes: memory for content, in bytes; see the module's guarantees.
    """

    needs_leader_election = False

    def __init__(self, client: Client, cache: Cache, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._client = client
        self._max_bytes = max_bytes
        self._entries: dict[NamespacedName, _Entry] = {}
        self._held: OrderedDict[NamespacedName, _Entry] = OrderedDict()
        """Entries with content, least recently used first."""
        self._bytes = 0
        self._queue: OrderedDict[NamespacedName, None] = OrderedDict()
        self._running = 0
        self._failed: set[NamespacedName] = set()
        self._tasks: asyncio.TaskGroup | None = None
        self._synced = asyncio.Event()
        self._unanswered: set[NamespacedName] = set()
        """References of the first sync without an answer."""
        self._ready = asyncio.Event()
        self._said_full = False
        self._metadata: Informer[Any] = cache.informer(metadata_of(Secret))
        self._registrations: list[tuple[Informer[Any], Registration[Any]]] = [
            (self._metadata, self._metadata.add_handler(_MetadataHandler(self)))
        ]
        for informer in (cache.informer(IPXEBootConfig), cache.informer(HTTPBootConfig)):
            self._registrations.append((informer, informer.add_handler(_ConfigHandler(self))))

    @property
    def ready(self) -> bool:
        """Whether each Secret referred to at the first sync has had one answer; it stays true.

        "Not found", "failed" and "no room" are answers: they must not keep a replica from serving all others.
        """
        return self._ready.is_set()

    async def wait_ready(self) -> None:
        """Returns once `ready`."""
        await self._ready.wait()

    async def start(self) -> None:
        """Fetches and keeps Secrets until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for _, registration in self._registrations:
                    await registration.wait_synced()
                self._tasks = tasks
                try:
                    self._begin()
                    await asyncio.get_running_loop().create_future()
                finally:
                    self._tasks = None  # the end of a fetch begins no other one any more
        finally:
            for informer, registration in self._registrations:
                informer.remove_handler(registration)
            for entry in self._entries.values():
                entry.cancel_retry()

    def _begin(self) -> None:
        self._synced.set()
        self._unanswered = set(self._entries)
        for key, entry in list(self._entries.items()):
            self._learn(key, entry, _version_of(self._metadata.store.get(key)))
        self._review_ready()

    # Asking

    def lookup(self, namespace: str, name: str) -> SecretAnswer:
        """What is known now, for a machine that asks; never waits.

        PRESENT may be an earlier version while a newer one is being fetched or cannot be. PENDING and FAILED mean that
        the content is on its way, with a delay after failures.
        """
        key = NamespacedName(namespace, name)
        entry = self._entries.get(key)
        if entry is None or not self._synced.is_set():
            # The configuration was read just now and this room hears of it within the next turns of the loop.
            return _PENDING
        if entry.content is not None:
            self._held.move_to_end(key)
            return entry.content
        settled = entry.settled()
        if settled is not None and settled.state is SecretState.ABSENT:
            return settled
        if settled is None or not entry.wanted:
            entry.wanted = True
            self._enqueue(key, entry, urgent=True)
        return settled or _PENDING

    async def answer(self, namespace: str, name: str) -> SecretAnswer:
        """Waits for the answer about the version that the metadata informer knows: PRESENT, ABSENT or FAILED.

        For controllers: the answer is never older than the event that made them ask. It may be given for a Secret that
        nothing refers to, which is then fetched for this call alone.
        """
        await self._synced.wait()
        key = NamespacedName(namespace, name)
        entry = self._obtain(key)
        settled = entry.settled()
        if settled is not None:
            self._forget_if_unused(key, entry)
            return settled
        waiter: asyncio.Future[SecretAnswer] = asyncio.get_running_loop().create_future()
        entry.waiters.append(waiter)
        self._enqueue(key, entry, urgent=True)
        try:
            return await waiter
        finally:
            if waiter in entry.waiters:
                entry.waiters.remove(waiter)
            self._forget_if_unused(key, entry)

    # References and versions, told by informers

    def retain(self, config: BootConfig) -> None:
        """Takes up what the configuration refers to."""
        for name in config.secret_names:
            key = NamespacedName(config.metadata.namespace, name)
            is_new = key not in self._entries
            entry = self._obtain(key)
            entry.references.add((type(config), config.key))
            if is_new and entry.version is not None:
                self._enqueue(key, entry)

    def release(self, config: BootConfig, names: Iterable[str]) -> None:
        """Lets go of Secrets that the configuration referred to."""
        for name in names:
            key = NamespacedName(config.metadata.namespace, name)
            entry = self._entries.get(key)
            if entry is not None:
                entry.references.discard((type(config), config.key))
                self._forget_if_unused(key, entry)

    def observe(self, key: NamespacedName, version: Version | None) -> None:
        """Takes note of the Secret's version; None: it is gone."""
        entry = self._entries.get(key)
        if entry is not None and self._synced.is_set() and entry.version != version:
            self._learn(key, entry, version)

    def _obtain(self, key: NamespacedName) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
            if self._synced.is_set():
                entry.version = _version_of(self._metadata.store.get(key))
        return entry

    def _forget_if_unused(self, key: NamespacedName, entry: _Entry) -> None:
        if entry.references or entry.waiters or self._entries.get(key) is not entry:
            return
        self._drop_content(key, entry)
        entry.cancel_retry()
        if entry.fetch is not None:
            # Whoever refers to the Secret next asks anew, and there shall be one request for it at a time.
            entry.fetch.cancel()
        del self._entries[key]
        self._queue.pop(key, None)
        self._note_failure(key, "")
        self._answered(key)

    def _learn(self, key: NamespacedName, entry: _Entry, version: Version | None) -> None:
        entry.version = version
        entry.reset()
        content = entry.content
        if content is not None and (version is None or content.uid != version.uid):
            self._drop_content(key, entry)
        elif content is not None and (content.uid, content.resource_version) == version:
            entry.outcome = _Outcome.PRESENT
        settled = entry.settled()
        if settled is None:
            self._enqueue(key, entry)
        else:
            self._queue.pop(key, None)
            self._settle(key, entry, settled)

    # Fetching

    def _enqueue(self, key: NamespacedName, entry: _Entry, *, urgent: bool = False) -> None:
        if entry.fetch is not None:
            return
        entry.cancel_retry()
        self._queue.setdefault(key, None)
        if urgent:
            self._queue.move_to_end(key, last=False)
        self._pump()

    def _pump(self) -> None:
        while self._tasks is not None and self._queue and self._running < MAX_CONCURRENT_FETCHES:
            key, _ = self._queue.popitem(last=False)
            entry = self._entries[key]
            if entry.wanted or entry.waiters or self._has_room_for(entry):
                self._running += 1
                entry.fetch = self._tasks.create_task(self._fetch(key, entry), name=f"secret/{key}")
                entry.fetch.add_done_callback(self._fetch_ended)
            else:
                entry.reset()
                self._say_full()
                self._note_failure(key, "")
                self._answered(key)

    async def _fetch(self, key: NamespacedName, entry: _Entry) -> None:
        version = entry.version
        try:
            answer = _content_of(await self._client.get(Secret, key))
        except ClientError as error:
            # A bare 404 is a proxy's word: it must not take from a machine what exists.
            is_gone = isinstance(error, NotFoundError) and not error.kind_is_missing
            answer = _ABSENT if is_gone else SecretAnswer(SecretState.FAILED, error=str(error) or type(error).__name__)
        except asyncio.CancelledError:
            if self._tasks is None or self._entries.get(key) is not entry:
                raise
            # Nobody here did that: what the request went through was closed.
            answer = SecretAnswer(SecretState.FAILED, error="the request was cancelled")
        except Exception as error:
            # A bug: it must not cost all others their Secrets.
            log.exception("cannot read a Secret", secret=str(key))
            answer = SecretAnswer(SecretState.FAILED, error=type(error).__name__)
        entry.fetch = None
        if self._entries.get(key) is entry:
            self._fetched(key, entry, version, answer)

    def _fetch_ended(self, _: asyncio.Task[None]) -> None:
        self._running -= 1
        self._pump()

    def _fetched(self, key: NamespacedName, entry: _Entry, asked: Version | None, answer: SecretAnswer) -> None:
        """Takes in the result of a fetch that began when the Secret was known in the version `asked`."""
        if entry.version is None:
            return  # deleted meanwhile, as everybody who waited has been told
        is_current = entry.version in (asked, (answer.uid, answer.resource_version))
        if answer.state is SecretState.PRESENT and (is_current or answer.uid == entry.version.uid):
            self._keep(key, entry, answer)
        if not is_current:
            self._enqueue(key, entry)
            return
        match answer.state:
            case SecretState.PRESENT:
                entry.outcome, entry.failures = _Outcome.PRESENT, 0
            case SecretState.ABSENT:
                entry.outcome, entry.failures = _Outcome.MISSING, 0
                self._drop_content(key, entry)
            case _:
                entry.outcome, entry.error = _Outcome.FAILED, answer.error
                self._retry_later(key, entry)
        self._settle(key, entry, answer)

    def _retry_later(self, key: NamespacedName, entry: _Entry) -> None:
        longest = _LONGEST_RETRY_IF_WANTED_SECONDS if entry.wanted else _LONGEST_RETRY_SECONDS
        delay = min(longest, _FIRST_RETRY_SECONDS * 2 ** min(entry.failures, 10)) * random.uniform(0.5, 1)
        entry.failures += 1
        entry.retry = asyncio.get_running_loop().call_later(delay, self._retry, key, entry)

    def _retry(self, key: NamespacedName, entry: _Entry) -> None:
        entry.retry = None
        self._enqueue(key, entry)

    def _settle(self, key: NamespacedName, entry: _Entry, answer: SecretAnswer) -> None:
        waiters, entry.waiters = entry.waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(answer)
        self._note_failure(key, answer.error)
        self._answered(key)

    def _note_failure(self, key: NamespacedName, error: str) -> None:
        """Counts the Secrets that cannot be read; the first and the last of a disturbance are logged."""
        if error and key not in self._failed:
            if not self._failed:
                log.warning("cannot read Secrets that boot configurations refer to", secret=str(key), error=error)
            self._failed.add(key)
        elif not error and key in self._failed:
            self._failed.discard(key)
            if not self._failed:
                log.info("all Secrets that boot configurations refer to can be read again")
        UNREADABLE_SECRETS.set(len(self._failed))

    def _answered(self, key: NamespacedName) -> None:
        if not self._ready.is_set():
            self._unanswered.discard(key)
            self._review_ready()

    def _review_ready(self) -> None:
        if self._synced.is_set() and not self._unanswered:
            self._ready.set()

    # Memory

    def _has_room_for(self, entry: _Entry) -> bool:
        """Whether content of the expected size fits without pushing anything out."""
        if entry.content is not None:
            return True
        expected = entry.size or (self._bytes // len(self._held) if self._held else 0)
        return self._bytes + expected <= self._max_bytes

    def _keep(self, key: NamespacedName, entry: _Entry, answer: SecretAnswer) -> None:
        size = sum(map(len, answer.data.values()))
        grows_by = size - (entry.size if entry.content is not None else 0)
        if entry.content is None and not entry.wanted and self._bytes + grows_by > self._max_bytes:
            entry.size = size
            self._say_full()
            return
        entry.content, entry.size, entry.wanted = answer, size, False
        self._bytes += grows_by
        self._held[key] = entry
        self._held.move_to_end(key)
        while self._bytes > self._max_bytes and len(self._held) > 1:
            oldest = next(iter(self._held))
            self._drop_content(oldest, self._held[oldest])
            self._say_full()
        self._count()

    def _drop_content(self, key: NamespacedName, entry: _Entry) -> None:
        if entry.content is not None:
            entry.content = None
            self._bytes -= entry.size
            del self._held[key]
            self._count()

    def _count(self) -> None:
        CACHED_SECRETS.set(len(self._held))
        CACHED_SECRET_BYTES.set(self._bytes)

    def _say_full(self) -> None:
        if not self._said_full:
            self._said_full = True
            log.warning(
                "the memory for Secrets is used up, further ones are fetched when machines ask for them",
                maxBytes=self._max_bytes,
                referenced=len(self._entries),
            )


def _content_of(secret: Secret) -> SecretAnswer:
    data = {str(key): secret.data[key] for key in _SERVED_KEYS if key in secret.data}
    metadata = secret.metadata
    return SecretAnswer(SecretState.PRESENT, data, metadata.uid, metadata.resource_version)


class _ConfigHandler:
    """Follows which Secrets the configurations of one kind refer to."""

    def __init__(self, secrets: BootSecrets) -> None:
        self._secrets = secrets

    def on_add(self, obj: BootConfig, is_initial: bool) -> None:  # noqa: ARG002 - the handler's protocol
        self._secrets.retain(obj)

    def on_update(self, old: BootConfig, new: BootConfig) -> None:
        if old.secret_names != new.secret_names:
            self._secrets.retain(new)
            self._secrets.release(new, set(old.secret_names) - set(new.secret_names))

    def on_delete(self, obj: BootConfig, final_state_unknown: bool) -> None:  # noqa: ARG002 - the handler's protocol
        self._secrets.release(obj, obj.secret_names)


class _MetadataHandler:
    """Follows the versions of Secrets."""

    def __init__(self, secrets: BootSecrets) -> None:
        self._secrets = secrets

    def on_add(self, obj: Object, is_initial: bool) -> None:  # noqa: ARG002 - the handler's protocol
        self._secrets.observe(obj.key, _version_of(obj))

    def on_update(self, old: Object, new: Object) -> None:  # noqa: ARG002 - the handler's protocol
        self._secrets.observe(new.key, _version_of(new))

    def on_delete(self, obj: Object, final_state_unknown: bool) -> None:  # noqa: ARG002 - the handler's protocol
        self._secrets.observe(obj.key, None)
