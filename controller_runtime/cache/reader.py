"""What a reflector asks of the API server: pages of a list, a watch, and a list as the beginning of a watch."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Generic, TypeVar

import structlog

from controller_runtime.apimachinery import Object
from controller_runtime.cache.attempts import INITIAL_SILENCE, InitialLimit
from controller_runtime.cache.errors import StreamingListError
from controller_runtime.cache.intake import Intake, ends_initial_events, version_of
from controller_runtime.cache.options import Scope
from controller_runtime.cache.store import Staging
from controller_runtime.client import Client, InvalidResponseError, WatchEvent

T = TypeVar("T", bound=Object)

WATCH_SECONDS = (300, 600)
"""A watch lasts a random time between these, so that the watches of many replicas do not end together."""
SILENCE = 90.0
"""Seconds without an event or a bookmark (each minute) after which a watch counts as dead."""
EVENTS_PER_TURN = 100
"""Events that may already be in memory are handled in slices, so that the loop gets its turn."""

log = structlog.get_logger(__name__)


class StreamingLists:
    """Whether the API server streams lists; what one reflector finds out holds for all that share this.

    Attributes:
        supported: False once the server has refused one.
    """

    def __init__(self) -> None:
        self.supported = True


class Reader(Generic[T]):
    """Reads one collection; each failure is the caller's.

    Args:
        client: the way to the API server.
        kind: class of the objects.
        scope: what to read of the kind.
        intake: stages what is read.
        contact: called with each proof that the API server is there.
        bookmarks: whether watches ask for bookmarks.
    """

    def __init__(
        self,
        client: Client,
        kind: type[T],
        scope: Scope,
        intake: Intake[T],
        contact: Callable[[], None],
        *,
        bookmarks: bool,
    ) -> None:
        self._client = client
        self._kind = kind
        self._scope = scope
        self._intake = intake
        self._contact = contact
        self._bookmarks = bookmarks

    async def read_page(self, staged: Staging[T], limit: int, token: str) -> tuple[str, str]:
        """Stages one page and returns its resource version and the token of the next; no limit is 0."""
        page = await self._client.list(
            self._kind,
            namespace=self._scope.namespace,
            label_selector=self._scope.selector.labels,
            field_selector=self._scope.selector.fields,
            limit=limit,
            continue_token=token,
        )
        if not page.resource_version:
            raise InvalidResponseError(f"the list of {self._kind.resource.qualified_plural} has no resourceVersion")
        self._contact()
        self._intake.take_page(page, staged)
        await asyncio.sleep(0)  # a page is some 20 ms of work, and the next may be in memory already
        return page.resource_version, page.continue_token

    def watch(
        self, resource_version: str, *, send_initial_events: bool = False
    ) -> AbstractAsyncContextManager[AsyncIterator[WatchEvent]]:
        """Opens a watch from that version on, or one that begins with a list."""
        return self._client.watch(
            self._kind,
            namespace=self._scope.namespace,
            label_selector=self._scope.selector.labels,
            field_selector=self._scope.selector.fields,
            resource_version=resource_version,
            timeout_seconds=random.randrange(*WATCH_SECONDS),
            allow_bookmarks=self._bookmarks,
            send_initial_events=send_initial_events,
            read_timeout=SILENCE,
        )

    async def read_initial_events(self, stream: AsyncIterator[WatchEvent], staged: Staging[T]) -> str:
        """Stages events up to the bookmark that ends the list, and returns its version.

        Raises:
            StreamingListError: the stream fell silent, took too long or ended before that bookmark.
        """
        events = 0
        try:
            async with asyncio.timeout(INITIAL_SILENCE) as bound:
                limit = InitialLimit(bound)
                async for event in stream:
                    if event.type == "BOOKMARK":
                        return _end_of_list(event)
                    self._take_initial_event(event, staged)
                    events += 1
                    limit.extend(events)
                    if events % EVENTS_PER_TURN == 0:
                        await asyncio.sleep(0)
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise StreamingListError(f"the server fell silent or took too long after {events} events") from error
        raise StreamingListError(f"the server ended the stream after {events} events, before the end of the list")

    def _take_initial_event(self, event: WatchEvent, staged: Staging[T]) -> None:
        self._contact()
        match event.type:
            case "ERROR":
                raise event.error()
            case "ADDED" | "MODIFIED" | "DELETED":
                self._intake.take_initial(event, staged)
            case _:
                log.warning("skipped a watch event of an unknown type", type=event.type, kind=self._kind.__name__)


def _end_of_list(bookmark: WatchEvent) -> str:
    version = version_of(bookmark.raw)
    if version and ends_initial_events(bookmark.raw):
        return version
    raise StreamingListError("the server sent a bookmark that does not end the list, before the one that does")
