"""Requests to etcd's JSON gateway (the paths /v3/kv/...), where an API server offers no way to the same end."""

import http.client
import json
from typing import Any

from controller_runtime.envtest.errors import ControlPlaneError

_ANY_KEY = "AA=="  # base64 of one zero byte: the answer's header is what is wanted, not the key's value


def compact(port: int, timeout: float = 10) -> None:
    """Discard every version of every key but the newest.

    Args:
        port: Of etcd on 127.0.0.1.
        timeout: Seconds that connecting, and each wait for an answer, may take.

    Raises:
        ControlPlaneError: etcd refuses it.
        OSError: etcd cannot be reached.
    """
    revision = _post(port, "/v3/kv/range", {"key": _ANY_KEY}, timeout)["header"]["revision"]
    # The API server compacts by itself, but not in its first 5 minutes.
    _post(port, "/v3/kv/compaction", {"revision": revision, "physical": True}, timeout)


def _post(port: int, path: str, body: object, timeout: float) -> Any:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("POST", path, json.dumps(body))
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != http.client.OK:
        words = answer.decode(errors="replace").strip()
        raise ControlPlaneError(f"etcd refuses POST {path} with {body}: {response.status} {words}")
    return json.loads(answer)
