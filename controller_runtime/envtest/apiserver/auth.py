"""Who asks: bearer tokens, and users who act as others."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import unquote

from controller_runtime.envtest.apiserver.errors import bad_request, unauthorized
from controller_runtime.envtest.apiserver.exchange import ANONYMOUS, User
from controller_runtime.envtest.apiserver.rbac import Attributes, Authorizer
from controller_runtime.envtest.apiserver.store import Store
from controller_runtime.envtest.apiserver.tokens import (
    AUDIENCES,
    InvalidTokenError,
    TokenIssuer,
    service_account_user,
)
from controller_runtime.envtest.apiserver.validation.fields import quoted

AUTHENTICATED: Final = "system:authenticated"
_INVALID: Final = "invalid bearer token"
_AS_USER: Final = "impersonate-user"
_AS_GROUP: Final = "impersonate-group"
_AS_UID: Final = "impersonate-uid"
_AS_EXTRA: Final = "impersonate-extra-"
_ACCOUNT: Final = "system:serviceaccount:"
_AUTHENTICATION: Final = "authentication.k8s.io"


class Authenticator:
    """Knows users by their tokens.

    Args:
        tokens: users by token, as they are configured.
        store: has the ServiceAccounts.
        key: signs their tokens; None makes one that ends with this process.
        clock: seconds since the epoch.

    Attributes:
        issuer: of tokens for ServiceAccounts.
    """

    def __init__(
        self,
        tokens: Mapping[str, User],
        store: Store,
        key: bytes | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        # By digest, so that the time that a look-up takes tells nothing about tokens.
        self._users = {_digest(token): authenticated(user) for token, user in tokens.items()}
        self.issuer = TokenIssuer(store, key, clock)

    def authenticate(self, authorization: str) -> User:
        """The user of a request's Authorization header; nobody in particular without a bearer token.

        Raises:
            StatusError: 401, the token is unknown or has expired.
        """
        scheme, _, rest = authorization.strip().partition(" ")
        token = rest.partition(" ")[0]
        if scheme.lower() != "bearer" or not token:
            return ANONYMOUS
        try:
            return self.user_of(token)[0]
        except InvalidTokenError:
            raise unauthorized() from None

    def user_of(self, token: str, audiences: Sequence[str] = AUDIENCES) -> tuple[User, list[str]]:
        """The user whom a token stands for, and for which of the audiences it is meant.

        Raises:
            InvalidTokenError: it stands for nobody, or is not meant for them; the text is the real server's.
        """
        user = self._users.get(_digest(token))
        if user is not None:
            meant = [each for each in AUDIENCES if each in audiences]
            if not meant:
                raise InvalidTokenError(_INVALID)
            return user, meant
        try:
            user, meant = self.issuer.verify(token, audiences)
        except InvalidTokenError as error:
            raise InvalidTokenError(f"[{_INVALID}, {error}]" if str(error) else _INVALID) from None
        return authenticated(user), meant


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def authenticated(user: User) -> User:
    """The user with the group of all that are known."""
    if AUTHENTICATED in user.groups or user is ANONYMOUS:
        return user
    return User(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)


def impersonated(user: User, headers: Mapping[str, str], authorizer: Authorizer, asked: Attributes) -> User:
    """Whom the user acts as, by the Impersonate headers of a request; the user itself without them.

    Args:
        user: asks.
        headers: of the request; several groups are separated by commas.
        authorizer: says whether the user may.
        asked: the request, as the user's own.

    Raises:
        StatusError: 403, the user may not; 400, it is not said as whom.
    """
    if not any(name.startswith("impersonate-") for name in headers):
        return user
    wanted = _wanted(headers)
    if wanted is None:
        return user
    if not all(authorizer.decide(each).allowed for each in _needed(user, wanted)):
        mode = "serviceaccount" if wanted.name.startswith(_ACCOUNT) else "user-info"
        verb = f"impersonate-on:{mode}:{asked.verb}"
        refused = Attributes(user, verb, asked.group, asked.resource, asked.subresource, asked.namespace, asked.name)
        raise (refused if not asked.is_path else Attributes(user, verb, path=asked.path, is_path=True)).refusal()
    return _completed(wanted)


def _wanted(headers: Mapping[str, str]) -> User | None:
    name, uid = headers.get(_AS_USER, ""), headers.get(_AS_UID, "")
    groups = tuple(part for each in headers.get(_AS_GROUP, "").split(",") if (part := each.strip()))
    extra = {
        unquote(key.removeprefix(_AS_EXTRA)): [part.strip() for part in value.split(",")]
        for key, value in headers.items()
        if key.startswith(_AS_EXTRA)
    }
    if name:
        return User(name, groups, uid, extra)
    if groups or uid or extra:
        raise bad_request(f"requested {_as_go(groups, uid, extra)} without impersonating a user name")
    return None


def _as_go(groups: Sequence[str], uid: str, extra: Mapping[str, Sequence[str]]) -> str:
    """A user without a name as Go prints it."""

    def texts(values: Sequence[str]) -> str:
        return f"[]string{{{', '.join(map(quoted, values))}}}" if values else "[]string(nil)"

    pairs = ", ".join(f"{quoted(key)}:{texts(values)}" for key, values in sorted(extra.items()))
    shown = f"map[string][]string{{{pairs}}}" if extra else "map[string][]string(nil)"
    return f'&user.DefaultInfo{{Name:"", UID:{quoted(uid)}, Groups:{texts(groups)}, Extra:{shown}}}'


def _needed(user: User, wanted: User) -> Iterator[Attributes]:
    """What a user needs to act as another one."""
    if wanted.name.startswith(_ACCOUNT) and wanted.name.count(":") == 3:
        namespace, name = wanted.name.removeprefix(_ACCOUNT).split(":")
        yield Attributes(user, "impersonate", "", "serviceaccounts", "", namespace, name)
    else:
        yield Attributes(user, "impersonate", "", "users", name=wanted.name)
    for group in wanted.groups:
        yield Attributes(user, "impersonate", "", "groups", name=group)
    if wanted.uid:
        yield Attributes(user, "impersonate", _AUTHENTICATION, "uids", name=wanted.uid)
    for key, values in wanted.extra.items():
        for value in values:
            yield Attributes(user, "impersonate", _AUTHENTICATION, "userextras", key, name=value)


def _completed(wanted: User) -> User:
    if wanted.name == ANONYMOUS.name:
        groups = wanted.groups if ANONYMOUS.groups[0] in wanted.groups else (*wanted.groups, *ANONYMOUS.groups)
        return User(wanted.name, groups, wanted.uid, wanted.extra)
    if not wanted.groups and wanted.name.startswith(_ACCOUNT) and wanted.name.count(":") == 3:
        namespace, name = wanted.name.removeprefix(_ACCOUNT).split(":")
        return authenticated(service_account_user(namespace, name, wanted.uid, wanted.extra))
    return authenticated(wanted)
