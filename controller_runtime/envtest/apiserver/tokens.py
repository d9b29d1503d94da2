"""Tokens of ServiceAccounts: JWTs that this server signs and that outlive it if its key does.

Guarantees: a token is good until it expires, as long as its ServiceAccount (the one with the same uid) and the object
to which it is bound are there; claims are those of kube-apiserver. As there, a clock may be a minute off.

Not promised: signatures are HMACs, so nobody but this server can verify them, and it publishes no keys.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.store import Key, Record, Store
from controller_runtime.envtest.apiserver.validation.fields import quoted

ISSUER: Final = "https://kubernetes.default.svc"
AUDIENCES: Final = (ISSUER,)
"""The API server's own: whose token is for others alone is not let in."""
KEY_BYTES: Final = 32
_LEEWAY: Final = 60  # seconds
_PREFIX: Final = "system:serviceaccount"
_CREDENTIAL: Final = "authentication.kubernetes.io/credential-id"


class InvalidTokenError(ValueError):
    """Whoever has this token is nobody; the text says why, if there is more to say."""


class Token(NamedTuple):
    """A new token.

    Attributes:
        text: the token.
        expires: seconds since the epoch.
    """

    text: str
    expires: float


class _Reference(msgspec.Struct):
    name: str
    uid: str


class _Private(msgspec.Struct):
    namespace: str
    serviceaccount: _Reference
    secret: _Reference | None = None


class _Claims(msgspec.Struct):
    aud: list[str]
    exp: float
    nbf: float
    iss: str
    jti: str
    private: _Private = msgspec.field(name="kubernetes.io")


_decoder = msgspec.json.Decoder(_Claims)


def service_account_user(
    namespace: str, name: str, uid: str = "", extra: Mapping[str, Sequence[str]] | None = None
) -> User:
    """The user that a ServiceAccount is."""
    return User(
        f"{_PREFIX}:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
        uid,
        extra or {},
    )


def signing_key(path: Path) -> bytes:
    """The key in a file, made there if it is missing.

    Raises:
        OSError: it can be neither read nor made.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = os.urandom(KEY_BYTES)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(key)
        return key


class TokenIssuer:
    """Issues and verifies them.

    Args:
        store: has the ServiceAccounts.
        key: signs; None makes one that ends with this process.
        clock: seconds since the epoch.
    """

    def __init__(self, store: Store, key: bytes | None, clock: Callable[[], float]) -> None:
        self._store = store
        self._key = key or os.urandom(KEY_BYTES)
        self._clock = clock

    def issue(
        self,
        account: Mapping[str, Any],
        seconds: int,
        audiences: Sequence[str] = AUDIENCES,
        secret: Record | None = None,
    ) -> Token:
        """A token for a ServiceAccount.

        Args:
            account: the ServiceAccount.
            seconds: for which it is good.
            audiences: for whom it is meant.
            secret: the token ends with it; None binds it to the ServiceAccount alone.
        """
        now = int(self._clock())
        metadata = account["metadata"]
        private = {
            "namespace": metadata["namespace"],
            "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
        }
        if secret is not None:
            private["secret"] = {"name": secret.key.name, "uid": secret.uid}
        claims = {
            "aud": list(audiences),
            "exp": now + seconds,
            "iat": now,
            "iss": ISSUER,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": private,
            "nbf": now,
            "sub": f"{_PREFIX}:{metadata['namespace']}:{metadata['name']}",
        }
        signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{_encoded(claims)}"
        return Token(f"{signed}.{self._signature(signed)}", now + seconds)

    def verify(self, token: str, audiences: Sequence[str]) -> tuple[User, list[str]]:
        """Whose a token is, and for which of the audiences it is meant.

        Raises:
            InvalidTokenError: it is not good, or for none of them.
        """
        claims = self._claims(token)
        meant = [each for each in claims.aud if each in audiences]
        if not meant:
            raise InvalidTokenError(
                f"token audiences {_shown(claims.aud)} is invalid for the target audiences {_shown(audiences)}"
            )
        now = self._clock()
        if now - _LEEWAY > claims.exp:
            raise InvalidTokenError("service account token has expired")
        if now + _LEEWAY < claims.nbf:
            raise InvalidTokenError("service account token is not valid yet")
        private = claims.private
        namespace, account = private.namespace, private.serviceaccount
        record = self._living("serviceaccounts", namespace, account.name, now)
        if record is None:
            raise InvalidTokenError(f'serviceaccounts "{account.name}" not found')
        if record.uid != account.uid:
            raise InvalidTokenError(f"service account UID ({record.uid}) does not match claim ({account.uid})")
        if private.secret is not None:
            secret = self._living("secrets", namespace, private.secret.name, now)
            if secret is None or secret.uid != private.secret.uid:
                raise InvalidTokenError("service account token has been invalidated")
        user = service_account_user(namespace, account.name, account.uid, {_CREDENTIAL: [f"JTI={claims.jti}"]})
        return user, meant

    def _claims(self, token: str) -> _Claims:
        signed, _, signature = token.rpartition(".")
        if not hmac.compare_digest(self._signature(signed).encode(), signature.encode()):
            raise InvalidTokenError
        try:
            return _decoder.decode(_decoded(signed.partition(".")[2]))
        except (ValueError, msgspec.MsgspecError):
            raise InvalidTokenError from None

    def _signature(self, signed: str) -> str:
        return _base64(hmac.digest(self._key, signed.encode(), hashlib.sha256))

    def _living(self, resource: str, namespace: str, name: str, now: float) -> Record | None:
        record = self._store.get(resource, Key(namespace, name))
        if record is None or b'"deletionTimestamp"' not in record.raw:
            return record
        deleted = msgspec.json.decode(record.raw)["metadata"].get("deletionTimestamp")
        over = deleted and datetime.fromisoformat(deleted).timestamp() < now - _LEEWAY
        return None if over else record


def _shown(audiences: Sequence[str]) -> str:
    return f"[{' '.join(map(quoted, audiences))}]"


def _encoded(value: Any) -> str:
    return _base64(msgspec.json.encode(value))


def _base64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
