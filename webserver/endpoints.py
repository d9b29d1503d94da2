"""The boot endpoints: which path gives what, and which status stands for which trouble.

    GET|HEAD /ipxe, /ipxe/      the chain script
    GET|HEAD /ipxe/<uuid>       the machine's iPXE script
    GET|HEAD /ignition/<uuid>   the machine's Ignition
    GET|HEAD /httpboot          JSON with the URL of the UKI, for the DHCP server; X-Forwarded-For names the machine

Scripts are `text/plain; charset=utf-8`; iPXE looks at no type. Ignition is `application/json` if it looks like a JSON
object, else text: a Secret without `format` may hold anything. Ignition looks at no type either. Nothing may be stored
on the way (`no-store`): it is of the moment and may hold secrets.

503 with Retry-After means "ask again", and iPXE and Ignition both do. Ignition takes every status below 500 as final,
so what is only not known yet must not be a 404.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final, TypeAlias
from urllib.parse import unquote

import msgspec
import structlog

from machines import (
    BootError,
    Machines,
    NoIgnitionError,
    NotAvailableYetError,
    Payload,
    SecretKeyMissingError,
    SecretNotFetchedError,
    SecretNotFoundError,
    Stage,
    UnknownMachineError,
    UnsupportedFormatError,
)
from webserver.exchange import JSON, TEXT, Request, Response
from webserver.service_url import InvalidHostError, service_url

CHAIN: Final = "/ipxe"
SCRIPT: Final = "/ipxe/{uuid}"
IGNITION: Final = "/ignition/{uuid}"
HTTP_BOOT: Final = "/httpboot"
OTHER: Final = "other"
"""Names of the endpoints, in metrics and log lines."""

_LONGEST_UUID = 255
_MOST_IDENTIFIERS = 32  # a DHCP server sends one or two
_BAD_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ABSOLUTE_TARGET = re.compile(r"https?://[^/?]*", re.IGNORECASE)
_NO_STORE = (("Cache-Control", "no-store"),)
_RETRY_SOON = (*_NO_STORE, ("Retry-After", "1"))
_ALLOW = (*_NO_STORE, ("Allow", "GET, HEAD"))

_Handler: TypeAlias = Callable[[Request, str], Response]
"""Answers a request, given the part of the path that names the machine (empty where there is none)."""

log = structlog.get_logger(__name__)
_stdlib_log = logging.getLogger(__name__)


class _BadRequestError(Exception):
    """The request is malformed; the text says how."""


class BootEndpoints:
    """Answers requests; synchronous, without sockets.

    Args:
        machines: knows what each machine gets.
        configured_service_url: where clients reach this server; empty to take the Host header of each request.
        ipxe_enabled: whether there are iPXE scripts; otherwise those who ask for one hear that iPXE is not configured.
    """

    def __init__(self, machines: Machines, *, configured_service_url: str = "", ipxe_enabled: bool = True) -> None:
        self._machines = machines
        self._service_url = configured_service_url.rstrip("/")
        chain, script = (self._chain_script, self._ipxe_script) if ipxe_enabled else (self._no_ipxe, self._no_ipxe)
        self._exact: dict[str, tuple[str, _Handler]] = {
            "/ipxe": (CHAIN, chain),
            "/ipxe/": (CHAIN, chain),
            "/httpboot": (HTTP_BOOT, self._http_boot),
        }
        self._by_prefix: dict[str, tuple[str, _Handler]] = {
            "/ipxe/": (SCRIPT, script),
            "/ignition/": (IGNITION, self._ignition),
        }

    def respond(self, request: Request) -> Response:
        """The response to any request whatsoever."""
        endpoint, handler, rest = self._route(_path_of(request.target))
        if handler is None:
            return _text(endpoint, 404, "there is nothing here; the boot endpoints are /ipxe, /ignition and /httpboot")
        if request.method not in ("GET", "HEAD"):
            return _text(endpoint, 405, "only GET and HEAD are answered here", _ALLOW)
        try:
            response = handler(request, rest)
        except (_BadRequestError, InvalidHostError) as error:
            response = _text(endpoint, 400, str(error))
        except BootError as error:
            response = _refuse(endpoint, request, error)
        if _stdlib_log.isEnabledFor(logging.DEBUG):
            log.debug("answered", method=request.method, target=request.target[:300], status=response.status)
        return response

    def _route(self, path: str) -> tuple[str, _Handler | None, str]:
        if route := self._exact.get(path):
            return (*route, "")
        end = path.find("/", 1) + 1
        if end and (route := self._by_prefix.get(path[:end])):
            return (*route, path[end:])
        return OTHER, None, ""

    def _no_ipxe(self, request: Request, rest: str) -> Response:  # noqa: ARG002 - a handler
        return _text(SCRIPT if rest else CHAIN, 503, "iPXE is not configured")

    def _chain_script(self, request: Request, rest: str) -> Response:  # noqa: ARG002 - a handler
        url = self._url_for(request)
        self._require_ready()
        return Response(CHAIN, 200, self._machines.chain_script(url), TEXT, _NO_STORE)

    def _ipxe_script(self, request: Request, rest: str) -> Response:
        uuid, url = _uuid_of(rest), self._url_for(request)
        self._require_ready()
        payload = self._machines.ipxe_script(uuid, url)
        return Response(SCRIPT, 200, payload.body, TEXT, _NO_STORE, payload)

    def _ignition(self, request: Request, rest: str) -> Response:  # noqa: ARG002 - a handler
        uuid = _uuid_of(rest)
        self._require_ready()
        payload = self._machines.ignition(uuid)
        return Response(IGNITION, 200, payload.body, _ignition_type(payload), _NO_STORE, payload)

    def _http_boot(self, request: Request, rest: str) -> Response:  # noqa: ARG002 - a handler
        identifiers = _identifiers_of(request)
        self._require_ready()
        found = self._machines.http_boot(identifiers)
        # The names are the reference's; so is SystemUUID, even an empty one, only where a configuration was found.
        fields = {"ClientIPs": ",".join(identifiers)}
        if found.config is not None:
            fields["SystemUUID"] = found.config.spec.system_uuid
        fields["UKIURL"] = found.uki_url
        return Response(HTTP_BOOT, 200, msgspec.json.encode(fields), JSON, _NO_STORE)

    def _url_for(self, request: Request) -> str:
        return self._service_url or service_url(request.headers.get("Host"), request.local_port)

    def _require_ready(self) -> None:
        if not self._machines.ready:
            raise _NotStartedError


class _NotStartedError(NotAvailableYetError):
    """The first state of the cluster has not been read."""

    reason = "NotStarted"

    def __init__(self) -> None:
        super().__init__("the boot operator has just started and does not know all machines yet, ask again in a second")


def _path_of(target: str) -> str:
    """The path, without the query and, in a request to a proxy, without scheme and host."""
    if not target.startswith("/"):
        target = _ABSOLUTE_TARGET.sub("", target, count=1)
    return target.partition("?")[0]


def _uuid_of(part: str) -> str:
    """The machine that the last part of the path names.

    Raises:
        _BadRequestError: it cannot be one.
    """
    if not part:
        raise _BadRequestError("the path must end in the UUID of the machine")
    if "%" in part:
        part = _decoded(part)
    if len(part) > _LONGEST_UUID:
        raise _BadRequestError(f"the UUID in the path is longer than {_LONGEST_UUID} characters")
    if "/" in part or _CONTROL.search(part):
        raise _BadRequestError("the UUID in the path contains a slash or a control character")
    return part


def _decoded(part: str) -> str:
    if _BAD_PERCENT.search(part):
        raise _BadRequestError("the path has a percent sign without two hexadecimal digits after it")
    try:
        return unquote(part, errors="strict")
    except UnicodeDecodeError as error:
        raise _BadRequestError("the path is not UTF-8 once its percent-encoding is undone") from error


def _identifiers_of(request: Request) -> list[str]:
    """The IP and MAC addresses that the DHCP server names.

    Raises:
        _BadRequestError: there are too many.
    """
    parts = request.headers.get("X-Forwarded-For", "").split(",")
    identifiers = [identifier for part in parts if (identifier := part.strip())]
    if len(identifiers) > _MOST_IDENTIFIERS:
        raise _BadRequestError(f"X-Forwarded-For names more than {_MOST_IDENTIFIERS} addresses")
    return identifiers


def _ignition_type(payload: Payload) -> str:
    return JSON if payload.body.lstrip().startswith(b"{") else TEXT


def _refuse(endpoint: str, request: Request, error: BootError) -> Response:
    """The response that tells why; what somebody has to mend is logged."""
    status = _status_of(error)
    is_fault = not isinstance(error, UnknownMachineError | SecretNotFetchedError | _NotStartedError)
    if is_fault:
        log.warning(
            "a machine cannot boot",
            endpoint=endpoint,
            target=request.target[:300],
            status=status,
            reason=str(error.reason),
            error=str(error),
        )
    return _text(endpoint, status, str(error), _RETRY_SOON if status == 503 else _NO_STORE)


def _status_of(error: BootError) -> int:
    """The status code for what stands in the way.

    A missing Secret or key is 404 for Ignition and 500 for scripts, as clients of the reference know it.
    """
    match error:
        case UnknownMachineError() | NoIgnitionError():
            return 404
        case SecretNotFoundError(stage=Stage.IGNITION) | SecretKeyMissingError(stage=Stage.IGNITION):
            return 404
        case UnsupportedFormatError():
            return 501
        case NotAvailableYetError():
            return 503
        case _:
            return 500


def _text(endpoint: str, status: int, text: str, headers: tuple[tuple[str, str], ...] = _NO_STORE) -> Response:
    """One sentence as one line."""
    return Response(endpoint, status, f"{' '.join(text.split())}\n".encode(), TEXT, headers)
