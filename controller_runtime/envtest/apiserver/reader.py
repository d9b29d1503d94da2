"""Get, list and watch."""

from __future__ import annotations

import asyncio
import base64
import binascii
import functools
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from controller_runtime.apimachinery.selectors import (
    FieldRequirement,
    FieldSelector,
    LabelSelector,
    SelectorError,
    parse_fields,
    parse_labels,
)
from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.errors import (
    FieldError,
    StatusError,
    bad_request,
    expired,
    invalid,
    not_found,
    plain,
    timeout,
)
from controller_runtime.envtest.apiserver.exchange import Query, Request, Response, StreamResponse
from controller_runtime.envtest.apiserver.negotiation import negotiate
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.store import CompactedError, Event, Key, Record, Store, Watcher, record_of

BOOKMARK_SECONDS: Final = 60.0
"""Between two bookmarks of an idle watch."""
_EARLY_SECONDS: Final = 0.001
"""A loop may fire a timer before its time, by its clock's resolution. What is due so soon is due: virtual time, which
passes only while nothing is due, would never reach it."""
_LEAST_WATCH_SECONDS: Final = 1800  # where the client names none: up to twice that, as the real server

_TOO_OLD_LIST = "The resourceVersion for the provided list is too old."
_TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)
_OPTIONS = ("meta.k8s.io", "ListOptions", "")


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list or watch is asked for."""

    labels: LabelSelector
    fields: FieldSelector
    version: str
    match: str
    limit: int
    token: str
    watch: bool
    bookmarks: bool
    initial_events: bool | None
    timeout: int | None

    def selects(self, type_: ResourceType, record: Record) -> bool:
        """Whether an object is wanted."""
        return self.labels.matches(record.labels) and self.fields.matches(functools.partial(_fields, type_, record))


def _fields(type_: ResourceType, record: Record) -> Mapping[str, str]:
    fields = {"metadata.name": record.key.name, "metadata.namespace": record.key.namespace}
    if type_.selectable_fields:
        known = type_.strategy.fields(forms.decode(record.raw))
        fields |= {name: known.get(key, "") for name, key in type_.selectable_fields.items()}
    return fields


def list_options(type_: ResourceType, query: Query, name: str = "") -> ListOptions:
    """Reads and checks the parameters.

    Args:
        type_: what is listed.
        query: the parameters.
        name: limits the watch to one object.

    Raises:
        StatusError: 400 or 422.
    """
    try:
        labels = parse_labels(query.text("labelSelector"))
        fields = parse_fields(query.text("fieldSelector"))
    except SelectorError as error:
        raise bad_request(str(error)) from None
    for term in fields:
        _check_field(type_, term)
    if name:
        if fields and fields.exact("metadata.name") != name:
            raise bad_request("fieldSelector metadata.name doesn't match requested name")
        fields = fields or FieldSelector((FieldRequirement("metadata.name", name, negated=False),))
    options = ListOptions(
        labels=labels,
        fields=fields,
        version=query.text("resourceVersion"),
        match=query.text("resourceVersionMatch"),
        limit=query.number("limit") or 0,
        token=query.text("continue"),
        watch=query.flag("watch"),
        bookmarks=query.flag("allowWatchBookmarks"),
        initial_events=query.flag("sendInitialEvents") if "sendInitialEvents" in query else None,
        timeout=query.number("timeoutSeconds"),
    )
    errors = _watch_faults(options) if options.watch else _list_faults(options)
    if errors:
        raise invalid(*_OPTIONS, errors)
    return options


def _check_field(type_: ResourceType, term: FieldRequirement) -> None:
    known = {"metadata.name", *(type_.selectable_fields or ())}
    if type_.namespaced or not type_.custom:
        known.add("metadata.namespace")
    if term.field not in known:
        if type_.custom:
            raise bad_request(f"field label not supported: {term.field}")
        raise bad_request(f'"{term.field}" is not a known field selector: only "metadata.name", "metadata.namespace"')


def _forbidden(field: str, text: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, f"Forbidden: {text}")


def _unsupported(value: str, supported: Sequence[str]) -> FieldError:
    texts = ", ".join(f'"{each}"' for each in supported)
    return FieldError(
        "FieldValueNotSupported", "resourceVersionMatch", f'Unsupported value: "{value}": supported values: {texts}'
    )


def _list_faults(options: ListOptions) -> list[FieldError]:
    field, match, errors = "resourceVersionMatch", options.match, []
    if match:
        if not options.version:
            errors.append(_forbidden(field, "resourceVersionMatch is forbidden unless resourceVersion is provided"))
        if options.token:
            errors.append(_forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
        if match not in ("Exact", "NotOlderThan"):
            errors.append(_unsupported(match, ("Exact", "NotOlderThan", "")))
        if match == "Exact" and options.version == "0":
            errors.append(_forbidden(field, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'))
    if options.initial_events is not None:
        errors.append(_forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return errors


def _watch_faults(options: ListOptions) -> list[FieldError]:
    field, match, errors = "resourceVersionMatch", options.match, []
    if options.initial_events is not None and match != "NotOlderThan":
        errors.append(_forbidden(field, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"))
    if match:
        if options.initial_events is None:
            text = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            errors.append(_forbidden(field, text))
        if match != "NotOlderThan":
            errors.append(_unsupported(match, ("NotOlderThan",)))
        if options.token:
            errors.append(_forbidden(field, "resourceVersionMatch is forbidden when continue is provided"))
    return errors


def _revision(text: str) -> int:
    """The number of a resourceVersion; 0 for none.

    Raises:
        ValueError: it is none; the text is the real server's.
    """
    if not text:
        return 0
    if not text.isascii() or not text.isdigit():
        raise ValueError(
            f'resourceVersion: Invalid value: "{text}": strconv.ParseUint: parsing "{text}": invalid syntax'
        )
    return int(text)


def _list_revision(text: str) -> int:
    try:
        return _revision(text)
    except ValueError as error:
        raise bad_request(f"invalid resource version: {error}") from None


def _watch_revision(text: str) -> int:
    try:
        return _revision(text)
    except ValueError as error:
        raise plain(str(error)) from None


class Reader:
    """Answers what can be answered without changing anything.

    Args:
        store: has the objects.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    @property
    def revision(self) -> int:
        """The last write's."""
        return self._store.revision

    def get(self, type_: ResourceType, key: Key, request: Request) -> Response:
        """One object.

        Raises:
            StatusError: 404, 406.
        """
        wanted = negotiate(request.accept)
        record = self.record(type_, key)
        self._require(_list_revision(request.query.text("resourceVersion")))
        return forms.object_response(type_, forms.raw_view(type_, record), wanted, request.query.text("includeObject"))

    def record(self, type_: ResourceType, key: Key) -> Record:
        """The object as it is stored.

        Raises:
            StatusError: 404.
        """
        record = self._store.get(type_.storage, key)
        if record is None:
            raise not_found(type_.group, type_.plural, key.name)
        return record

    def _require(self, revision: int) -> None:
        if revision > self._store.revision:
            raise self._too_large(revision)

    def _too_large(self, revision: int) -> StatusError:
        return timeout(
            f"Too large resource version: {revision}, current: {self._store.revision}",
            cause="ResourceVersionTooLarge",
            retry_after=1,
        )

    # Lists

    def read(self, type_: ResourceType, namespace: str, request: Request, options: ListOptions) -> Response:
        """A list, or one page of it.

        Raises:
            StatusError: 400, 406, 410, 504.
        """
        wanted = negotiate(request.accept)
        records, metadata = self._page(type_, namespace, options)
        return forms.list_response(type_, records, wanted, request.query.text("includeObject"), metadata)

    def _page(
        self, type_: ResourceType, namespace: str, options: ListOptions
    ) -> tuple[Sequence[Record], dict[str, Any]]:
        start, at = self._start(options)
        try:
            found = self._store.list(type_.storage, namespace, at=at)
        except CompactedError:
            if not options.token:
                raise expired(_TOO_OLD_LIST) from None
            raise self._page_expired(start) from None
        revision = at or self._store.revision
        if start is not None:
            found = [record for record in found if record.key > start]
        selected = [record for record in found if options.selects(type_, record)]
        metadata: dict[str, Any] = {"resourceVersion": str(revision)}
        if type_.custom:
            metadata["continue"] = ""
        if not self._is_limited(options) or len(selected) <= options.limit:
            return selected, metadata
        page = selected[: options.limit]
        metadata["continue"] = _token(revision, page[-1].key)
        if not options.labels and not options.fields:
            metadata["remainingItemCount"] = len(selected) - len(page)
        return page, metadata

    @staticmethod
    def _is_limited(options: ListOptions) -> bool:
        """A list of any version is whole: the real server answers it from its watch cache, which knows no pages."""
        return options.limit > 0 and (bool(options.token) or options.version != "0" or bool(options.match))

    def _start(self, options: ListOptions) -> tuple[Key | None, int | None]:
        """After which key to start, and at which revision; None is now."""
        if options.token:
            if options.version not in ("", "0"):
                raise bad_request("specifying resource version is not allowed when using continue")
            start, revision = _read_token(options.token)
            return start, None if revision == -1 else revision
        revision = _list_revision(options.version)
        self._require(revision)
        return None, revision if options.match == "Exact" else None

    @staticmethod
    def _page_expired(start: Key | None) -> StatusError:
        error = expired(_TOO_OLD_PAGE)
        if start is not None:
            error.list_metadata = {"continue": _token(-1, start)}
        return error

    def select(self, type_: ResourceType, namespace: str, options: ListOptions) -> Sequence[Record]:
        """The objects that a deletecollection means.

        Raises:
            StatusError: 400, 410, 504.
        """
        return self._page(type_, namespace, options)[0]

    # Watches

    def watch(self, type_: ResourceType, namespace: str, request: Request, options: ListOptions) -> StreamResponse:
        """The changes from now on, or from a revision.

        Raises:
            StatusError: 400, 406, 504.
        """
        wanted = negotiate(request.accept, stream=True)
        form = forms.EventForm(type_, wanted, request.query.text("includeObject"))
        since = _watch_revision(options.version)
        limit = options.timeout or int(_LEAST_WATCH_SECONDS * (1 + random.random()))
        return StreamResponse(200, self._events(_Watch(type_, namespace, options, form, since), limit))

    async def _events(self, watch: _Watch, limit: float) -> AsyncGenerator[bytes, None]:
        options, since = watch.options, watch.since
        if options.initial_events and since > self._store.revision:
            yield watch.form.error(self._too_large(since).status())
            return
        try:
            watcher, initial = self._begin(watch)
        except CompactedError as error:
            text = f"too old resource version: {error.asked} ({error.oldest})"
            yield watch.form.error(expired(text).status())
            return
        try:
            if initial:
                yield b"".join(initial)
            async for lines in self._changes(watch, watcher, asyncio.get_running_loop().time() + limit):
                yield lines
            if options.bookmarks and not watcher.closed:
                yield watch.form.bookmark(self._store.revision)
        finally:
            watcher.close()

    def _begin(self, watch: _Watch) -> tuple[Watcher, list[bytes]]:
        """The watcher, and the events with which the watch starts."""
        type_, options, since = watch.type_, watch.options, watch.since
        now = self._store.revision
        with_initial = options.initial_events is True or (options.initial_events is None and since == 0)
        if not with_initial:
            return self._store.watch(type_.storage, since or now), []
        records = self._store.list(type_.storage, watch.namespace)
        lines = [watch.form.event("ADDED", record) for record in records if options.selects(type_, record)]
        if options.initial_events and options.bookmarks:
            lines.append(watch.form.bookmark(now, initial_events_end=True))
        return self._store.watch(type_.storage, now), lines

    async def _changes(self, watch: _Watch, watcher: Watcher, until: float) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        next_bookmark = loop.time() + BOOKMARK_SECONDS
        while (left := until - loop.time()) > _EARLY_SECONDS:
            await watcher.wait(min(left, next_bookmark - loop.time()) if watch.options.bookmarks else left)
            lines = [line for event in watcher.take() if event.revision > watch.since and (line := watch.line(event))]
            if lines:
                yield b"".join(lines)
            if watcher.closed:
                return
            if watch.options.bookmarks and next_bookmark - loop.time() <= _EARLY_SECONDS:
                next_bookmark = loop.time() + BOOKMARK_SECONDS
                yield watch.form.bookmark(self._store.revision)


@dataclass(frozen=True, slots=True)
class _Watch:
    type_: ResourceType
    namespace: str
    options: ListOptions
    form: forms.EventForm
    since: int

    def line(self, event: Event) -> bytes | None:
        """What an event of the store is to this watch: objects come and go as they meet its selectors."""
        if self.namespace and event.record.key.namespace != self.namespace:
            return None
        selects: Callable[[Record], bool] = functools.partial(self.options.selects, self.type_)
        was = event.previous is not None and selects(event.previous)
        is_ = event.type != "DELETED" and selects(event.record)
        if is_:
            return self.form.event("MODIFIED" if was else "ADDED", event.record)
        if not was:
            return None
        return self.form.event("DELETED", _last_state(event))


def _last_state(event: Event) -> Record:
    """What a watcher is told of an object that it does not see any more: its state before, with the new revision."""
    if event.type == "DELETED" or event.previous is None:
        return event.record
    previous = forms.decode(event.previous.raw)
    previous["metadata"]["resourceVersion"] = str(event.revision)
    return record_of(event.record.key, event.revision, msgspec.json.encode(previous))


def _token(revision: int, after: Key) -> str:
    start = f"{after.namespace}/{after.name}" if after.namespace else after.name
    content = msgspec.json.encode({"v": "meta.k8s.io/v1", "rv": revision, "start": f"{start}\0"})
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _Token(msgspec.Struct):
    v: str
    start: str
    rv: int = 0


def _read_token(text: str) -> tuple[Key, int]:
    try:
        content = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        token = msgspec.json.decode(content, type=_Token)
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise bad_request(f"invalid continue token: continue key is not valid: {error}") from None
    if token.v != "meta.k8s.io/v1" or not token.start:
        problem = f"server does not recognize this encoded version {token.v}"
        raise bad_request(f"invalid continue token: continue key is not valid: {problem}")
    namespace, _, name = token.start.removesuffix("\0").rpartition("/")
    return Key(namespace, name), token.rv
