"""What clients send: options of writes, and objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, cast

import msgspec

from controller_runtime.envtest.apiserver import protobuf
from controller_runtime.envtest.apiserver.decode import DecodeError, decode, missing_kind, refusal, type_meta
from controller_runtime.envtest.apiserver.errors import FieldError, StatusError, bad_request, invalid
from controller_runtime.envtest.apiserver.exchange import Query, Request
from controller_runtime.envtest.apiserver.negotiation import PROTOBUF, body_type
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.schema import CoercionError
from controller_runtime.envtest.apiserver.writer import DeleteOptions, Validation, WriteOptions

APPLY: Final = "application/apply-patch+yaml"
_VALIDATIONS: Final = ("Ignore", "Warn", "Strict")
_POLICIES: Final = ("Foreground", "Background", "Orphan")
_LONGEST_MANAGER: Final = 128
_STRICT: Final = "strict decoding error: "


def _not_supported(field: str, value: str, supported: Sequence[str]) -> FieldError:
    texts = ", ".join(f'"{each}"' for each in supported)
    return FieldError("FieldValueNotSupported", field, f'Unsupported value: "{value}": supported values: {texts}')


def write_options(request: Request, kind: str, *, is_apply: bool = False) -> WriteOptions:
    """The options of a create, update or patch.

    Args:
        request: has them in its query.
        kind: `CreateOptions`, `UpdateOptions` or `PatchOptions`, for messages.
        is_apply: whether it is a server-side apply, which has to name its manager.

    Raises:
        StatusError: 422.
    """
    query = request.query
    manager, force, validation = query.text("fieldManager"), "force" in query, query.text("fieldValidation")
    errors = [*_dry_run_errors(query.texts("dryRun"))]
    if is_apply and not manager:
        errors.append(FieldError("FieldValueRequired", "fieldManager", "Required value: is required for apply patch"))
    if force and kind == "PatchOptions" and not is_apply:
        errors.append(FieldError("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch"))
    if len(manager) > _LONGEST_MANAGER:
        text = f"Too long: may not be more than {_LONGEST_MANAGER} bytes"
        errors.append(FieldError("FieldValueTooLong", "fieldManager", text))
    if not manager.isprintable():
        text = f'Invalid value: "{manager}": should only contain printable characters'
        errors.append(FieldError("FieldValueInvalid", "fieldManager", text))
    if validation and validation not in _VALIDATIONS:
        errors.append(_not_supported("fieldValidation", validation, ("", *sorted(_VALIDATIONS))))
    if errors:
        raise invalid("meta.k8s.io", kind, "", errors)
    return WriteOptions(
        manager=manager or request.user_agent_name,
        dry_run=bool(query.text("dryRun")),
        validation=cast("Validation", validation or "Warn"),
        force=query.flag("force"),
        warn=request.warn,
    )


def _dry_run_errors(values: Sequence[str]) -> list[FieldError]:
    if all(value in ("", "All") for value in values):
        return []
    shown = msgspec.json.encode(list(values)).decode()
    return [FieldError("FieldValueNotSupported", "dryRun", f'Unsupported value: {shown}: supported values: "All"')]


def delete_options(request: Request) -> DeleteOptions:
    """The options of a deletion, in its body or else its query.

    Raises:
        StatusError: 400, 415, 422.
    """
    body = _options_body(request) if request.body.strip() else _options_query(request.query)
    preconditions = body.get("preconditions") or {}
    dry_run = body.get("dryRun") or []
    policy, orphan = body.get("propagationPolicy"), body.get("orphanDependents")
    errors = _dry_run_errors(dry_run)
    if policy is not None and orphan is not None:
        text = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        errors.append(FieldError("FieldValueInvalid", "propagationPolicy", text))
    if policy is not None and policy not in _POLICIES:
        errors.append(_not_supported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if errors:
        raise invalid("meta.k8s.io", "DeleteOptions", "", errors)
    return DeleteOptions(
        dry_run=bool(dry_run),
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
        propagation=policy or "",
        orphan=orphan,
    )


def _options_body(request: Request) -> dict[str, Any]:
    try:
        value, _ = _decoded(request, "v1", "DeleteOptions")
        api_version, kind = type_meta(value)
    except DecodeError as error:
        raise bad_request(str(error)) from None
    if kind not in ("", "DeleteOptions"):
        raise bad_request(f'no kind "{kind}" is registered for version "{api_version}"')
    value = value or {}
    expected = {"dryRun": list, "preconditions": dict, "propagationPolicy": str, "orphanDependents": bool,
                "gracePeriodSeconds": int}  # fmt: skip
    for name, type_ in expected.items():
        if value.get(name) is not None and not isinstance(value[name], type_):
            raise bad_request(
                f"json: cannot unmarshal {_go_type(value[name])} into Go struct field DeleteOptions.{name}"
            )
    return cast("dict[str, Any]", value)


def _go_type(value: Any) -> str:
    match value:
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "array"
    return "object"


def _options_query(query: Query) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if query.text("dryRun"):
        options["dryRun"] = query.texts("dryRun")
    if query.text("propagationPolicy"):
        options["propagationPolicy"] = query.text("propagationPolicy")
    if "orphanDependents" in query:
        options["orphanDependents"] = query.flag("orphanDependents")
    options["gracePeriodSeconds"] = query.number("gracePeriodSeconds")
    return options


def value_body(request: Request, api_version: str, expected_kind: str) -> Any:
    """The value that a body holds.

    Raises:
        StatusError: 400 or 415.
    """
    try:
        return _decoded(request, api_version, expected_kind)[0]
    except DecodeError as error:
        raise refusal(expected_kind, str(error), request.body, error.type_meta) from None


def _decoded(
    request: Request, api_version: str, kind: str, *, custom: bool = False, strict: bool = False
) -> tuple[Any, list[str]]:
    """The value that a body holds, and what strict reading objects to.

    Raises:
        DecodeError: it is malformed.
        StatusError: 415.
    """
    media_type = body_type(request.headers.get("content-type", ""), custom=custom)
    if media_type == PROTOBUF:
        return protobuf.decode(request.body, api_version, kind), []
    return decode(request.body, media_type, strict=strict)


def object_body(type_: ResourceType, request: Request, validation: Validation) -> dict[str, Any]:
    """The object that a create or update sends, as the server's decoder leaves it.

    Raises:
        StatusError: 400 or 415; unknown and repeated fields are a fault only if validation is strict.
    """
    strict = validation != "Ignore"
    try:
        value, repeated = _decoded(request, type_.api_version, type_.kind, custom=type_.custom, strict=strict)
        names = type_meta(value)
        if type_.custom and not names[1]:
            raise missing_kind(request.body)
    except DecodeError as cause:
        raise refusal(type_.kind, str(cause), request.body, cause.type_meta) from None

    def error(text: str) -> StatusError:
        return refusal(type_.kind, text, request.body, (type_.api_version, type_.kind))

    obj, unknown = coerced(type_, checked_object(type_, value or {}, names), error)
    report(request.warn, validation, [*repeated, *_unknown(unknown)], error)
    return obj


def checked_object(type_: ResourceType, value: dict[str, Any], names: tuple[str, str]) -> dict[str, Any]:
    """The value, if it is an object of the type; its kind and version are filled in where it leaves them out.

    Args:
        type_: what is expected.
        value: an object, changed in place.
        names: its apiVersion and kind.

    Raises:
        StatusError: 400.
    """
    api_version, kind = names
    if api_version and api_version != type_.api_version:
        raise bad_request(
            f"the API version in the data ({api_version}) does not match the expected API version ({type_.api_version})"
        )
    if type_.custom and kind != type_.kind:
        fault = FieldError("FieldValueInvalid", "kind", f'Invalid value: "{kind}": must be {type_.kind}')
        raise invalid(type_.group, kind, str((value.get("metadata") or {}).get("name", "")), [fault])
    if kind and kind != type_.kind:
        raise bad_request(
            f'{kind} in version "{type_.version}" cannot be handled as a {type_.kind}: no kind "{kind}" is registered '
            f'for version "{type_.api_version}"'
        )
    value["apiVersion"], value["kind"] = type_.api_version, type_.kind
    if value.get("metadata") is None:
        value["metadata"] = {}
    return value


def _unknown(paths: Sequence[str]) -> list[str]:
    return [f'unknown field "{path}"' for path in paths]


def report(
    warn: Callable[[str], None], validation: Validation, faults: Sequence[str], error: Callable[[str], StatusError]
) -> None:
    """Does with fields that nobody knows what the client wants.

    Raises:
        StatusError: `error` of all faults, if validation is strict.
    """
    if not faults or validation == "Ignore":
        return
    if validation == "Strict":
        raise error(_STRICT + ", ".join(faults))
    for fault in faults:
        warn(fault)


def coerced(
    type_: ResourceType, obj: dict[str, Any], error: Callable[[str], StatusError]
) -> tuple[dict[str, Any], list[str]]:
    """The object as the server's decoder leaves it, and the paths of fields that nobody knows.

    Raises:
        StatusError: `error` of what the decoder says, if something is of a wrong type.
    """
    try:
        return type_.coerce(obj)
    except CoercionError as cause:
        raise error(str(cause)) from None


def pruned(
    type_: ResourceType, obj: dict[str, Any], options: WriteOptions, error: Callable[[str], StatusError]
) -> dict[str, Any]:
    """A patched object as the server's decoder leaves it.

    Raises:
        StatusError: `error`, if something is of a wrong type, or unknown where validation is strict.
    """
    new, unknown = coerced(type_, obj, error)
    report(options.warn, options.validation, _unknown(unknown), error)
    return new


def patch_error(patched: Mapping[str, Any]) -> Callable[[str], StatusError]:
    """What becomes of a patch whose result is no proper object."""

    def error(text: str) -> StatusError:
        value = msgspec.json.encode(patched).decode()
        field = FieldError("FieldValueInvalid", "patch", f"Invalid value: {_quoted(value)}: {text}")
        return invalid("", "", "", [field])

    return error


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
