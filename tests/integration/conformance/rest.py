"""A client that hides nothing: requests, whole answers, and watches that end by a deadline."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from http.client import HTTPMessage, HTTPResponse, HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar
from urllib.parse import urlencode, urlsplit

JSON = "application/json"
YAML = "application/yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"

DEADLINE = 30
"""Seconds after which what was waited for is held to have failed; far more than any server needs."""

T = TypeVar("T")


class Answer(NamedTuple):
    """What a server said.

    Attributes:
        status: Code.
        headers: As they came.
        body: Decoded, if it is JSON; else its bytes.
    """

    status: int
    headers: HTTPMessage
    body: Any

    @property
    def verdict(self) -> tuple[int, str | None, str]:
        """Code, reason and message of a Status; a refusal in comparable form."""
        assert isinstance(self.body, dict), self.body
        return self.status, self.body.get("reason"), self.body.get("message", "")

    @property
    def causes(self) -> list[tuple[str | None, str | None, str | None]]:
        """Reason, field and message of each cause of a Status, in their order."""
        causes = self.body["details"].get("causes", [])
        return [(cause.get("reason"), cause.get("field"), cause.get("message")) for cause in causes]

    @property
    def warnings(self) -> list[str]:
        """The Warning headers."""
        return self.headers.get_all("Warning") or []

    def expect(self, status: int) -> Any:
        """Return the body of an answer that has this code; a test fails with what was said instead."""
        assert self.status == status, f"{self.status} instead of {status}: {self.body}"
        return self.body


class Watch:
    """The events of one watch request; a context manager.

    Args:
        connection: Its own; closed with the watch.
        path: Path with query.
        headers: Of the request.
    """

    def __init__(self, connection: HTTPSConnection, path: str, headers: dict[str, str]) -> None:
        self._connection = connection
        self._path = path
        self._headers = headers
        self._deadline = time.monotonic() + DEADLINE
        self._response: HTTPResponse | None = None
        self.seen: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            self._connection.request("GET", self._path, headers=self._headers)
            self._response = self._connection.getresponse()
            assert self._response.status == 200, f"{self._response.status}: {self._response.read()!r}"
        except BaseException:
            self._connection.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._response:
            self._response.close()
        self._connection.close()

    @property
    def headers(self) -> HTTPMessage:
        """Of the answer."""
        assert self._response
        return self._response.headers

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while (event := self._read()) is not None:
            yield event

    def next(self) -> dict[str, Any]:
        """Return the next event; a stream that ended instead fails the test."""
        event = self._read()
        assert event is not None, f"the watch ended after {self._names()}"
        return event

    def take(self, count: int) -> list[tuple[str, str]]:
        """Return type and object's name of the next events."""
        return [named(self.next()) for _ in range(count)]

    def until(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Return the first event that this is true of; those before it are in `seen`."""
        while not holds(event := self.next()):
            pass
        return event

    def rest(self) -> list[tuple[str, str]]:
        """Return type and object's name of the events until the server ends the watch."""
        return [named(event) for event in self]

    def _read(self) -> dict[str, Any] | None:
        assert self._response
        remaining = self._deadline - time.monotonic()
        assert remaining > 0, f"nothing else was seen in {DEADLINE} s than {self._names()}"
        if self._connection.sock:
            self._connection.sock.settimeout(remaining)
        try:
            line = self._response.readline()
        except TimeoutError:
            raise AssertionError(f"nothing else was seen in {DEADLINE} s than {self._names()}") from None
        if not line:
            return None
        event: dict[str, Any] = json.loads(line)
        self.seen.append(event)
        return event

    def _names(self) -> list[tuple[str, str]]:
        return [named(event) for event in self.seen]


class Api:
    """Requests to one server as one user; a context manager that keeps a connection open.

    Query parameters are keyword arguments: `True` is sent as `true`, a trailing underscore is taken off (`continue_`).

    Args:
        url: Of the server.
        ca_file: What its certificate is verified with.
        token: Bearer token; None sends none.
    """

    def __init__(self, url: str, ca_file: Path, token: str | None) -> None:
        self._place = urlsplit(url).netloc
        self._context = ssl.create_default_context(cafile=str(ca_file))
        self._token = token
        self._connection = self._connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._connection.close()

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        accept: str = JSON,
        content_type: str = JSON,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        """Send a request and return the answer, whatever it is.

        Args:
            method: HTTP method.
            path: Path with query.
            body: Bytes and texts are sent as they are, anything else as JSON; None sends no body.
            accept: Media types wanted.
            content_type: Of the body.
            headers: Further ones.
        """
        sent = self._headers(accept) | (headers or {})
        if body is not None:
            sent["Content-Type"] = content_type
            body = body if isinstance(body, str | bytes) else json.dumps(body)
            body = body.encode() if isinstance(body, str) else body
        self._connection.request(method, path, body, sent)
        response = self._connection.getresponse()
        content = response.read()
        return Answer(response.status, response.headers, _decoded(response.headers, content))

    def get(self, path: str, *, accept: str = JSON, **query: Any) -> Answer:
        return self.request("GET", with_query(path, query), accept=accept)

    def post(self, path: str, body: Any, *, accept: str = JSON, content_type: str = JSON, **query: Any) -> Answer:
        return self.request("POST", with_query(path, query), body, accept=accept, content_type=content_type)

    def put(self, path: str, body: Any, *, content_type: str = JSON, **query: Any) -> Answer:
        return self.request("PUT", with_query(path, query), body, content_type=content_type)

    def patch(self, path: str, body: Any, content_type: str = MERGE_PATCH, **query: Any) -> Answer:
        return self.request("PATCH", with_query(path, query), body, content_type=content_type)

    def apply(self, path: str, body: Any, manager: str = "applier", **query: Any) -> Answer:
        """Server-side apply."""
        return self.patch(path, body, APPLY_PATCH, fieldManager=manager, **query)

    def delete(self, path: str, body: Any = None, **query: Any) -> Answer:
        return self.request("DELETE", with_query(path, query), body)

    def create(self, path: str, body: Any, **query: Any) -> Any:
        """Create an object that the server has to take, and return it as stored."""
        return self.post(path, body, **query).expect(201)

    def watch(self, path: str, *, accept: str = JSON, **query: Any) -> Watch:
        """Return a watch; nothing is sent before it is entered."""
        return Watch(self._connect(), with_query(path, {"watch": True, **query}), self._headers(accept))

    def gone(self, path: str) -> None:
        """Return once the object of this path is not there any more; waits by a watch of its collection."""
        collection, _, name = path.rpartition("/")
        version = self.get(collection, limit=1).expect(200)["metadata"]["resourceVersion"]
        if self.get(path).status == 404:
            return
        with self.watch(collection, fieldSelector=f"metadata.name={name}", resourceVersion=version) as watch:
            watch.until(lambda event: event["type"] == "DELETED")

    def until(self, path: str, holds: Callable[[Any], bool]) -> Any:
        """Return the object of this path once this is true of it; waits by a watch of its collection."""
        collection, _, name = path.rpartition("/")
        with self.watch(collection, fieldSelector=f"metadata.name={name}") as watch:
            return watch.until(lambda event: event["type"] != "DELETED" and holds(event["object"]))["object"]

    def _connect(self) -> HTTPSConnection:
        return HTTPSConnection(self._place, context=self._context, timeout=DEADLINE)

    def _headers(self, accept: str) -> dict[str, str]:
        return {"Accept": accept} | ({"Authorization": f"Bearer {self._token}"} if self._token else {})


def _decoded(headers: HTTPMessage, content: bytes) -> Any:
    is_json = headers.get_content_type() == JSON and "Content-Encoding" not in headers
    return json.loads(content) if is_json and content else content


def with_query(path: str, query: dict[str, object]) -> str:
    """Return a path with query parameters, in their order."""
    if not query:
        return path
    texts = {key.rstrip("_"): str(value).lower() if isinstance(value, bool) else value for key, value in query.items()}
    return f"{path}?{urlencode(texts)}"


def named(event: dict[str, Any]) -> tuple[str, str]:
    """Return type and object's name of an event."""
    return event["type"], event["object"].get("metadata", {}).get("name", "")


def names(listed: Any) -> list[str]:
    """Return the names of a list's objects, in their order."""
    return [item["metadata"]["name"] for item in listed["items"]]


def eventually(ask: Callable[[], T], holds: Callable[[T], bool]) -> T:
    """Return the first answer that this is true of; for what no watch tells, as discovery."""
    deadline = time.monotonic() + DEADLINE
    while not holds(answer := ask()):
        assert time.monotonic() < deadline, f"still so after {DEADLINE} s: {answer}"
        time.sleep(0.02)
    return answer
