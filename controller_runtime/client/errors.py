"""Everything that can go wrong between this process and the API server, as one tree.

    ClientError
    ├── ConfigError                 no usable configuration or credentials
    ├── InvalidRequestError         refused here, before anything was sent
    ├── InvalidResponseError        a success whose body is not what its type says
    ├── LeadershipLostError         the fence stopped a leader's write
    ├── TransportError              no (complete) response
    │   ├── ConnectError            no connection: refused, name not found, TLS; nothing was sent
    │   ├── ConnectionLostError     reset or closed; a write may or may not have been carried out
    │   └── RequestTimeoutError     no answer in time; the same doubt
    └── ApiError                    the server answered with a failure
        ├── BadRequestError         400
        ├── UnauthorizedError       401
        ├── ForbiddenError          403; its message names the RBAC rule that is missing
        ├── NotFoundError           404
        ├── MethodNotAllowedError   405
        ├── NotAcceptableError      406
        ├── AlreadyExistsError      409, by reason only
        ├── ConflictError           409
        ├── GoneError               410: reasons Gone and Expired
        ├── RequestTooLargeError    413
        ├── UnsupportedMediaTypeError 415
        ├── InvalidError            422
        ├── TooManyRequestsError    429
        ├── InternalError           500
        ├── ServiceUnavailableError 503
        └── ServerTimeoutError      504, and reason ServerTimeout (500)

The class follows `reason`; the code decides only where the reason is unknown, as in apimachinery's `errors.Is...`.
Reasons that call for the same answer share a class (Gone and Expired: list anew; Timeout and ServerTimeout: try later);
`reason` tells them apart. Other failures are plain `ApiError`s. Each ApiError carries `reason`, `code` and `operation`,
which names the verb, the kind and the object.

`ignore_not_found` and `ignore_already_exists` are for writes whose purpose is fulfilled by such a failure.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from controller_runtime.apimachinery import DecodeError, NamespacedName, Resource, decode
from controller_runtime.apimachinery.meta import APIStruct

UNEXPECTED_RESPONSE = "UnexpectedServerResponse"
"""Reason of the cause that marks an answer without a Status, which no API machinery wrote: a proxy, or a bare 404."""

_BODY_LIMIT = 2048  # bytes of a foreign body that are quoted; client-go's limit
_RBAC_DENIAL = re.compile(r" cannot [a-z]+ resource ")  # admission also answers 403, and no rule helps against that


class ClientError(Exception):
    """Base of the tree."""


class ConfigError(ClientError):
    """There is no usable configuration, or credentials cannot be had; the message says what was tried."""


class InvalidRequestError(ClientError, ValueError):
    """The request makes no sense and was not sent: an empty name, a partial object for `update`, no field owner."""


class InvalidResponseError(ClientError):
    """The server said that it succeeded, but its answer cannot be read; the message names type and field."""


class LeadershipLostError(ClientError):
    """This process may no longer write as the leader; nothing was sent."""


class TransportError(ClientError):
    """There was no complete response."""


class ConnectError(TransportError):
    """No connection came about, so nothing was sent."""


class ConnectionLostError(TransportError):
    """The connection broke before the response was complete; a write may or may not have been carried out."""


class RequestTimeoutError(TransportError, TimeoutError):
    """No complete response in time; a write may or may not have been carried out."""


class Operation(NamedTuple):
    """What a request does, in the words of RBAC: the subject of an error message."""

    verb: str
    """RBAC verb: get, list, watch, create, update, patch, delete; `apply` needs patch and create."""
    resource: Resource
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def key(self) -> NamespacedName:
        """Namespace and name of the object; the name is empty for a collection."""
        return NamespacedName(self.namespace, self.name)

    def __str__(self) -> str:
        """`update leases.coordination.k8s.io kube-system/lock`, `list secrets in namespace default`."""
        what = self.resource.qualified_plural + (f"/{self.subresource}" if self.subresource else "")
        if self.name:
            return f"{self.verb} {what} {self.key}"
        return f"{self.verb} {what} in namespace {self.namespace}" if self.namespace else f"{self.verb} {what}"

    @property
    def rbac_rule(self) -> str:
        """The rule of a Role or ClusterRole that allows this operation, as YAML in one line."""
        return self.rbac_rule_for("patch, create" if self.verb == "apply" else self.verb)

    def rbac_rule_for(self, verbs: str) -> str:
        """The rule that allows other verbs on the same resource, which are named as in `get, list`."""
        plural = self.resource.plural + (f"/{self.subresource}" if self.subresource else "")
        return f'{{apiGroups: ["{self.resource.group}"], resources: ["{plural}"], verbs: [{verbs}]}}'


class Cause(APIStruct, frozen=True, kw_only=True, gc=False):
    """One reason of a failure, with the field it is about (`spec.systemUUID`)."""

    reason: str = ""
    message: str = ""
    field: str = ""


class StatusDetails(APIStruct, frozen=True, kw_only=True, gc=False):
    """What a Status is about, and why in detail."""

    name: str = ""
    group: str = ""
    kind: str = ""
    """Kind or resource, as the server likes."""
    uid: str = ""
    causes: tuple[Cause, ...] = ()
    retry_after_seconds: int = 0


class Status(APIStruct, frozen=True, kw_only=True, gc=False):
    """metav1.Status: the body of a failure, and the object of a watch's ERROR event."""

    kind: str = ""
    status: str = ""
    message: str = ""
    reason: str = ""
    details: StatusDetails = msgspec.field(default_factory=StatusDetails)
    code: int = 0


class ApiError(ClientError):
    """The API server refused or failed.

    Attributes:
        operation: What was asked for.
        status: The server's Status; made up from the HTTP code where the answer had none.
        retry_after: Seconds after which the server wants to be asked again, or None.
    """

    def __init__(self, operation: Operation, status: Status, retry_after: float | None = None) -> None:
        super().__init__(operation, status, retry_after)
        self.operation = operation
        self.status = status
        self.retry_after = float(status.details.retry_after_seconds) or None if retry_after is None else retry_after

    @property
    def code(self) -> int:
        """HTTP status code."""
        return self.status.code

    @property
    def reason(self) -> str:
        """CamelCase reason of the API (`NotFound`); empty if unknown."""
        return self.status.reason

    @property
    def message(self) -> str:
        """The server's own message."""
        return self.status.message

    @property
    def causes(self) -> tuple[Cause, ...]:
        """The single reasons, for example one for each invalid field."""
        return self.status.details.causes

    def has_cause(self, reason: str) -> bool:
        """Whether one of the causes has that reason (`FieldManagerConflict`, `ResourceVersionTooLarge`)."""
        return any(cause.reason == reason for cause in self.causes)

    def __str__(self) -> str:
        """Verb, object, the server's message, code and reason."""
        return f"cannot {self.operation}: {self.message} ({f'{self.code} {self.reason}'.rstrip()})"


class BadRequestError(ApiError):
    """400: the request is malformed."""


class UnauthorizedError(ApiError):
    """401: the server does not know who is asking."""


class ForbiddenError(ApiError):
    """403: RBAC or admission forbids it."""

    @property
    def rbac_rule(self) -> str:
        """The rule that would allow the operation; empty if it was not RBAC that refused."""
        return self.operation.rbac_rule if _RBAC_DENIAL.search(self.message) else ""

    def __str__(self) -> str:
        """The usual text and, if RBAC refused, the missing rule."""
        return self._explained(self.rbac_rule)

    def explain(self, verbs: str) -> str:
        """The text for a part that needs more verbs than this one: if RBAC refused, with the rule for all of them."""
        return self._explained(self.rbac_rule and self.operation.rbac_rule_for(verbs))

    def _explained(self, rule: str) -> str:
        text = super().__str__()
        return f"{text}; this rule in its role would allow it: {rule}" if rule else text


class NotFoundError(ApiError):
    """404: no such object, or no such kind."""

    @property
    def kind_is_missing(self) -> bool:
        """The server does not serve the kind at all, most likely because its CRD is not installed."""
        return self.has_cause(UNEXPECTED_RESPONSE)


class MethodNotAllowedError(ApiError):
    """405: the resource does not have that verb."""


class NotAcceptableError(ApiError):
    """406: the server cannot answer in the form that was asked for."""


class AlreadyExistsError(ApiError):
    """409 AlreadyExists: an object of that name is there."""


class ConflictError(ApiError):
    """409 Conflict: the object has changed since it was read, or another field manager owns a field."""


class GoneError(ApiError):
    """410 Gone or Expired: the resourceVersion or continue token is too old; list anew."""


class RequestTooLargeError(ApiError):
    """413: the object is larger than the server or its storage takes."""


class UnsupportedMediaTypeError(ApiError):
    """415: the server does not know the type of the body, for example a strategic merge patch of a custom kind."""


class InvalidError(ApiError):
    """422: validation failed; `causes` names the fields."""


class TooManyRequestsError(ApiError):
    """429: the server is overloaded or throttles us."""


class InternalError(ApiError):
    """500: the server failed."""


class ServiceUnavailableError(ApiError):
    """503: the server, or what it depends on, is not ready."""


class ServerTimeoutError(ApiError):
    """Reasons Timeout (504) and ServerTimeout (500): not done in time, though it may still happen."""


_BY_REASON: Mapping[str, type[ApiError]] = {
    "BadRequest": BadRequestError,
    "Unauthorized": UnauthorizedError,
    "Forbidden": ForbiddenError,
    "NotFound": NotFoundError,
    "AlreadyExists": AlreadyExistsError,
    "Conflict": ConflictError,
    "Gone": GoneError,
    "Expired": GoneError,
    "Invalid": InvalidError,
    "TooManyRequests": TooManyRequestsError,
    "InternalError": InternalError,
    "ServiceUnavailable": ServiceUnavailableError,
    "Timeout": ServerTimeoutError,
    "ServerTimeout": ServerTimeoutError,
    "MethodNotAllowed": MethodNotAllowedError,
    "NotAcceptable": NotAcceptableError,
    "RequestEntityTooLarge": RequestTooLargeError,
    "UnsupportedMediaType": UnsupportedMediaTypeError,
    "StorageReadError": ApiError,
}
_REASON_BY_CODE: Mapping[int, str] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    503: "ServiceUnavailable",
    504: "Timeout",
}


_DECISIVE_CODES = (413, 429)
"""Codes that count for more than any reason, because not only the API machinery gives them (apimachinery, too)."""


def error_from_status(operation: Operation, status: Status, retry_after: float | None = None) -> ApiError:
    """The error that stands for a Status."""
    known = status.reason in _BY_REASON and status.code not in _DECISIVE_CODES
    reason = status.reason if known else _REASON_BY_CODE.get(status.code, "")
    kind = _BY_REASON.get(reason, InternalError if status.code == 500 else ApiError)
    return kind(operation, status, retry_after)


def error_from_response(operation: Operation, code: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """The error that stands for a response outside 2xx, whoever wrote it.

    Args:
        operation: What was asked for.
        code: HTTP status code.
        headers: Response headers; `Retry-After` is read.
        body: A Status, or anything at all.
    """
    retry_after = parse_retry_after(headers)
    try:
        status = decode(Status, body)
    except DecodeError:
        status = Status()
    if status.kind != "Status":
        status = _status_from_code(operation, code, body)
    elif status.code == 0:
        status = msgspec.structs.replace(status, code=code)
    return error_from_status(operation, status, retry_after)


def _status_from_code(operation: Operation, code: int, body: bytes) -> Status:
    text = body[:_BODY_LIMIT].decode(errors="replace").strip()
    reason = "InternalError" if code >= 500 else ""
    reason = _REASON_BY_CODE.get(code, reason)
    if code == 409 and operation.verb == "create":
        reason = "AlreadyExists"
    message = f"the answer was no Kubernetes Status but {text!r}" if text else "the answer had no body"
    if code == 404:
        resource = operation.resource
        remedy = f"install it with `{resource.install}`" if resource.install else "is its CRD installed?"
        message = f"the server does not serve {resource.plural} of {resource.api_version} ({remedy})"
    cause = Cause(reason=UNEXPECTED_RESPONSE, message=text)
    return Status(kind="Status", message=message, reason=reason, code=code, details=StatusDetails(causes=(cause,)))


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of the `Retry-After` header; None without one and for HTTP dates, which client-go ignores too."""
    value = headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdigit() else None


@contextlib.contextmanager
def ignore_not_found() -> Iterator[None]:
    """Do not mind that an object is gone already, as when deleting it.

    That the server does not serve the kind at all is a failure all the same, as with controller-runtime's
    `IgnoreNotFound`, to which that is another error.
    """
    try:
        yield
    except NotFoundError as error:
        if error.kind_is_missing:
            raise


@contextlib.contextmanager
def ignore_already_exists() -> Iterator[None]:
    """Do not mind that an object is there already, as when creating it."""
    with contextlib.suppress(AlreadyExistsError):
        yield
