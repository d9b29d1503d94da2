"""Credentials from programs."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
import textwrap
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_mock import MockerFixture
from structlog.testing import capture_logs

from controller_runtime.client import ConfigError, Credential, exec_plugin
from tests.unit.client.loopback import Certificates
from tests.unit.client.users import authorization, content, load_user


class Plugin:
    """An exec plugin: answers with what `answer` holds and notes each run."""

    def __init__(self, directory: Path) -> None:
        self.answer = directory / "answer.json"
        self.runs = directory / "runs"
        self.info = directory / "info.json"
        self.input = directory / "input"
        self.runs.write_text("")
        self.program = directory / "plugin"
        script = f"""\
            #!{sys.executable} -I
            import json, os, pathlib, sys
            info = os.environ["KUBERNETES_EXEC_INFO"]
            with open({str(self.runs)!r}, "a") as runs:
                runs.write(json.loads(info)["kind"] + os.environ["FROM_CONFIG"] + "\\n")
            pathlib.Path({str(self.info)!r}).write_text(info)
            pathlib.Path({str(self.input)!r}).write_bytes(sys.stdin.buffer.read())
            answer = pathlib.Path({str(self.answer)!r})
            if not answer.exists():
                sys.exit("no session, log in first")
            print(answer.read_text())
            """
        self.program.write_text(textwrap.dedent(script))
        self.program.chmod(0o755)

    def says(self, version: str = "v1", /, **status: Any) -> None:
        kind = {"apiVersion": f"client.authentication.k8s.io/{version}", "kind": "ExecCredential"}
        self.answer.write_text(json.dumps({**kind, "status": status}))

    def run_count(self) -> int:
        return len(self.runs.read_text().splitlines())

    @property
    def user(self) -> dict[str, Any]:
        return {
            "exec": {
                "apiVersion": "client.authentication.k8s.io/v1",
                "command": f".{os.sep}plugin",
                "args": ["get-token"],
                "env": [{"name": "FROM_CONFIG", "value": "yes"}],
                "installHint": "install it",
            }
        }


ANSWER = '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "%s", "status": %s}'


@pytest.fixture
def plugin(tmp_path: Path) -> Plugin:
    return Plugin(tmp_path)


def timestamp(seconds_from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat()


@pytest.mark.looptime
async def test_an_exec_token_without_expiry_is_kept(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    assert await authorization(source) == "Bearer one"
    await asyncio.sleep(3600)
    assert await authorization(source) == "Bearer one"
    assert plugin.runs.read_text() == "ExecCredentialyes\n"


@pytest.mark.looptime
async def test_the_servers_401_runs_the_plugin_again_but_not_at_once(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    first = await source.current()
    plugin.says(token="two")
    source.reject(first)
    assert await authorization(source) == "Bearer one"
    await asyncio.sleep(10)
    assert await authorization(source) == "Bearer two"
    assert plugin.run_count() == 2
    source.reject(first)
    await asyncio.sleep(3600)
    assert await authorization(source) == "Bearer two"
    assert plugin.run_count() == 2, "a late 401 says nothing about the new token"


async def test_an_expired_exec_token_is_renewed_once_for_all_waiting_requests(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one", expirationTimestamp=timestamp(5))
    source = await load_user(tmp_path, plugin.user)
    plugin.says(token="two", expirationTimestamp=timestamp(3600))
    assert await asyncio.gather(*(authorization(source) for _ in range(5))) == ["Bearer two"] * 5
    assert plugin.run_count() == 2


async def test_a_cancelled_request_does_not_stop_the_renewal(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="one", expirationTimestamp=timestamp(5))
    source = await load_user(tmp_path, plugin.user)
    plugin.says(token="two", expirationTimestamp=timestamp(3600))
    first = asyncio.create_task(authorization(source))
    await asyncio.sleep(0)
    first.cancel()
    assert await authorization(source) == "Bearer two"
    with pytest.raises(asyncio.CancelledError):
        await first
    assert plugin.run_count() == 2


async def test_an_exec_plugin_may_bring_a_certificate(
    tmp_path: Path, plugin: Plugin, certificates: Certificates
) -> None:
    cert, key = map(content, certificates.pair("client"))
    plugin.says(clientCertificateData=cert, clientKeyData=key)
    credential = await (await load_user(tmp_path, plugin.user)).current()
    assert credential == Credential(client_certificate=certificates.key_pair("client"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({}, r"plugin failed: .*no session, log in first.*install it", id="it fails"),
        pytest.param({"command": "no-such-plugin"}, "exec plugin no-such-plugin failed", id="it is not there"),
        pytest.param({"apiVersion": "other/v1"}, "does not match", id="another version"),
        pytest.param({"command": None}, "exec plugin without a command: .*command", id="no command"),
        pytest.param({"apiVersion": None}, "exec plugin .*plugin: .*apiVersion", id="no version"),
        pytest.param({"args": [8080]}, "exec plugin .*plugin: .*args", id="an argument that is no text"),
        pytest.param({"env": [{"name": "X"}]}, "exec plugin .*plugin: .*value.*env", id="a variable without a value"),
        pytest.param({"interactiveMode": "Yes"}, "exec plugin .*plugin: .*interactiveMode", id="an unknown mode"),
        pytest.param(
            {"interactiveMode": "Always"},
            "plugin failed: its interactiveMode is Always, and .*install it",
            id="no terminal",
        ),
    ],
)
async def test_a_plugin_that_fails_is_one_clear_sentence(
    tmp_path: Path, plugin: Plugin, change: dict[str, Any], message: str
) -> None:
    if change.get("apiVersion"):
        plugin.says(token="t")
    with pytest.raises(ConfigError, match=message):
        await load_user(tmp_path, {"exec": plugin.user["exec"] | change})


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("", id="nothing"),
        pytest.param("token", id="no JSON"),
        pytest.param("5", id="no map"),
        pytest.param(ANSWER % ("ExecCredential", '"x"'), id="status is no map"),
        pytest.param(ANSWER % ("TokenReview", '{"token": "t"}'), id="another kind"),
    ],
)
async def test_a_plugin_whose_answer_is_no_credential_is_one_clear_sentence(
    tmp_path: Path, plugin: Plugin, answer: str
) -> None:
    plugin.answer.write_text(answer)
    with pytest.raises(ConfigError, match=r"exec plugin .*plugin"):
        await load_user(tmp_path, plugin.user)


@pytest.mark.looptime
async def test_whatever_stops_a_renewal_the_old_credential_is_used_on(
    tmp_path: Path, plugin: Plugin, mocker: MockerFixture
) -> None:
    plugin.says(token="one")
    source = await load_user(tmp_path, plugin.user)
    credential = await source.current()
    mocker.patch.object(exec_plugin.ExecPlugin, "credential", side_effect=KeyError("status"))
    source.reject(credential)
    await asyncio.sleep(10)
    with capture_logs() as logs:
        assert [await authorization(source) for _ in range(3)] == ["Bearer one"] * 3
    assert [line["event"] for line in logs] == ["cannot renew API credentials, using the old ones"]


async def opened(fifo: Path) -> asyncio.StreamReader:
    """The reading side of a FIFO, which ends when the last who had it open for writing has ended."""
    reader = asyncio.StreamReader()
    file = os.fdopen(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb")
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader


@pytest.mark.parametrize(
    "ending", [pytest.param("exec sleep 600", id="itself"), pytest.param("sleep 600; true", id="its child")]
)
async def test_a_plugin_that_hangs_is_killed_and_named(
    tmp_path: Path, plugin: Plugin, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    """Whoever holds the other side of the FIFO open is killed, or it would never end."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plugin.program.write_text(f"#!/bin/sh\nexec 3>'{fifo}'\n{ending}\n")
    monkeypatch.setattr(exec_plugin, "LIMIT_SECONDS", 0.5)
    end = await opened(fifo)
    with pytest.raises(ConfigError, match=r"exec plugin .*plugin failed: it has not ended within 0.5 s .* install it"):
        await load_user(tmp_path, plugin.user)
    assert await end.read() == b""


async def test_a_plugin_is_killed_when_nobody_waits_for_it_any_more(tmp_path: Path, plugin: Plugin) -> None:
    """Its end closes the other side of the FIFO, which is the only thing that lets the reader here go on."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    plugin.program.write_text(f"#!{sys.executable} -I\nimport time\nend = open({str(fifo)!r}, 'w')\ntime.sleep(600)\n")
    loading = asyncio.create_task(load_user(tmp_path, plugin.user))
    with await asyncio.to_thread(fifo.open) as end:  # opens when the plugin has opened it, too
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert await asyncio.to_thread(end.read) == ""


async def test_a_plugin_may_say_much(tmp_path: Path, plugin: Plugin) -> None:
    """More than a pipe holds, on the stream that is not the answer's."""
    plugin.says(token="one")
    script = plugin.program.read_text()
    plugin.program.write_text(script + 'sys.stderr.write("x" * 1_000_000)\n')
    assert await authorization(await load_user(tmp_path, plugin.user)) == "Bearer one"


@pytest.mark.parametrize(
    "status",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"token": ""}, id="empty token"),
        pytest.param({"clientCertificateData": "x"}, id="no key"),
        pytest.param({"token": "t", "clientCertificateData": "x"}, id="no key beside a token"),
        pytest.param({"clientKeyData": "x"}, id="no certificate"),
    ],
)
async def test_a_plugin_without_credentials_is_not_anonymous(
    tmp_path: Path, plugin: Plugin, status: dict[str, str]
) -> None:
    plugin.says(**status)
    with pytest.raises(ConfigError, match="gave neither a token nor a client certificate with its key"):
        await load_user(tmp_path, plugin.user)


async def test_a_plugin_whose_certificate_cannot_be_used_is_refused(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(clientCertificateData="x", clientKeyData="y")
    with pytest.raises(ConfigError, match="the client certificate cannot be used: certificate or key is not valid PEM"):
        await load_user(tmp_path, plugin.user)


async def test_a_time_that_is_none_is_refused(tmp_path: Path, plugin: Plugin) -> None:
    plugin.says(token="t", expirationTimestamp="tomorrow")
    with pytest.raises(ConfigError, match=r"exec plugin .*plugin failed: .*tomorrow.*install it"):
        await load_user(tmp_path, plugin.user)


@pytest.fixture
def standard_input() -> Iterator[None]:
    """Make a pipe with one word in it the standard input of this process."""
    saved, (reading, writing) = os.dup(0), os.pipe()
    os.write(writing, b"word")
    os.close(writing)
    os.dup2(reading, 0)
    os.close(reading)
    yield
    os.dup2(saved, 0)
    os.close(saved)


@pytest.mark.usefixtures("standard_input")
@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_what_a_plugin_is_told(tmp_path: Path, plugin: Plugin, version: str) -> None:
    """Nobody is at a terminal here, and what else comes in is not for the plugin."""
    plugin.says(version, token="t")
    user = {"exec": plugin.user["exec"] | {"apiVersion": f"client.authentication.k8s.io/{version}"}}
    assert await authorization(await load_user(tmp_path, user)) == "Bearer t"
    assert json.loads(plugin.info.read_text()) == {
        "apiVersion": f"client.authentication.k8s.io/{version}",
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }
    assert plugin.input.read_text() == ""


async def test_a_plugin_that_asks_is_told_of_the_cluster(
    tmp_path: Path, plugin: Plugin, certificates: Certificates
) -> None:
    plugin.says(token="t")
    cluster = {
        "certificate-authority": certificates.ca,
        "tls-server-name": "api.example",
        "proxy-url": "",
        "extensions": [
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "me"}},
            {"name": "other", "extension": {"x": 1}},
        ],
    }
    await load_user(tmp_path, {"exec": plugin.user["exec"] | {"provideClusterInfo": True}}, **cluster)
    assert json.loads(plugin.info.read_text())["spec"]["cluster"] == {
        "server": "https://127.0.0.1",
        "tls-server-name": "api.example",
        "certificate-authority-data": base64.b64encode(content(certificates.ca).encode()).decode(),
        "config": {"audience": "me"},
    }


async def test_a_client_certificate_of_the_config_makes_the_plugin_needless(
    tmp_path: Path, plugin: Plugin, certificates: Certificates
) -> None:
    cert_file, key_file = certificates.pair("client")
    source = await load_user(tmp_path, plugin.user | {"client-certificate": cert_file, "client-key": key_file})
    assert await source.current() == Credential(client_certificate=certificates.key_pair("client"))
    assert plugin.run_count() == 0


@pytest.mark.parametrize(
    ("mode", "interactive"),
    [
        pytest.param("Never", False, id="never"),
        pytest.param("IfAvailable", True, id="if there is one"),
        pytest.param("Always", True, id="always"),
        pytest.param(None, True, id="not said"),
    ],
)
async def test_a_plugin_may_talk_to_a_person_at_a_terminal(
    tmp_path: Path, plugin: Plugin, mocker: MockerFixture, mode: str | None, interactive: bool
) -> None:
    mocker.patch("os.isatty", return_value=True)
    plugin.program.write_text(plugin.program.read_text().replace("sys.stdin.buffer.read()", "b''"))
    plugin.says(token="t")
    await load_user(tmp_path, {"exec": plugin.user["exec"] | {"interactiveMode": mode}})
    assert json.loads(plugin.info.read_text())["spec"] == {"interactive": interactive}


async def test_a_person_at_a_terminal_sees_what_the_plugin_says(
    tmp_path: Path, plugin: Plugin, mocker: MockerFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where to log in, for example: standard output is taken by the credential."""
    mocker.patch("os.isatty", return_value=True)
    plugin.program.write_text("#!/bin/sh\necho 'open this page' >&2\nexit 3\n")
    with pytest.raises(ConfigError, match=r"exec plugin .*plugin failed: it returned 3\. install it"):
        await load_user(tmp_path, plugin.user)
    assert capfd.readouterr().err == "open this page\n"
