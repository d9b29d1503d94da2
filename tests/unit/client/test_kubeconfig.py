"""Reading kubeconfig files and selecting one context."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.client import ConfigError
from controller_runtime.client.kubeconfig import select_context


def document(**changes: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "lab",
        "contexts": [{"name": "lab", "context": {"cluster": "c1", "user": "u1", "namespace": "boot"}}],
        "clusters": [{"name": "c1", "cluster": {"server": "https://one.example"}}],
        "users": [{"name": "u1", "user": {"token": "t1"}}],
        **changes,
    }


def write(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_the_current_context_with_its_cluster_and_user(tmp_path: Path) -> None:
    selected = select_context([write(tmp_path / "config", document())], "--kubeconfig", None)
    assert selected.cluster == {"server": "https://one.example"}
    assert selected.user == {"token": "t1"}
    assert "t1" not in repr(selected), "it ends up in error reports"
    assert selected.namespace == "boot"


def test_another_context_can_be_chosen(tmp_path: Path) -> None:
    contexts = [*document()["contexts"], {"name": "other", "context": {"cluster": "c1"}}]
    selected = select_context([write(tmp_path / "config", document(contexts=contexts))], "--kubeconfig", "other")
    assert (selected.user, selected.namespace) == ({}, "")


def test_the_first_file_that_has_an_entry_wins(tmp_path: Path) -> None:
    first = {"users": [{"name": "u1", "user": {"token": "first"}}]}
    second = document(users=[{"name": "u1", "user": {"token": "second"}}])
    third = document(**{"current-context": "nowhere"}, clusters=[])
    paths = [write(tmp_path / name, content) for name, content in (("1", first), ("2", second), ("3", third))]
    selected = select_context(paths, "KUBECONFIG", None)
    assert (selected.user["token"], selected.namespace) == ("first", "boot")
    assert selected.cluster["server"] == "https://one.example"


def test_files_that_do_not_exist_are_passed_over_while_one_does(tmp_path: Path) -> None:
    paths = [tmp_path / "missing", write(tmp_path / "config", document())]
    assert select_context(paths, "KUBECONFIG", None).namespace == "boot"


def test_relative_paths_are_relative_to_their_file(tmp_path: Path) -> None:
    cluster = {"server": "https://one.example", "certificate-authority": "pki/ca.crt"}
    user = {"client-certificate": "me.crt", "client-key": "/abs/me.key", "tokenFile": "token"}
    paths = [
        write(tmp_path / "a" / "config", document(clusters=[{"name": "c1", "cluster": cluster}], users=[])),
        write(tmp_path / "b" / "config", {"users": [{"name": "u1", "user": user}]}),
    ]
    selected = select_context(paths, "KUBECONFIG", None)
    assert selected.cluster["certificate-authority"] == str(tmp_path / "a/pki/ca.crt")
    assert selected.user == {
        "client-certificate": str(tmp_path / "b/me.crt"),
        "client-key": "/abs/me.key",
        "tokenFile": str(tmp_path / "b/token"),
    }


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param("plugin", "plugin", id="a bare name is looked up on PATH"),
        pytest.param("bin/plugin", "{}/bin/plugin", id="a relative path"),
        pytest.param("/bin/plugin", "/bin/plugin", id="an absolute path"),
    ],
)
def test_where_an_exec_plugin_is(tmp_path: Path, command: str, expected: str) -> None:
    users = [{"name": "u1", "user": {"exec": {"command": command}}}]
    selected = select_context([write(tmp_path / "config", document(users=users))], "--kubeconfig", None)
    assert selected.user["exec"]["command"] == expected.format(tmp_path)


BAD_CONTEXT = [{"name": "lab", "context": {"user": "u1"}}]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(": [", "is no valid YAML", id="malformed YAML"),
        pytest.param("", "is no kubeconfig: a map was expected", id="empty file"),
        pytest.param("[]", "is no kubeconfig: a map was expected", id="a list"),
        pytest.param(document(users={}), "users is no list", id="section of the wrong type"),
        pytest.param(document(users=[{"user": {}}]), "users holds an entry without a name", id="unnamed entry"),
        pytest.param(document(users=[{"name": "u1", "user": 5}]), "or without user", id="entry of the wrong type"),
        pytest.param(document(**{"current-context": ""}), "kubectl config use-context NAME", id="no current-context"),
        pytest.param(document(contexts=None), "has no context 'lab'", id="no such context"),
        pytest.param(document(contexts=BAD_CONTEXT), "context 'lab' names no cluster", id="context without cluster"),
        pytest.param(document(clusters=[]), "has no cluster 'c1'", id="no such cluster"),
        pytest.param(document(users=[]), "has no user 'u1'", id="no such user"),
        pytest.param(document(clusters=[{"name": "c1"}]), "cluster 'c1' has no server", id="no server"),
        pytest.param(document(users=[{"name": "u1", "user": {"exec": "x"}}]), "exec of user 'u1' is no map", id="exec"),
        pytest.param(
            document(users=[{"name": "u1", "user": {"token": 5}}]), "token of user 'u1' is no text", id="token"
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"username": "u", "password": 5}}]),
            "password of user 'u1' is no text",
            id="password",
        ),
        pytest.param(
            document(clusters=[{"name": "c1", "cluster": {"server": 5}}]),
            "server of cluster 'c1' is no text",
            id="server",
        ),
        pytest.param(
            document(clusters=[{"name": "c1", "cluster": {"server": "x", "certificate-authority": 5}}]),
            "certificate-authority of cluster 'c1' is no text",
            id="a path that is no text",
        ),
        pytest.param(
            document(clusters=[{"name": "c1", "cluster": {"server": "x", "insecure-skip-tls-verify": "false"}}]),
            "insecure-skip-tls-verify of cluster 'c1' is no boolean",
            id="a text would turn verification off",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"auth-provider": {"config": {}}}}]),
            "auth-provider ''; use an exec plugin",
            id="auth-provider without a name would be ignored",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"auth-provider": {"name": "oidc", "config": "x"}}}]),
            "config of the auth-provider of user 'u1' is no map",
            id="config of the auth-provider",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"auth-provider": ["oidc"]}}]),
            "auth-provider of user 'u1' is no map",
            id="auth-provider of the wrong type",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"token": "t", "as": "root"}}]),
            r"user 'u1' impersonates another \(as\), which is not supported",
            id="impersonation would be ignored",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"tokenFile": "t", "password": "p"}}]),
            r"user 'u1' has both token or tokenFile and username or password: only one can be used",
            id="token and password",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"exec": {"command": "x"}, "auth-provider": {"name": "oidc"}}}]),
            r"user 'u1' has both exec and auth-provider: only one can be used",
            id="plugin and auth-provider",
        ),
        pytest.param(
            document(users=[{"name": "u1", "user": {"auth-provider": {"name": "azure"}}}]),
            "auth-provider 'azure'; use an exec plugin instead",
            id="unknown auth-provider",
        ),
    ],
)
def test_a_broken_kubeconfig_is_one_clear_sentence(tmp_path: Path, content: object, message: str) -> None:
    path = write(tmp_path / "config", content)
    with pytest.raises(ConfigError, match=message) as caught:
        select_context([path], "--kubeconfig", None)
    assert str(path) in str(caught.value)


def test_missing_files_are_named_with_who_named_them(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ConfigError) as caught:
        select_context(paths, "KUBECONFIG", None)
    assert str(caught.value) == f"kubeconfig {paths[0]}{os.pathsep}{paths[1]} (from KUBECONFIG) does not exist"


def test_a_directory_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\(from --kubeconfig\) cannot be read"):
        select_context([tmp_path], "--kubeconfig", None)


def test_a_path_that_cannot_be_looked_at_is_named(tmp_path: Path) -> None:
    """A name that is too long stands for a directory that may not be entered, which root may."""
    with pytest.raises(ConfigError, match=r"\(from KUBECONFIG\) cannot be read: .*File name too long"):
        select_context([tmp_path / ("x" * 300)], "KUBECONFIG", None)
