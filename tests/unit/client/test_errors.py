"""From an answer to the error that stands for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from controller_runtime.apimachinery import Resource
from controller_runtime.client import (
    AlreadyExistsError,
    ApiError,
    BadRequestError,
    ClientError,
    ConflictError,
    ForbiddenError,
    GoneError,
    InternalError,
    InvalidError,
    MethodNotAllowedError,
    NotAcceptableError,
    NotFoundError,
    Operation,
    RequestTooLargeError,
    ServerTimeoutError,
    ServiceUnavailableError,
    TooManyRequestsError,
    UnauthorizedError,
    UnsupportedMediaTypeError,
    ignore_already_exists,
    ignore_not_found,
)
from controller_runtime.client.errors import error_from_response

LEASES = Resource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")
SECRETS = Resource(group="", version="v1", kind="Secret", plural="secrets")
UPDATE = Operation("update", LEASES, "kube-system", "lock")
CREATE = Operation("create", LEASES, "kube-system", "lock")


def status_body(code: int, reason: str, message: str = "no", **details: object) -> bytes:
    return json.dumps(
        {"kind": "Status", "code": code, "reason": reason, "message": message, "details": details}
    ).encode()


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        pytest.param(400, "BadRequest", BadRequestError, id="bad request"),
        pytest.param(401, "Unauthorized", UnauthorizedError, id="unauthorized"),
        pytest.param(403, "Forbidden", ForbiddenError, id="forbidden"),
        pytest.param(404, "NotFound", NotFoundError, id="not found"),
        pytest.param(405, "MethodNotAllowed", MethodNotAllowedError, id="method not allowed"),
        pytest.param(406, "NotAcceptable", NotAcceptableError, id="not acceptable"),
        pytest.param(413, "RequestEntityTooLarge", RequestTooLargeError, id="too large"),
        pytest.param(415, "UnsupportedMediaType", UnsupportedMediaTypeError, id="unsupported media type"),
        pytest.param(413, "Invented", RequestTooLargeError, id="413 by its code"),
        pytest.param(429, "InternalError", TooManyRequestsError, id="429 counts for more than its reason"),
        pytest.param(413, "BadRequest", RequestTooLargeError, id="413 counts for more than its reason"),
        pytest.param(500, "StorageReadError", ApiError, id="a known reason without a class"),
        pytest.param(409, "AlreadyExists", AlreadyExistsError, id="already exists"),
        pytest.param(409, "Conflict", ConflictError, id="conflict"),
        pytest.param(410, "Gone", GoneError, id="gone"),
        pytest.param(410, "Expired", GoneError, id="expired"),
        pytest.param(422, "Invalid", InvalidError, id="invalid"),
        pytest.param(429, "TooManyRequests", TooManyRequestsError, id="too many requests"),
        pytest.param(500, "InternalError", InternalError, id="internal error"),
        pytest.param(500, "ServerTimeout", ServerTimeoutError, id="server timeout is a 500"),
        pytest.param(503, "ServiceUnavailable", ServiceUnavailableError, id="service unavailable"),
        pytest.param(504, "Timeout", ServerTimeoutError, id="timeout"),
        pytest.param(404, "Conflict", ConflictError, id="a known reason wins over the code"),
        pytest.param(409, "Invented", ConflictError, id="the code decides on an unknown reason"),
        pytest.param(410, "", GoneError, id="the code decides without a reason"),
        pytest.param(500, "", InternalError, id="500 without a reason"),
        pytest.param(418, "", ApiError, id="neither is known"),
    ],
)
def test_a_status_becomes_the_error_of_its_reason(code: int, reason: str, expected: type[ApiError]) -> None:
    error = error_from_response(UPDATE, code, {}, status_body(code, reason))
    assert type(error) is expected
    assert (error.code, error.reason, error.operation) == (code, reason, UPDATE)
    assert isinstance(error, ClientError)


@pytest.mark.parametrize(
    ("operation", "code", "reason", "expected"),
    [
        pytest.param(CREATE, 409, "AlreadyExists", AlreadyExistsError, id="409 to a create"),
        pytest.param(UPDATE, 409, "Conflict", ConflictError, id="409 to anything else"),
        pytest.param(
            CREATE._replace(subresource="token"), 409, "AlreadyExists", AlreadyExistsError, id="409 to a POST"
        ),
        pytest.param(UPDATE, 405, "MethodNotAllowed", MethodNotAllowedError, id="405"),
        pytest.param(UPDATE, 413, "RequestEntityTooLarge", RequestTooLargeError, id="413"),
        pytest.param(UPDATE, 410, "Gone", GoneError, id="410"),
        pytest.param(UPDATE, 422, "Invalid", InvalidError, id="422"),
        pytest.param(UPDATE, 502, "InternalError", InternalError, id="502"),
        pytest.param(UPDATE, 503, "ServiceUnavailable", ServiceUnavailableError, id="503"),
        pytest.param(UPDATE, 504, "Timeout", ServerTimeoutError, id="504"),
        pytest.param(UPDATE, 307, "", ApiError, id="a redirect, which is never followed"),
    ],
)
def test_a_body_without_a_status_is_judged_by_its_code(
    operation: Operation, code: int, reason: str, expected: type[ApiError]
) -> None:
    error = error_from_response(operation, code, {}, b"<html>down for maintenance</html>")
    assert type(error) is expected
    assert error.reason == reason
    assert error.has_cause("UnexpectedServerResponse")
    assert "down for maintenance" in str(error)


def test_a_foreign_body_is_cut_at_2048_bytes() -> None:
    error = error_from_response(UPDATE, 500, {}, b"x" * 5000)
    assert [len(cause.message) for cause in error.causes] == [2048]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"kind":"Lease","code":500}', id="another kind"),
        pytest.param(b"[]", id="no object"),
        pytest.param(b'{"kind":"Status","code":"many"}', id="wrong type"),
        pytest.param(b"\xff\xfe", id="no text"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_what_is_no_status_is_not_taken_for_one(body: bytes) -> None:
    error = error_from_response(UPDATE, 404, {}, body)
    assert type(error) is NotFoundError
    assert error.has_cause("UnexpectedServerResponse")


def test_a_404_without_a_status_means_that_the_kind_is_missing() -> None:
    missing_kind = error_from_response(UPDATE, 404, {}, b"404 page not found\n")
    missing_object = error_from_response(UPDATE, 404, {}, status_body(404, "NotFound"))
    assert isinstance(missing_kind, NotFoundError)
    assert isinstance(missing_object, NotFoundError)
    assert (missing_kind.kind_is_missing, missing_object.kind_is_missing) == (True, False)
    assert "does not serve leases of coordination.k8s.io/v1 (is its CRD installed?)" in str(missing_kind)


def test_a_missing_right_is_explained_with_all_that_somebody_needs() -> None:
    text = 'leases is forbidden: User "x" cannot create resource "leases"'
    error = error_from_response(CREATE, 403, {}, status_body(403, "Forbidden", text))
    assert isinstance(error, ForbiddenError)
    assert error.explain("create, get").endswith('resources: ["leases"], verbs: [create, get]}')
    admission = error_from_response(CREATE, 403, {}, status_body(403, "Forbidden", "not on Fridays"))
    assert isinstance(admission, ForbiddenError)
    assert admission.explain("create, get") == str(admission)


def test_a_missing_kind_that_knows_how_it_is_installed_says_so() -> None:
    foos = Resource(group="x.example", version="v1", kind="Foo", plural="foos", install="kubectl apply -f foos.yaml")
    error = error_from_response(Operation("list", foos), 404, {}, b"404 page not found\n")
    assert "does not serve foos of x.example/v1 (install it with `kubectl apply -f foos.yaml`)" in str(error)


@pytest.mark.parametrize(
    ("operation", "prefix"),
    [
        pytest.param(UPDATE, "cannot update leases.coordination.k8s.io kube-system/lock: ", id="one object"),
        pytest.param(
            UPDATE._replace(subresource="status"), "cannot update leases.coordination.k8s.io/status ", id="sub"
        ),
        pytest.param(Operation("get", SECRETS, "default", "a"), "cannot get secrets default/a: ", id="core group"),
        pytest.param(Operation("list", SECRETS, "default"), "cannot list secrets in namespace default: ", id="one ns"),
        pytest.param(Operation("watch", SECRETS), "cannot watch secrets: ", id="whole cluster"),
    ],
)
def test_the_text_names_operation_object_message_and_reason(operation: Operation, prefix: str) -> None:
    text = str(error_from_response(operation, 409, {}, status_body(409, "Conflict", "object was modified")))
    assert text.startswith(prefix)
    assert text.endswith("object was modified (409 Conflict)")


@pytest.mark.parametrize(
    ("operation", "rule"),
    [
        pytest.param(
            Operation("patch", LEASES, "default", "a", "status"),
            '{apiGroups: ["coordination.k8s.io"], resources: ["leases/status"], verbs: [patch]}',
            id="subresource",
        ),
        pytest.param(
            Operation("list", SECRETS), '{apiGroups: [""], resources: ["secrets"], verbs: [list]}', id="core group"
        ),
        pytest.param(
            Operation("apply", SECRETS, "default", "a"),
            '{apiGroups: [""], resources: ["secrets"], verbs: [patch, create]}',
            id="apply may create",
        ),
    ],
)
def test_a_denial_by_rbac_names_the_missing_rule(operation: Operation, rule: str) -> None:
    denial = 'secrets is forbidden: User "x" cannot list resource "secrets" in API group "" at the cluster scope'
    error = error_from_response(operation, 403, {}, status_body(403, "Forbidden", denial))
    assert isinstance(error, ForbiddenError)
    assert error.rbac_rule == rule
    assert str(error).endswith(rule)


def test_a_denial_by_admission_names_no_rule() -> None:
    denial = 'secrets "a" is forbidden: exceeded quota: compute'
    error = error_from_response(UPDATE, 403, {}, status_body(403, "Forbidden", denial))
    assert isinstance(error, ForbiddenError)
    assert error.rbac_rule == ""
    assert "apiGroups" not in str(error)


@pytest.mark.parametrize(
    ("headers", "details", "expected"),
    [
        pytest.param({"Retry-After": "7"}, {}, 7.0, id="header"),
        pytest.param({}, {"retryAfterSeconds": 3}, 3.0, id="status"),
        pytest.param({"Retry-After": "7"}, {"retryAfterSeconds": 3}, 7.0, id="the header wins"),
        pytest.param({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {}, None, id="dates are ignored"),
        pytest.param({"Retry-After": "-1"}, {}, None, id="negative"),
        pytest.param({"Retry-After": "²"}, {}, None, id="a digit that is no number"),
        pytest.param({}, {}, None, id="none"),
    ],
)
def test_retry_after(headers: dict[str, str], details: dict[str, int], expected: float | None) -> None:
    error = error_from_response(UPDATE, 429, headers, status_body(429, "TooManyRequests", "no", **details))
    assert error.retry_after == expected


def test_causes_name_the_fields() -> None:
    causes = [{"reason": "FieldValueRequired", "message": "Required value", "field": "spec.uuid"}]
    error = error_from_response(UPDATE, 422, {}, status_body(422, "Invalid", causes=causes))
    assert [(cause.reason, cause.field) for cause in error.causes] == [("FieldValueRequired", "spec.uuid")]


MISSING_OBJECT = error_from_response(UPDATE, 404, {}, status_body(404, "NotFound"))
MISSING_KIND = error_from_response(UPDATE, 404, {}, b"404 page not found")
EXISTING = error_from_response(CREATE, 409, {}, status_body(409, "AlreadyExists"))
CONFLICT = error_from_response(UPDATE, 409, {}, status_body(409, "Conflict"))


@pytest.mark.parametrize(
    ("ignoring", "ignored", "raised"),
    [
        pytest.param(ignore_not_found, [MISSING_OBJECT], [MISSING_KIND, EXISTING, KeyError("x")], id="not found"),
        pytest.param(ignore_already_exists, [EXISTING], [CONFLICT, MISSING_OBJECT, KeyError("x")], id="exists"),
    ],
)
def test_only_the_one_failure_is_ignored(
    ignoring: Callable[[], AbstractContextManager[None]], ignored: list[Exception], raised: list[Exception]
) -> None:
    for error in ignored:
        with ignoring():
            raise error
    for error in raised:
        with pytest.raises(type(error)), ignoring():
            raise error


def test_an_error_names_kind_and_object_to_programs() -> None:
    assert isinstance(CONFLICT, ApiError)
    operation = CONFLICT.operation
    assert (operation.verb, operation.resource.kind, *operation.key) == ("update", "Lease", "kube-system", "lock")
