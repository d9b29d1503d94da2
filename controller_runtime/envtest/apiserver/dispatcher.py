"""From a request to its answer, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import msgspec
import structlog

from controller_runtime.envtest.apiserver import forms
from controller_runtime.envtest.apiserver.auth import Authenticator, impersonated
from controller_runtime.envtest.apiserver.decode import DecodeError, decode, type_meta
from controller_runtime.envtest.apiserver.discovery import Discovery
from controller_runtime.envtest.apiserver.errors import (
    PageNotFoundError,
    StatusError,
    bad_request,
    internal,
    no_such_method,
    no_such_path,
    too_large,
    unsupported_media_type,
)
from controller_runtime.envtest.apiserver.exchange import (
    MAX_BODY_BYTES,
    Answer,
    Request,
    Response,
    StreamResponse,
    error_response,
    json_response,
)
from controller_runtime.envtest.apiserver.negotiation import negotiate
from controller_runtime.envtest.apiserver.openapi import OpenAPI
from controller_runtime.envtest.apiserver.patches import json_patch, merge_patch, strategic_merge_patch
from controller_runtime.envtest.apiserver.presentation import present
from controller_runtime.envtest.apiserver.rbac import Authorizer, Escalation
from controller_runtime.envtest.apiserver.rbac.attributes import Attributes
from controller_runtime.envtest.apiserver.rbac.requests import attributes_of
from controller_runtime.envtest.apiserver.reader import Reader, list_options
from controller_runtime.envtest.apiserver.requests import (
    APPLY,
    checked_object,
    delete_options,
    object_body,
    patch_error,
    pruned,
    report,
    value_body,
    write_options,
)
from controller_runtime.envtest.apiserver.resources import Registry, ResourceType
from controller_runtime.envtest.apiserver.reviews import REVIEW_TYPES, TOKEN_REQUEST, Reviews
from controller_runtime.envtest.apiserver.routes import Target, check_route, resource_type, target_of
from controller_runtime.envtest.apiserver.scale import Scale
from controller_runtime.envtest.apiserver.store import Key, Store
from controller_runtime.envtest.apiserver.writer import WriteOptions, Writer, Written, timestamp

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY)
_CUSTOM_PATCHES: Final = (JSON_PATCH, MERGE_PATCH, APPLY)

log = structlog.get_logger(__name__)


class Dispatcher:
    """Answers requests; one for a whole server.

    Args:
        store: has the objects.
        registry: has the kinds.
        authenticator: knows the users.
        authorizer: knows what they may do.
        writer: changes objects.
        settle: does what a write makes due at once; called after each.
        clock: the wall clock as metav1.Time.
    """

    def __init__(
        self,
        store: Store,
        registry: Registry,
        authenticator: Authenticator,
        authorizer: Authorizer,
        writer: Writer,
        settle: Callable[[], None],
        *,
        clock: Callable[[], str] = timestamp,
    ) -> None:
        self._settle = settle
        self._registry = registry
        self._authenticator = authenticator
        self._reader = Reader(store)
        self._writer = writer
        self._authorizer = authorizer
        self._escalation = Escalation(store, authorizer)
        self._reviews = Reviews(store, authenticator, authorizer, clock)
        self._discovery = Discovery(registry)
        self._openapi = OpenAPI(registry)

    def dispatch(self, request: Request) -> Answer:
        """The answer; an error is one too."""
        try:
            answer = self._answer(request)
            if request.method not in ("GET", "HEAD"):
                self._settle()
        except StatusError as error:
            answer = error_response(error)
        except Exception as error:
            # A bug, which must cost this client its answer and nobody else anything.
            log.exception("cannot answer a request", method=request.method, path=request.path)
            answer = error_response(internal(f"{type(error).__name__}: {error}"))
        if isinstance(answer, StreamResponse):
            return answer
        if request.warnings:
            answer.headers += tuple(("Warning", f"299 - {_quoted(text)}") for text in request.warnings)
        return present(request, answer)

    def _answer(self, request: Request) -> Answer:
        request.user = self._authenticator.authenticate(request.headers.get("authorization", ""))
        if len(request.body) > MAX_BODY_BYTES:
            raise too_large(MAX_BODY_BYTES)
        target = target_of(request.path)
        self._authorize(request, target)
        if target is None:
            return self._other(request)
        if review := REVIEW_TYPES.get((target.group, target.plural)):
            return self._review(review, target, request)
        return self._resource(resource_type(self._registry, target), target, request)

    def _authorize(self, request: Request, target: Target | None) -> None:
        asked = attributes_of(request, target)
        request.user = impersonated(request.user, request.headers, self._authorizer, asked)
        if request.user is not asked.user:
            asked = attributes_of(request, target)
        decision = self._authorizer.decide(asked)
        if not decision.allowed:
            raise asked.refusal(decision.reason)

    def _other(self, request: Request) -> Response:
        answer = self._discovery.get(request) or self._openapi.get(request)
        if answer is None:
            raise PageNotFoundError
        return answer

    def _review(self, type_: ResourceType, target: Target, request: Request) -> Response:
        if target.version != type_.version or target.name or type_.namespaced != bool(target.namespace):
            raise no_such_path()
        if request.method != "POST":
            raise no_such_method()
        negotiate(request.accept)
        options = write_options(request, "CreateOptions")
        obj = object_body(type_, request, options.validation)
        return json_response(self._reviews.review(type_, obj, request.user, target.namespace, options), 201)

    # Resources

    def _resource(self, type_: ResourceType, target: Target, request: Request) -> Answer:
        check_route(type_, target, request)
        if type_.deprecation:
            request.warn(type_.deprecation)
        if target.watch:
            request.query.put("watch", "true")
            return self._list(type_, target, request)
        if target.subresource:
            return self._subresource(type_, target, request)
        if target.name:
            return self._object(type_, target, request)
        return self._collection(type_, target, request)

    def _collection(self, type_: ResourceType, target: Target, request: Request) -> Answer:
        match request.method:
            case "GET" | "HEAD":
                return self._list(type_, target, request)
            case "POST":
                return self._create(type_, target, request)
            case "DELETE":
                return self._delete_collection(type_, target, request)
        raise no_such_method()

    def _object(self, type_: ResourceType, target: Target, request: Request) -> Answer:
        key = Key(target.namespace, target.name)
        match request.method:
            case "GET" | "HEAD":
                return self._reader.get(type_, key, request)
            case "POST":
                return self._create(type_, target, request)
            case "PUT":
                return self._update(type_, key, request, "")
            case "PATCH":
                return self._patch(type_, key, request, "")
            case "DELETE":
                return self._delete(type_, key, request)
        raise no_such_method()

    def _subresource(self, type_: ResourceType, target: Target, request: Request) -> Answer:
        key, name = Key(target.namespace, target.name), target.subresource
        if type_.storage == "serviceaccounts" and name == "token":
            return self._token(type_, key, request)
        if name == "scale" and type_.scale is not None:
            return self._scale(type_, key, request)
        if name not in type_.subresources:
            raise no_such_path()
        match request.method:
            case "GET" | "HEAD" if name == "status":
                return self._reader.get(type_, key, request)
            case "PUT":
                return self._update(type_, key, request, name)
            case "PATCH" if name == "status":
                return self._patch(type_, key, request, name)
        raise no_such_method()

    def _scale(self, type_: ResourceType, key: Key, request: Request) -> Response:
        negotiate(request.accept)
        scale = Scale(type_)
        match request.method:
            case "GET" | "HEAD":
                return json_response(scale.of(forms.view(type_, self._reader.record(type_, key))))
            case "PUT" | "PATCH":
                kind = "UpdateOptions" if request.method == "PUT" else "PatchOptions"
                options = write_options(request, kind)
                change = self._scale_change(request)
                written = self._writer.patch(type_, key, scale.patch(change), options)
                return json_response(scale.of(forms.decode(written.raw)))
        raise no_such_method()

    @staticmethod
    def _scale_change(request: Request) -> Callable[[dict[str, Any]], Any]:
        """From the present Scale to the one that is wanted."""
        if request.method == "PUT":
            wanted = value_body(request, "autoscaling/v1", "Scale")
            return lambda _: wanted
        patch_type = request.headers.get("content-type", "").partition(";")[0]
        if patch_type not in (JSON_PATCH, MERGE_PATCH):
            raise unsupported_media_type((JSON_PATCH, MERGE_PATCH))
        patch, _ = _read_patch(request, strict=False)
        function = json_patch if patch_type == JSON_PATCH else merge_patch
        return lambda present: function(present, patch)

    def _token(self, type_: ResourceType, key: Key, request: Request) -> Response:
        if request.method != "POST":
            raise no_such_method()
        negotiate(request.accept)
        options = write_options(request, "CreateOptions")
        obj = object_body(TOKEN_REQUEST, request, options.validation)
        account = forms.view(type_, self._reader.record(type_, key))
        return json_response(self._reviews.request_token(account, obj, options), 201)

    def _list(self, type_: ResourceType, target: Target, request: Request) -> Answer:
        options = list_options(type_, request.query, target.name)
        if options.watch:
            return self._reader.watch(type_, target.namespace, request, options)
        return self._reader.read(type_, target.namespace, request, options)

    def _create(self, type_: ResourceType, target: Target, request: Request) -> Response:
        if type_.namespaced and not target.namespace:
            raise no_such_method()
        negotiate(request.accept)
        options = write_options(request, "CreateOptions")
        obj = object_body(type_, request, options.validation)
        self._escalation.check(request.user, type_, Key(target.namespace, ""), obj)
        return self._written(type_, request, self._writer.create(type_, target.namespace, obj, options))

    def _update(self, type_: ResourceType, key: Key, request: Request, subresource: str) -> Response:
        negotiate(request.accept)
        options = self._may_create(write_options(request, "UpdateOptions"), type_, key, request)
        obj = object_body(type_, request, options.validation)
        self._escalation.check(request.user, type_, key, obj)
        return self._written(type_, request, self._writer.update(type_, key, obj, options, subresource))

    def _may_create(self, options: WriteOptions, type_: ResourceType, key: Key, request: Request) -> WriteOptions:
        """Options of a write that may turn out to create: it then needs the right to that as well."""
        asked = Attributes(request.user, "create", type_.group, type_.plural, "", key.namespace, key.name)

        def admit() -> None:
            decision = self._authorizer.decide(asked)
            if not decision.allowed:
                raise asked.refusal(decision.reason)

        return replace(options, admit_create=admit)

    def _patch(self, type_: ResourceType, key: Key, request: Request, subresource: str) -> Response:
        patch_type = request.headers.get("content-type", "").partition(";")[0]
        accepted = _CUSTOM_PATCHES if type_.custom else _PATCHES
        if patch_type not in accepted:
            raise unsupported_media_type(accepted)
        negotiate(request.accept)
        if patch_type == APPLY:
            return self._apply(type_, key, request, subresource)
        options = write_options(request, "PatchOptions")
        patch, repeated = _read_patch(request, strict=options.validation != "Ignore")
        apply = _patch_function(patch_type, patch, type_)

        def patched(old: dict[str, Any]) -> dict[str, Any]:
            value = apply(old)
            error = patch_error(value)
            try:
                new = checked_object(type_, value, type_meta(value))
            except DecodeError as cause:
                raise error(str(cause)) from None
            report(request.warn, options.validation, repeated, error)
            new = pruned(type_, new, options, error)
            self._escalation.check(request.user, type_, key, new)
            return new

        return self._written(type_, request, self._writer.patch(type_, key, patched, options, subresource))

    def _apply(self, type_: ResourceType, key: Key, request: Request, subresource: str) -> Response:
        options = write_options(request, "PatchOptions", is_apply=True)
        options = self._may_create(options, type_, key, request)
        try:
            applied, repeated = decode(request.body, "application/yaml", strict=options.validation != "Ignore")
        except DecodeError as error:
            raise bad_request(f"error decoding YAML: {error}") from None
        if not isinstance(applied, dict):
            raise bad_request("error decoding YAML: the body is no object")
        report(request.warn, options.validation, repeated, bad_request)

        def prune(merged: dict[str, Any]) -> dict[str, Any]:
            new = pruned(type_, merged, options, bad_request)
            self._escalation.check(request.user, type_, key, new)
            return new

        written = self._writer.apply(type_, key, applied, prune, options, subresource)
        return self._written(type_, request, written)

    def _written(self, type_: ResourceType, request: Request, written: Written) -> Response:
        wanted = negotiate(request.accept)
        status = 201 if written.created else 200
        return forms.object_response(type_, written.raw, wanted, request.query.text("includeObject"), status)

    def _delete(self, type_: ResourceType, key: Key, request: Request) -> Response:
        negotiate(request.accept)
        options = delete_options(request)
        written = self._writer.delete(type_, key, options)
        if not written.deleted or type_.returns_deleted:
            return self._written(type_, request, written)
        metadata = forms.decode(written.raw)["metadata"]
        details = {"name": key.name, "group": type_.group, "kind": type_.plural, "uid": metadata["uid"]}
        return json_response(
            {
                "kind": "Status",
                "apiVersion": "v1",
                "metadata": {},
                "status": "Success",
                "details": {name: value for name, value in details.items() if value},
            }
        )

    def _delete_collection(self, type_: ResourceType, target: Target, request: Request) -> Response:
        if "deletecollection" not in type_.verbs or (type_.namespaced and not target.namespace):
            raise no_such_method()
        wanted = negotiate(request.accept)
        options, selection = delete_options(request), list_options(type_, request.query)
        records = self._reader.select(type_, target.namespace, selection)
        for record in records:
            self._writer.delete(type_, record.key, options)
        metadata = {"resourceVersion": str(self._reader.revision)}
        return forms.list_response(type_, records, wanted, request.query.text("includeObject"), metadata)


def _read_patch(request: Request, *, strict: bool) -> tuple[Any, list[str]]:
    try:
        return decode(request.body, strict=strict)
    except DecodeError as error:
        text = str(error).removeprefix("couldn't get version/kind; json parse error: ")
        strategic = request.headers.get("content-type", "").startswith(STRATEGIC_PATCH)
        raise bad_request(text if strategic else f"error decoding patch: {text}") from None


def _patch_function(patch_type: str, patch: Any, type_: ResourceType) -> Callable[[dict[str, Any]], Any]:
    match patch_type:
        case "application/json-patch+json":
            return lambda old: json_patch(old, patch)
        case "application/merge-patch+json":
            return lambda old: merge_patch(old, patch)
    schema, components = type_.schema.openapi, type_.schema.components
    return lambda old: strategic_merge_patch(old, patch, schema, components)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text[:512]).decode()
