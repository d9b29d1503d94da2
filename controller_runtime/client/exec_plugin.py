"""The exec plugin of a kubeconfig user: a program that prints a credential.

By client-go's rules (`client.authentication.k8s.io` v1 and v1beta1): the plugin learns from `KUBERNETES_EXEC_INFO`
which version it shall print, whether a person is there and, if its section asks for that, what the cluster is. Its
credential is kept until shortly before it runs out, or until the server refuses it.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import msgspec

from controller_runtime.apimachinery import parse_time
from controller_runtime.certificates import KeyPair
from controller_runtime.client.config import Credential
from controller_runtime.client.errors import ConfigError

LIMIT_SECONDS = 60.0
"""How long a plugin may take, with a login that waits for a person; all requests wait for it."""

_EXPIRY_LEEWAY = timedelta(seconds=10)
_CLUSTER_SETTINGS = (
    "server",
    "tls-server-name",
    "insecure-skip-tls-verify",
    "certificate-authority-data",
    "proxy-url",
    "disable-compression",
)
_CONFIG_EXTENSION = "client.authentication.k8s.io/exec"


class _Variable(msgspec.Struct):
    name: str
    value: str


class _Section(msgspec.Struct, rename="camel"):
    command: str
    api_version: str
    args: list[str] | None = None
    env: list[_Variable] | None = None
    install_hint: str | None = None
    interactive_mode: Literal["Never", "IfAvailable", "Always"] | None = None
    provide_cluster_info: bool | None = None


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    kind: str = ""
    api_version: str = ""
    status: _Status | None = None


class ExecPlugin:
    """Runs the plugin when its last credential holds no longer.

    Args:
        section: `exec` of the user.
        cluster: The cluster that the credential is for.

    Raises:
        ConfigError: the section is malformed.
    """

    def __init__(self, section: Mapping[str, Any], cluster: Mapping[str, Any]) -> None:
        try:
            self._section = msgspec.convert(section, _Section)
        except msgspec.ValidationError as error:
            raise ConfigError(f"exec plugin {section.get('command') or 'without a command'}: {error}") from error
        self._cluster = cluster
        self._credential: Credential | None = None
        self.renew_at: datetime | None = None
        """When the credential should be renewed; None: the plugin does not say, so it is kept."""

    async def credential(self) -> Credential:
        """The plugin's last credential, or that of another run.

        Raises:
            ConfigError: it cannot be run, failed, took too long, or gave no credential; names the command.
        """
        if self._credential is None or (self.renew_at is not None and datetime.now(UTC) >= self.renew_at):
            self._credential = await self._renew()
        return self._credential

    def forget(self) -> None:
        """Run the plugin again next time."""
        self._credential = None

    async def _renew(self) -> Credential:
        try:
            return self._take(await self._run())
        except subprocess.TimeoutExpired as error:
            reason = f"it has not ended within {LIMIT_SECONDS:g} s and was killed"
            raise ConfigError(self._failure(reason)) from error
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise ConfigError(self._failure(str(error))) from error

    def _failure(self, reason: str) -> str:
        return f"exec plugin {self._section.command} failed: {reason}. {self._section.install_hint or ''}".rstrip(". ")

    async def _run(self) -> _Status:
        process = self._start()
        try:
            stdout, stderr = await asyncio.to_thread(_finish, process)
        except asyncio.CancelledError:
            _kill(process)  # which lets the thread end
            raise
        if process.returncode:
            said = (stderr or b"").decode(errors="replace").strip()
            raise ValueError(f"it returned {process.returncode}" + (f": {said}" if said else ""))
        return _status(stdout, self._section.api_version)

    def _start(self) -> subprocess.Popen[bytes]:
        interactive = self._is_interactive()
        variables = {variable.name: variable.value for variable in self._section.env or ()}
        return subprocess.Popen(
            [self._section.command, *(self._section.args or ())],
            env=os.environ | variables | {"KUBERNETES_EXEC_INFO": self._info(interactive)},
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=None if interactive else subprocess.PIPE,  # where it says to a person what to do
            start_new_session=not interactive,  # its children can be killed with it; a dialogue needs the terminal
        )

    def _is_interactive(self) -> bool:
        mode, terminal = self._section.interactive_mode or "IfAvailable", os.isatty(0)
        if mode == "Always" and not terminal:
            raise ValueError("its interactiveMode is Always, and standard input is no terminal")
        return terminal and mode != "Never"

    def _info(self, interactive: bool) -> str:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._section.provide_cluster_info:
            spec["cluster"] = cluster_info(self._cluster)
        info = {"apiVersion": self._section.api_version, "kind": "ExecCredential", "spec": spec}
        return msgspec.json.encode(info).decode()

    def _take(self, status: _Status) -> Credential:
        certificate, key = status.client_certificate_data or "", status.client_key_data or ""
        if bool(certificate) != bool(key) or not (status.token or certificate):
            raise ValueError("it gave neither a token nor a client certificate with its key")
        expiry = status.expiration_timestamp
        self.renew_at = parse_time(expiry) - _EXPIRY_LEEWAY if expiry else None
        return Credential(
            authorization=f"Bearer {status.token}" if status.token else "",
            client_certificate=KeyPair(certificate.encode(), key.encode()) if certificate else None,
        )


def cluster_info(cluster: Mapping[str, Any]) -> dict[str, Any]:
    """What the ExecCredential says of a cluster: its CA always as data, and its extension for plugins as `config`."""
    info = {name: cluster[name] for name in _CLUSTER_SETTINGS if cluster.get(name)}
    path = cluster.get("certificate-authority")
    if path and "certificate-authority-data" not in info:
        info["certificate-authority-data"] = base64.b64encode(Path(path).read_bytes()).decode()
    for extension in cluster.get("extensions") or ():
        if extension.get("name") == _CONFIG_EXTENSION:
            info["config"] = extension.get("extension")
    return info


def _finish(process: subprocess.Popen[bytes]) -> tuple[bytes, bytes | None]:
    with process:
        try:
            return process.communicate(timeout=LIMIT_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):  # it ended just now
        if os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


def _status(stdout: bytes, api_version: str) -> _Status:
    try:
        answer = msgspec.json.decode(stdout, type=_Answer)
    except msgspec.DecodeError as error:
        raise ValueError(f"it printed no ExecCredential: {error}") from error
    if (answer.kind, answer.api_version) != ("ExecCredential", api_version):
        raise ValueError(
            f"what it printed (kind {answer.kind!r}, apiVersion {answer.api_version!r}) does not match the "
            f"ExecCredential of {api_version} that was asked for"
        )
    return answer.status or _Status()
