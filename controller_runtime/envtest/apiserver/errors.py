"""Errors as the API server answers them: metav1.Status with code, reason, message, details.

Texts are kube-apiserver's own, because clients and people search for them (apimachinery, pkg/api/errors).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

OPTIMISTIC_LOCK: Final = "the object has been modified; please apply your changes to the latest version and try again"


class FieldError(NamedTuple):
    """One thing that is wrong with a field; a cause in the details of a Status."""

    reason: str
    """`FieldValueInvalid`, `FieldValueRequired`, ... as in StatusCause."""
    field: str
    """Path, as `spec.ports[0].name`."""
    message: str
    """As in StatusCause: without the path (`Required value`, `Invalid value: "x": must be ...`)."""

    def __str__(self) -> str:
        """As in the message of the whole Status."""
        return f"{self.field}: {self.message}"


class StatusError(Exception):
    """A request cannot be carried out; becomes the response.

    Args:
        code: HTTP status.
        reason: metav1.StatusReason.
        message: for people.
        details: `group`, `kind`, `name`, `uid`, `causes`, as in StatusDetails; None for a Status without any.
        retry_after: seconds after which asking again may help; also becomes the header.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = dict(details or {})
        self._has_details = details is not None
        self.retry_after = retry_after
        self.list_metadata: dict[str, Any] = {}
        """Of the Status: a continue token for whoever does without a consistent list."""
        if retry_after is not None:
            self.details["retryAfterSeconds"] = retry_after

    def status(self) -> dict[str, Any]:
        """The metav1.Status."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.list_metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "details": self.details,
            "code": self.code,
        }
        if not self.details and not self._has_details:
            del status["details"]
        if not self.reason:
            del status["reason"]
        return status


def qualified(group: str, plural: str) -> str:
    """`plural.group`, or `plural` alone in the core group, as messages name resources."""
    return f"{plural}.{group}" if group else plural


def _details(group: str, kind: str, name: str, **more: Any) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", group), ("kind", kind), *more.items()) if value}


def bad_request(message: str) -> StatusError:
    """400: the request is malformed."""
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    """401: no valid credential."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    """403."""
    subject = f'{qualified(group, plural)} "{name}"' if name else qualified(group, plural)
    return StatusError(403, "Forbidden", f"{subject} is forbidden: {why}", details=_details(group, plural, name))


def not_found(group: str, plural: str, name: str) -> StatusError:
    """404: no such object."""
    return StatusError(
        404, "NotFound", f'{qualified(group, plural)} "{name}" not found', details=_details(group, plural, name)
    )


def no_such_path() -> StatusError:
    """404: nothing is served at this path."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


class PageNotFoundError(StatusError):
    """404 of what is no path of any group; said in plain text, not in a Status."""

    def __init__(self) -> None:
        super().__init__(404, "NotFound", "404 page not found")


def method_not_allowed(group: str, plural: str, action: str) -> StatusError:
    """405: the resource does not do that."""
    return StatusError(
        405,
        "MethodNotAllowed",
        f'{action} is not supported on resources of kind "{qualified(group, plural)}"',
        details=_details(group, plural, ""),
    )


def no_such_method() -> StatusError:
    """405: nothing at this path does that."""
    return StatusError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def not_acceptable(types: Sequence[str]) -> StatusError:
    """406: none of the media types that the client accepts can be produced."""
    return StatusError(406, "NotAcceptable", f"only the following media types are accepted: {', '.join(types)}")


def not_that_form(form: str, why: str) -> StatusError:
    """406: one object is asked for in the form of a list, or the other way round."""
    return StatusError(406, "NotAcceptable", f"you requested {form}, but the requested object {why}")


def no_representation(types: Sequence[str]) -> StatusError:
    """406 of a path that answers in none of the media types that the client accepts."""
    text = f"406: Not Acceptable\n\nAvailable representations: {', '.join(types)}"
    return StatusError(406, "NotAcceptable", text, details={})


def unsupported_media_type(types: Sequence[str]) -> StatusError:
    """415: the media type of the body."""
    return StatusError(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: " + ", ".join(types),
    )


def already_exists(group: str, plural: str, name: str) -> StatusError:
    """409: the name is taken."""
    return StatusError(
        409,
        "AlreadyExists",
        f'{qualified(group, plural)} "{name}" already exists',
        details=_details(group, plural, name),
    )


def conflict(group: str, plural: str, name: str, why: str = OPTIMISTIC_LOCK) -> StatusError:
    """409: the object is not as the request assumed."""
    return StatusError(
        409,
        "Conflict",
        f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}',
        details=_details(group, plural, name),
    )


def apply_conflict(message: str, causes: Iterable[FieldError]) -> StatusError:
    """409: server-side apply would take fields from other managers."""
    return StatusError(409, "Conflict", message, details={"causes": [_cause(cause) for cause in causes]})


def plain(message: str) -> StatusError:
    """500 without a reason, as Go errors become that are not the API's own."""
    return StatusError(500, "", message)


def expired(message: str) -> StatusError:
    """410: the resourceVersion or the continue token is too old."""
    return StatusError(410, "Expired", message)


def too_large(limit: int) -> StatusError:
    """413: the body."""
    return StatusError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {limit}")


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422: fields are wrong."""
    texts = list(dict.fromkeys(map(str, errors)))
    subject = f"{kind}.{group}" if group else kind
    text = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    return StatusError(
        422,
        "Invalid",
        f'{subject} "{name}" is invalid: {text}' if texts else f'{subject} "{name}" is invalid',
        details=_details(group, kind, name, causes=[_cause(error) for error in errors]),
    )


def internal(message: str) -> StatusError:
    """500: a bug of this server."""
    return StatusError(
        500,
        "InternalError",
        f"Internal error occurred: {message}",
        details={"causes": [{"message": message}]},
    )


def timeout(message: str, *, cause: str = "", retry_after: int | None = None) -> StatusError:
    """504; with the cause `ResourceVersionTooLarge` for a list of the future."""
    causes = [{"reason": cause, "message": "Too large resource version"}] if cause else []
    details: dict[str, Any] = {"causes": causes} if causes else {}
    return StatusError(504, "Timeout", f"Timeout: {message}", details=details, retry_after=retry_after)


def _cause(error: FieldError) -> dict[str, str]:
    return {"reason": error.reason, "message": error.message, "field": error.field}
