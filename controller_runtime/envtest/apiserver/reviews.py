"""Kinds that are asked and never stored: TokenReview, SubjectAccessReview and their like, and TokenRequest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from controller_runtime.apimachinery.selectors import SelectorError, parse_fields, parse_labels
from controller_runtime.envtest.apiserver import managedfields
from controller_runtime.envtest.apiserver.auth import Authenticator
from controller_runtime.envtest.apiserver.builtin import COMPONENTS
from controller_runtime.envtest.apiserver.builtin.components.authentication import AUTHENTICATION as _AUTHENTICATION
from controller_runtime.envtest.apiserver.builtin.components.authentication import GROUP as AUTHENTICATION
from controller_runtime.envtest.apiserver.builtin.components.authorization import AUTHORIZATION as _AUTHORIZATION
from controller_runtime.envtest.apiserver.builtin.components.authorization import GROUP as AUTHORIZATION
from controller_runtime.envtest.apiserver.builtin.structs import coerce
from controller_runtime.envtest.apiserver.errors import (
    FieldError,
    bad_request,
    conflict,
    invalid,
    not_found,
)
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.rbac import Attributes, Authorizer
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.schema import compile_schema
from controller_runtime.envtest.apiserver.store import Key, Record, Store
from controller_runtime.envtest.apiserver.strategy import Strategy
from controller_runtime.envtest.apiserver.tokens import AUDIENCES, InvalidTokenError
from controller_runtime.envtest.apiserver.validation.fields import invalid as invalid_value
from controller_runtime.envtest.apiserver.validation.fields import required
from controller_runtime.envtest.apiserver.validation.label_selectors import (
    validate_field_requirement,
    validate_requirement,
)
from controller_runtime.envtest.apiserver.writer import WriteOptions

_Object: TypeAlias = dict[str, Any]

REVIEWS: Final = (
    (AUTHENTICATION, "tokenreviews", "TokenReview", False),
    (AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", False),
    (AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview", False),
    (AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview", False),
    (AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview", False),
    (AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", True),
)
"""Group, plural, kind, and whether it is namespaced; all in version v1, and all can be created alone."""

_TOKEN_SECONDS: Final = 3600
_LEAST_TOKEN_SECONDS: Final = 600
_MOST_TOKEN_SECONDS: Final = 1 << 32
_PLACES: Final = {AUTHENTICATION: _AUTHENTICATION, AUTHORIZATION: _AUTHORIZATION}


def _review_type(group: str, plural: str, kind: str, namespaced: bool) -> ResourceType:
    component = f"{_PLACES[group]}.{kind}"

    def decoded(obj: _Object) -> tuple[_Object, list[str]]:
        return coerce(component, obj)

    return ResourceType(
        group=group,
        version="v1",
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        namespaced=namespaced,
        schema=compile_schema(COMPONENTS[component], COMPONENTS),
        coerce=decoded,
        empty={name: value for name, value in decoded({})[0].items() if name != "metadata"},
        strategy=Strategy(),
        storage="",
        storage_version=f"{group}/v1",
        component=component,
        verbs=("create",),
    )


REVIEW_TYPES: Final = {(review[0], review[1]): _review_type(*review) for review in REVIEWS}
"""Their types by group and plural: what is needed to decode them."""
TOKEN_REQUEST: Final = _review_type(AUTHENTICATION, "serviceaccounts", "TokenRequest", True)


class Reviews:
    """Answers them.

    Args:
        store: has what tokens are bound to.
        authenticator: knows the tokens.
        authorizer: knows who may do what.
        clock: the wall clock as metav1.Time.
    """

    def __init__(
        self, store: Store, authenticator: Authenticator, authorizer: Authorizer, clock: Callable[[], str]
    ) -> None:
        self._store = store
        self._authenticator = authenticator
        self._authorizer = authorizer
        self._clock = clock

    def review(self, type_: ResourceType, obj: _Object, user: User, namespace: str, options: WriteOptions) -> _Object:
        """The review with its status.

        Args:
            type_: one of `REVIEW_TYPES`.
            obj: the review, decoded; belongs to this call.
            user: asks.
            namespace: of the request.
            options: of the creation.

        Raises:
            StatusError: 400, 422.
        """
        if type_.namespaced:
            _settle_namespace(obj["metadata"], namespace)
        self._set_managed_fields(type_, obj, options)
        match type_.kind:
            case "TokenReview":
                obj["status"] = self._token(obj["spec"])
            case "SelfSubjectReview":
                obj["metadata"] = {"creationTimestamp": self._clock()}
                obj["status"] = {"userInfo": _user_info(user)}
            case "SelfSubjectRulesReview":
                obj = {**obj, "metadata": {}, "spec": {}, "status": self._rules(obj["spec"], user)}
            case kind:
                _refuse_invalid("", "", list(_faults(kind, obj)))
                obj["status"] = self._access(obj["spec"], user if kind.startswith("Self") else _user(obj["spec"]))
        return obj

    def _set_managed_fields(
        self, type_: ResourceType, obj: _Object, options: WriteOptions, subresource: str = ""
    ) -> None:
        fields = managedfields.update_manager(
            None,
            obj,
            schema=type_.schema,
            manager=options.manager,
            api_version=type_.api_version,
            time=self._clock(),
            subresource=subresource,
            empty=type_.empty,
        )
        obj["metadata"].pop("managedFields", None)
        if fields:
            obj["metadata"]["managedFields"] = fields

    def _token(self, spec: Mapping[str, Any]) -> _Object:
        token, audiences = spec.get("token") or "", spec.get("audiences") or AUDIENCES
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        try:
            user, meant = self._authenticator.user_of(token, audiences)
        except InvalidTokenError as error:
            return {"user": {}, "error": str(error)}
        return {"authenticated": True, "user": _user_info(user), "audiences": meant}

    def _access(self, spec: Mapping[str, Any], user: User) -> _Object:
        resource = spec.get("resourceAttributes")
        decision = self._authorizer.decide(_attributes(spec, user))
        status = {"allowed": decision.allowed, "reason": decision.reason, "evaluationError": _unused(resource or {})}
        return {name: value for name, value in status.items() if value or name == "allowed"}

    def _rules(self, spec: Mapping[str, Any], user: User) -> _Object:
        namespace = spec.get("namespace")
        if not namespace:
            raise bad_request("no namespace on request")
        grants = self._authorizer.grants(user, namespace)
        policies = grants.policies
        status: _Object = {
            "resourceRules": [
                _only(rule, "verbs", "apiGroups", "resources", "resourceNames")
                for rule in policies
                if rule.get("resources")
            ],
            "nonResourceRules": [
                _only(rule, "verbs", "nonResourceURLs") for rule in policies if rule.get("nonResourceURLs")
            ],
            "incomplete": False,
        }
        return {**status, "evaluationError": grants.error} if grants.errors else status

    # ServiceAccounts' tokens

    def request_token(self, account: Mapping[str, Any], obj: _Object, options: WriteOptions) -> _Object:
        """The TokenRequest with a token for a ServiceAccount.

        Args:
            account: the ServiceAccount.
            obj: the TokenRequest, decoded; belongs to this call.
            options: of the creation.

        Raises:
            StatusError: 400, 404, 409, 422.
        """
        spec = obj["spec"]
        if spec.get("expirationSeconds") is None:
            spec["expirationSeconds"] = _TOKEN_SECONDS
        self._set_managed_fields(TOKEN_REQUEST, obj, options, "token")
        _match_account(obj["metadata"], account["metadata"])
        spec["audiences"] = spec.get("audiences") or list(AUDIENCES)
        names = {name: account["metadata"][name] for name in ("name", "namespace", "uid")}
        obj["metadata"] |= {**names, "creationTimestamp": self._clock()}
        seconds = spec["expirationSeconds"]
        _refuse_invalid("TokenRequest", "", list(_expiration_faults(seconds)))
        secret = self._bound(spec.get("boundObjectRef"), account["metadata"]["namespace"])
        token = self._authenticator.issuer.issue(account, seconds, spec["audiences"], secret)
        expires = datetime.fromtimestamp(token.expires, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        obj["status"] = {"token": token.text, "expirationTimestamp": expires}
        return obj

    def _bound(self, reference: Mapping[str, str] | None, namespace: str) -> Record | None:
        if reference is None:
            return None
        api_version, kind, name = (reference.get(field) or "" for field in ("apiVersion", "kind", "name"))
        group, _, version = api_version.rpartition("/")
        plural = {"Pod": "pods", "Node": "nodes", "Secret": "secrets"}.get(kind) if not group else None
        if plural is None:
            shown = f"{group}/{version}" if group else f"/{version}"
            raise bad_request(f"cannot bind token to object of type {shown}, Kind={kind}")
        record = self._store.get(plural, Key(namespace, name))
        if record is None:
            raise not_found("", plural, name)
        uid = reference.get("uid")
        if uid and uid != record.uid:
            text = (
                f"the UID in the bound object reference ({uid}) does not match the UID in record. The object might "
                "have been deleted and then recreated"
            )
            raise conflict("", kind, name, text)
        return record


def _refuse_invalid(kind: str, name: str, faults: list[FieldError]) -> None:
    """Reviews of access lose their kind on the way to this message, at the real server too."""
    if faults:
        raise invalid(AUTHENTICATION if kind else AUTHORIZATION, kind, name, faults)


def _settle_namespace(metadata: _Object, namespace: str) -> None:
    if metadata.setdefault("namespace", namespace) != namespace:
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def _match_account(metadata: _Object, account: Mapping[str, str]) -> None:
    name, uid = metadata.get("name"), metadata.get("uid")
    _settle_namespace(metadata, account["namespace"])
    if name and name != account["name"]:
        text = "must match the service account name if specified"
        _refuse_invalid("TokenRequest", account["name"], [invalid_value("metadata.name", name, text)])
    if uid and uid != account["uid"]:
        text = f"the UID in the token request ({uid}) does not match the UID of the service account ({account['uid']})"
        raise conflict(AUTHENTICATION, "TokenRequest", account["name"], text)


def _expiration_faults(seconds: int) -> Iterator[FieldError]:
    if seconds < _LEAST_TOKEN_SECONDS:
        yield invalid_value("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > _MOST_TOKEN_SECONDS:
        yield invalid_value("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")


def _user_info(user: User) -> _Object:
    extra = {key: list(values) for key, values in user.extra.items()}
    info = {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
    return {name: value for name, value in info.items() if value}


def _user(spec: Mapping[str, Any]) -> User:
    return User(spec.get("user") or "", tuple(spec.get("groups") or ()), spec.get("uid") or "", spec.get("extra") or {})


def _attributes(spec: Mapping[str, Any], user: User) -> Attributes:
    other = spec.get("nonResourceAttributes")
    if other is not None:
        return Attributes(user, other.get("verb") or "", path=other.get("path") or "", is_path=True)
    names = ("verb", "group", "resource", "subresource", "namespace", "name")
    verb, group, resource, subresource, namespace, name = (spec["resourceAttributes"].get(each) or "" for each in names)
    return Attributes(user, verb, group, resource, subresource, namespace, name)


def _only(rule: Mapping[str, Any], *names: str) -> _Object:
    return {name: rule[name] for name in names if rule.get(name)}


def _faults(kind: str, obj: Mapping[str, Any]) -> Iterator[FieldError]:
    """What is wrong with a review of access."""
    spec, metadata = obj["spec"], obj["metadata"]
    resource, other = spec.get("resourceAttributes"), spec.get("nonResourceAttributes")
    shown = None if other is None else {"Path": other.get("path") or "", "Verb": other.get("verb") or ""}
    if resource is not None and other is not None:
        text = "cannot be specified in combination with resourceAttributes"
        yield invalid_value("spec.nonResourceAttributes", shown, text)
    if resource is None and other is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        yield invalid_value("spec.resourceAttributes", None, text)
    if not kind.startswith("Self") and not spec.get("user") and not spec.get("groups"):
        yield invalid_value("spec.user", "", "at least one of user or group must be specified")
    yield from _selector_faults(resource or {})
    local = kind.startswith("Local")
    if metadata.keys() - {"managedFields", *(("namespace",) if local else ())}:
        yield invalid_value("metadata", metadata, "must be empty except for namespace" if local else "must be empty")
    if local and resource is not None and (resource.get("namespace") or "") != metadata["namespace"]:
        field = "spec.resourceAttributes.namespace"
        yield invalid_value(field, resource.get("namespace") or "", "must match metadata.namespace")
    if local and other is not None:
        yield invalid_value("spec.nonResourceAttributes", shown, "disallowed on this kind of request")


def _selector_faults(resource: Mapping[str, Any]) -> Iterator[FieldError]:
    for name in ("fieldSelector", "labelSelector"):
        selector, field = resource.get(name), f"spec.resourceAttributes.{name}"
        if selector is None:
            continue
        raw, requirements = selector.get("rawSelector"), selector.get("requirements") or ()
        if raw and requirements:
            yield invalid_value(f"{field}.rawSelector", raw, "may not specified at the same time as requirements")
        if not raw and not requirements:
            text = f"when {field} is specified, requirements or rawSelector is required"
            yield required(f"{field}.requirements", text)
        validate = validate_requirement if name == "labelSelector" else validate_field_requirement
        for index, requirement in enumerate(requirements):
            yield from validate(requirement, f"{field}.requirements[{index}]", any_operator=True)


def _unused(resource: Mapping[str, Any]) -> str:
    """What is said about selectors that cannot be read; rules of RBAC do not look at selectors anyway."""
    parsers: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("fieldSelector", parse_fields),
        ("labelSelector", parse_labels),
    )
    said = []
    for name, parse in parsers:
        try:
            parse((resource.get(name) or {}).get("rawSelector") or "")
        except SelectorError:
            said.append(f"spec.resourceAttributes.{name} ignored due to parse error")
    return "; ".join(said)
