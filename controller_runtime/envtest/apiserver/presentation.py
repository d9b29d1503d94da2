"""The last touch to an answer, whatever it is: indented for people, as YAML for errors, compressed where that pays."""

from __future__ import annotations

import hashlib
import zlib
from typing import Final

import msgspec
import yaml

from controller_runtime.envtest.apiserver.exchange import JSON, YAML, Request, Response
from controller_runtime.envtest.apiserver.negotiation import plain

_COMPRESSED_BYTES: Final = 128 << 10
"""From which size an answer is compressed: below, it costs more than the network that it saves. As the real server."""
_LEVEL: Final = 1
_GZIP: Final = 16 + zlib.MAX_WBITS
_PEOPLE: Final = ("curl", "Wget", "Mozilla/5.0")
"""How User-Agent begins where a person reads the answer."""


def present(request: Request, answer: Response) -> Response:
    """The answer as the client is to get it; changes it in place."""
    if answer.error is not None:
        _present_error(request, answer)
    elif answer.content_type == JSON and _is_for_people(request):
        answer.body = indented(answer.body)
    if len(answer.body) >= _COMPRESSED_BYTES and request.method == "GET" and _takes_gzip(request):
        answer.body = _compressed(answer.body)
        answer.headers += (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    return answer


def indented(body: bytes) -> bytes:
    """JSON with a line for each value."""
    return msgspec.json.format(body, indent=2) + b"\n"


def tagged(request: Request, answer: Response) -> Response:
    """The answer with an ETag; 304 without a body for a client that has it already."""
    tag = f'"{digest(answer.body)}"'
    answer.headers += (("Etag", tag), ("Vary", "Accept"))
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", answer.content_type, answer.headers)
    return answer


def digest(body: bytes) -> str:
    """A hash as Kubernetes writes it into ETags and URLs."""
    return hashlib.sha512(body).hexdigest().upper()


def _present_error(request: Request, answer: Response) -> None:
    wanted = plain(request.accept)
    if wanted is None or (not wanted.yaml and _is_for_people(request)):
        answer.body = indented(answer.body)
    elif wanted.yaml:
        answer.body, answer.content_type = yaml.safe_dump(msgspec.json.decode(answer.body)).encode(), YAML


def _is_for_people(request: Request) -> bool:
    if "pretty" in request.query:
        return request.query.text("pretty") in ("1", "true")
    return request.headers.get("user-agent", "").startswith(_PEOPLE) or "pretty=1" in request.accept


def _takes_gzip(request: Request) -> bool:
    encodings = request.headers.get("accept-encoding", "").split(",")
    return any(encoding.partition(";")[0].strip() == "gzip" for encoding in encodings)


def _compressed(body: bytes) -> bytes:
    compressor = zlib.compressobj(_LEVEL, wbits=_GZIP)
    return compressor.compress(body) + compressor.flush()
