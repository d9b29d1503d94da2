"""Whose request it is: headers, and users who act as others."""

from __future__ import annotations

import json
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.exchange import Query, Request, Response
from tests.unit.envtest.apiserver.core.lab import TOKEN
from tests.unit.envtest.apiserver.rights.cluster import USER, Cluster, rule

WHO_AM_I = "/apis/authentication.k8s.io/v1/selfsubjectreviews"


def ask(cluster: Cluster, method: str, path: str, **headers: str) -> tuple[int, Any]:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = cluster.api.dispatcher.dispatch(
        Request(method, path, Query(""), names, b"{}" if method == "POST" else b"")
    )
    assert isinstance(answer, Response)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("", "system:anonymous"),
        ("Basic YTpi", "system:anonymous"),
        ("Bearer", "system:anonymous"),
        ("Bearer  x", "system:anonymous"),
        ("x", "system:anonymous"),
        (f"bearer {USER}", USER),
        (f"Bearer {USER} y", USER),
    ],
)
def test_a_user_is_known_by_the_bearer_token(header: str, name: str) -> None:
    status, body = ask(Cluster(), "GET", "/api/v1/secrets", authorization=header)
    assert status == 403
    assert f'User "{name}" cannot' in body["message"]


def who(cluster: Cluster, **headers: str) -> dict[str, Any]:
    status, body = ask(cluster, "POST", WHO_AM_I, authorization=f"Bearer {TOKEN}", **headers)
    assert status == 201, body
    info: dict[str, Any] = body["status"]["userInfo"]
    return info


def test_who_may_impersonate_acts_as_another() -> None:
    cluster = Cluster()
    headers = {"impersonate_user": "u", "impersonate_group": "g1,g2", "impersonate_extra_a%2fb": "c"}
    assert who(cluster, **headers) == {
        "username": "u",
        "groups": ["g1", "g2", "system:authenticated"],
        "extra": {"a/b": ["c"]},
    }
    account = who(cluster, impersonate_user="system:serviceaccount:n:a")
    assert account["groups"] == ["system:serviceaccounts", "system:serviceaccounts:n", "system:authenticated"]
    assert who(cluster, impersonate_user="u", impersonate_uid="1")["uid"] == "1"
    headers = {"authorization": f"Bearer {TOKEN}", "impersonate_user": "system:anonymous"}
    assert "system:anonymous" in ask(cluster, "GET", "/apis", **headers)[1]["message"]


def test_the_others_rights_count() -> None:
    headers = {"authorization": f"Bearer {TOKEN}", "impersonate_user": "u"}
    status, body = ask(Cluster(), "GET", "/api/v1/secrets", **headers)
    assert status == 403
    assert 'User "u" cannot list' in body["message"]


def test_nobody_acts_as_another_without_the_right() -> None:
    cluster = Cluster()
    headers = {"authorization": f"Bearer {USER}", "impersonate_user": "u", "impersonate_group": "g1"}
    status, body = ask(cluster, "POST", WHO_AM_I, **headers)
    text = (
        'selfsubjectreviews.authentication.k8s.io is forbidden: User "x" cannot impersonate-on:user-info:create '
        'resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope'
    )
    assert (status, body["message"]) == (403, text)
    cluster.bind(rule("users", "impersonate", resourceNames=["u"]))
    assert ask(cluster, "POST", WHO_AM_I, **headers)[0] == 403
    cluster.bind(rule("groups", "impersonate"), name="groups")
    assert ask(cluster, "POST", WHO_AM_I, **headers)[1]["status"]["userInfo"]["username"] == "u"


def test_to_act_as_somebody_takes_a_name() -> None:
    status, body = ask(Cluster(), "GET", "/apis", authorization=f"Bearer {TOKEN}", impersonate_group="g1")
    text = (
        'requested &user.DefaultInfo{Name:"", UID:"", Groups:[]string{"g1"}, Extra:map[string][]string(nil)} without '
        "impersonating a user name"
    )
    assert (status, body["message"]) == (400, text)
