"""Tokens of ServiceAccounts: for how long, for whom, and with what they end."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.persistence import SQLiteDisk
from controller_runtime.envtest.apiserver.store import Key, Store
from controller_runtime.envtest.apiserver.tokens import (
    AUDIENCES,
    InvalidTokenError,
    TokenIssuer,
    signing_key,
)
from tests.unit.envtest.apiserver.rights.cluster import Cluster

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
ACCOUNT: dict[str, Any] = {"metadata": {"name": "a", "namespace": "n", "uid": "u"}}


class Clock:
    """Shows what it is set to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store() -> Store:
    store = Store()
    put(store, "serviceaccounts", ACCOUNT)
    return store


def put(store: Store, resource: str, obj: dict[str, Any]) -> None:
    raw = json.dumps(obj).encode()
    store.put(resource, Key(obj["metadata"]["namespace"], obj["metadata"]["name"]), lambda _: raw)


def parts(token: str) -> list[Any]:
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def test_a_token_is_a_jwt_that_says_what_kubernetes_says(store: Store, clock: Clock) -> None:
    token = TokenIssuer(store, None, clock).issue(ACCOUNT, 600)
    header, claims = parts(token.text)
    assert (header, token.expires) == ({"alg": "HS256", "typ": "JWT"}, 1600)
    assert claims.pop("jti")
    assert claims == {
        "aud": ["https://kubernetes.default.svc"],
        "exp": 1600,
        "iat": 1000,
        "iss": "https://kubernetes.default.svc",
        "kubernetes.io": {"namespace": "n", "serviceaccount": {"name": "a", "uid": "u"}},
        "nbf": 1000,
        "sub": "system:serviceaccount:n:a",
    }


def test_it_stands_for_its_service_account(store: Store, clock: Clock) -> None:
    issuer = TokenIssuer(store, None, clock)
    token = issuer.issue(ACCOUNT, 600).text
    user, audiences = issuer.verify(token, AUDIENCES)
    assert (user.name, user.uid) == ("system:serviceaccount:n:a", "u")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:n")
    assert user.extra == {"authentication.kubernetes.io/credential-id": [f"JTI={parts(token)[1]['jti']}"]}
    assert audiences == list(AUDIENCES)


def recreate(store: Store) -> None:
    put(store, "serviceaccounts", {"metadata": {**ACCOUNT["metadata"], "uid": "v"}})


def delete(store: Store) -> None:
    store.remove("serviceaccounts", Key("n", "a"), lambda _: json.dumps(ACCOUNT).encode())


def mark(store: Store) -> None:
    put(store, "serviceaccounts", {"metadata": {**ACCOUNT["metadata"], "deletionTimestamp": "1970-01-01T00:00:00Z"}})


@pytest.mark.parametrize(
    ("happens", "seconds", "error"),
    [
        pytest.param(None, 661, "service account token has expired", id="expired"),
        pytest.param(None, -61, "service account token is not valid yet", id="not yet"),
        pytest.param(delete, 0, 'serviceaccounts "a" not found', id="account deleted"),
        pytest.param(recreate, 0, "service account UID (v) does not match claim (u)", id="account recreated"),
        pytest.param(mark, 0, 'serviceaccounts "a" not found', id="account going"),
    ],
)
def test_it_ends(
    store: Store, clock: Clock, happens: Callable[[Store], None] | None, seconds: float, error: str
) -> None:
    issuer = TokenIssuer(store, None, clock)
    token = issuer.issue(ACCOUNT, 600).text
    issuer.verify(token, AUDIENCES)
    if happens:
        happens(store)
    clock.now += seconds
    with pytest.raises(InvalidTokenError) as raised:
        issuer.verify(token, AUDIENCES)
    assert str(raised.value) == error


def test_clocks_may_be_a_minute_off(store: Store, clock: Clock) -> None:
    issuer = TokenIssuer(store, None, clock)
    token = issuer.issue(ACCOUNT, 600).text
    clock.now += 660
    issuer.verify(token, AUDIENCES)


def test_it_ends_with_the_secret_to_which_it_is_bound(store: Store, clock: Clock) -> None:
    put(store, "secrets", {"metadata": {"name": "s", "namespace": "n", "uid": "1"}})
    issuer = TokenIssuer(store, None, clock)
    token = issuer.issue(ACCOUNT, 600, secret=store.get("secrets", Key("n", "s"))).text
    issuer.verify(token, AUDIENCES)
    put(store, "secrets", {"metadata": {"name": "s", "namespace": "n", "uid": "2"}})
    with pytest.raises(InvalidTokenError, match="service account token has been invalidated"):
        issuer.verify(token, AUDIENCES)


def test_it_is_for_its_audiences(store: Store, clock: Clock) -> None:
    issuer = TokenIssuer(store, None, clock)
    token = issuer.issue(ACCOUNT, 600, ["x", "y"]).text
    assert issuer.verify(token, ["z", "y"])[1] == ["y"]
    with pytest.raises(InvalidTokenError) as raised:
        issuer.verify(token, ["z"])
    assert str(raised.value) == 'token audiences ["x" "y"] is invalid for the target audiences ["z"]'


def unsigned(text: str) -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    return f"{header}.{text.split('.')[1]}."


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda text: text[:-2] + ("AA" if text[-2:] != "AA" else "BB"), id="another signature"),
        pytest.param(lambda text: text.replace(".", ".A", 1), id="other claims"),
        pytest.param(unsigned, id="no signature"),
        pytest.param(lambda _: "a.b.c", id="no JWT"),
        pytest.param(lambda _: "ä.ö.ü", id="no ASCII"),
        pytest.param(lambda _: "", id="empty"),
    ],
)
def test_a_forged_one_is_refused(store: Store, clock: Clock, forge: Callable[[str], str]) -> None:
    issuer = TokenIssuer(store, None, clock)
    forged = forge(issuer.issue(ACCOUNT, 600).text)
    with pytest.raises(InvalidTokenError) as raised:
        issuer.verify(forged, AUDIENCES)
    assert not str(raised.value)


def test_one_of_another_key_is_refused(store: Store, clock: Clock) -> None:
    token = TokenIssuer(store, None, clock).issue(ACCOUNT, 600).text
    with pytest.raises(InvalidTokenError):
        TokenIssuer(store, None, clock).verify(token, AUDIENCES)


def test_the_key_is_kept_to_oneself(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = signing_key(path)
    assert signing_key(path) == key
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_tokens_outlive_the_process(tmp_path: Path) -> None:
    disk, key = SQLiteDisk(tmp_path), signing_key(tmp_path / "key")
    cluster = Cluster(disk, key)
    cluster.create(ACCOUNTS, {"metadata": {"name": "a"}})
    token = cluster.create(f"{ACCOUNTS}/a/token", {})["status"]["token"]
    info = Cluster(disk, key).create(WHO_AM_I, {}, token=token)["status"]["userInfo"]
    assert info["username"] == "system:serviceaccount:default:a"
    disk.close()


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        ({"spec": {"expirationSeconds": 599}}, 422, "may not specify a duration less than 10 minutes"),
        ({"spec": {"expirationSeconds": 2**33}}, 422, "may not specify a duration larger than 2^32 seconds"),
        (
            {"spec": {"expirationSeconds": "x"}},
            400,
            "cannot unmarshal string into Go struct field TokenRequestSpec.spec",
        ),
        ({"metadata": {"name": "b"}}, 422, "must match the service account name if specified"),
        ({"metadata": {"uid": "b"}}, 409, "the UID in the token request (b) does not match the UID of the service acc"),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "p"}}}, 404, 'pods "p" not found'),
        (
            {"spec": {"boundObjectRef": {"kind": "X", "apiVersion": "a/v1"}}},
            400,
            "cannot bind token to object of type a/v1, Kind=X",
        ),
    ],
)
def test_a_request_for_a_token_is_checked(body: dict[str, Any], code: int, text: str) -> None:
    cluster = Cluster()
    cluster.create(ACCOUNTS, {"metadata": {"name": "a"}})
    assert text in cluster.json("POST", f"{ACCOUNTS}/a/token", body, status=code)["message"]


def test_only_existing_accounts_get_tokens() -> None:
    cluster = Cluster()
    assert cluster.json("POST", f"{ACCOUNTS}/a/token", {}, status=404)["message"] == 'serviceaccounts "a" not found'
    cluster.create(ACCOUNTS, {"metadata": {"name": "a"}})
    cluster.json("GET", f"{ACCOUNTS}/a/token", status=405)
