"""Keys, token tables and kubeconfig files as the programs take them (their acceptance is an integration test)."""

import base64
import json
import os
from pathlib import Path

import pytest
import yaml

from controller_runtime.envtest import credentials


def test_a_private_file_is_readable_by_its_owner_alone_whatever_was_there(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch()
    path.chmod(0o644)
    credentials.write_private(path, "text")
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text() == "text"


def test_a_new_private_file_is_never_readable_by_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        credentials.write_private(tmp_path / "secret", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_a_signing_key_is_an_rfc_5915_structure_of_the_length_that_it_says() -> None:
    head, *body, tail = credentials.new_signing_key().splitlines()
    assert (head, tail) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    der = base64.b64decode("".join(body))
    assert der[0] == 0x30
    assert der[1] == len(der) - 2
    assert len(set(map(len, body))) <= 2
    assert max(map(len, body)) <= 76


def test_signing_keys_and_tokens_are_never_the_same() -> None:
    assert credentials.new_signing_key() != credentials.new_signing_key()
    assert credentials.new_token() != credentials.new_token()


@pytest.mark.parametrize(
    ("groups", "line"),
    [
        pytest.param((), "t,user,user,\n", id="no group"),
        pytest.param(("a",), "t,user,user,a\n", id="one group"),
        pytest.param(("a", "b"), 't,user,user,"a,b"\n', id="two groups are one quoted column"),
    ],
)
def test_a_token_table_has_one_line_per_user(groups: tuple[str, ...], line: str) -> None:
    assert credentials.token_table({"user": "t"}, {"user": groups}) == line


def test_a_kubeconfig_verifies_the_server_and_carries_the_token() -> None:
    text = credentials.kubeconfig("https://127.0.0.1:1", Path("/ca.crt"), "user", "t")
    document = yaml.safe_load(text)
    assert document == json.loads(text)
    (cluster,) = document["clusters"]
    (user,) = document["users"]
    (context,) = document["contexts"]
    assert cluster["cluster"] == {"server": "https://127.0.0.1:1", "certificate-authority": "/ca.crt"}
    assert user == {"name": "user", "user": {"token": "t"}}
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]}
    assert document["current-context"] == context["name"]
