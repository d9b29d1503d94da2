"""Requests whose whole answer is looked at, refusals included."""

from __future__ import annotations

import json
import ssl
from dataclasses import dataclass
from http.client import HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

from controller_runtime.envtest import ControlPlane


@dataclass(frozen=True)
class Answer:
    """Status code and decoded body."""

    code: int
    body: dict[str, Any]


def request(
    plane: ControlPlane,
    method: str,
    path: str,
    body: Any = None,
    *,
    content_type: str = "application/json",
    accept: str = "application/json",
) -> Answer:
    """Sends one request as the administrator; a refusal is an answer like any other."""
    context = ssl.create_default_context(cafile=str(plane.ca_file))
    connection = HTTPSConnection(urlsplit(plane.url).netloc, context=context, timeout=30)
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": content_type, "Accept": accept}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))
    finally:
        connection.close()
