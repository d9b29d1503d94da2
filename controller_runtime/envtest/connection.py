"""JSON requests to an API server that runs on this machine, with nothing but the standard library.

This is how a control plane looks after itself (health, CRDs, namespaces). The clients under test have their own.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any

from controller_runtime.envtest.errors import RequestError


def answers_ok(host: str, port: int, path: str, timeout: float = 2) -> bool:
    """Whether a plain HTTP server answers a GET with 200; one that cannot be reached does not."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


class AdminConnection:
    """Sends requests to the API server on 127.0.0.1 with a bearer token, one TCP connection each.

    Args:
        port: Of the API server.
        ca_file: Certificates that the server's is verified with; read at each request, so it may appear later.
        token: Bearer token.
        timeout: Seconds that connecting, and each wait for an answer, may take.
    """

    def __init__(self, port: int, ca_file: Path, token: str, *, timeout: float = 10) -> None:
        self._port = port
        self._ca_file = ca_file
        self._token = token
        self._timeout = timeout

    def get(self, path: str, accept: str = "application/json") -> Any:
        """Return the decoded answer of a GET request; errors are those of `request`."""
        return self.request("GET", path, accept=accept)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        accept: str = "application/json",
        content_type: str = "application/json",
    ) -> Any:
        """Send a request and return the decoded answer.

        Args:
            method: HTTP method.
            path: Path with query.
            body: Sent as JSON; None sends nothing.
            accept: Media type wanted.
            content_type: Media type of the body, all of whose kinds that are used here are JSON.

        Raises:
            RequestError: The answer's status is 400 or above.
            OSError: The server cannot be reached, or the connection is not to be trusted.
            http.client.HTTPException: The connection ended in the middle of an answer.
        """
        status, answer = self._exchange(method, path, body, {"Accept": accept, "Content-Type": content_type})
        if status >= http.client.BAD_REQUEST:
            raise RequestError(method, path, status, _message(answer))
        return json.loads(answer)

    def healthy(self, path: str) -> bool:
        """Whether the path answers 200; a server that cannot be reached is not healthy."""
        try:
            status, _ = self._exchange("GET", path, None, {"Accept": "*/*"})
        except (OSError, http.client.HTTPException):
            return False
        return status == http.client.OK

    def _exchange(self, method: str, path: str, body: object, headers: dict[str, str]) -> tuple[int, bytes]:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=self._timeout, context=context)
        headers = {**headers, "Authorization": f"Bearer {self._token}"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()


def _message(answer: bytes) -> str:
    """The message of a Kubernetes Status, or the text itself where the answer is none."""
    try:
        status = json.loads(answer)
    except ValueError:
        status = None
    if isinstance(status, dict) and "message" in status:
        return str(status["message"])
    return answer.decode(errors="replace").strip()
