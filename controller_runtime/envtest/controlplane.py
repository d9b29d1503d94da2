"""A control plane on 127.0.0.1: the embedded API server, or etcd, kube-apiserver and kube-controller-manager."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from controller_runtime.envtest import commands, credentials
from controller_runtime.envtest.connection import AdminConnection, answers_ok
from controller_runtime.envtest.crds import install_crds, read_crds
from controller_runtime.envtest.errors import ControlPlaneError, KubectlError
from controller_runtime.envtest.etcd import compact
from controller_runtime.envtest.processes import ChildProcess, ReservedPort

SERVER_VARIABLE = "ENVTEST_SERVER"
"""Environment variable that chooses the server where the options do not: `embedded` or `kubernetes`."""

ADMIN = "admin"
"""The user, in the group system:masters, who may do everything."""

# What kube-controller-manager logs once it knows every kind of object; it serves no health endpoint here.
_GARBAGE_COLLECTOR_READY = "all resource monitors have synced"
_TOKEN_LIFETIME = 24 * 3600  # seconds


def _default_server() -> Literal["embedded", "kubernetes"]:
    chosen = os.environ.get(SERVER_VARIABLE, "embedded")
    if chosen in ("embedded", "kubernetes"):
        return chosen  # type: ignore[return-value]
    raise ControlPlaneError(f"{SERVER_VARIABLE}={chosen} is no API server: set it to embedded or kubernetes")


@dataclass(frozen=True, kw_only=True)
class ControlPlaneOptions:
    """How a control plane is started.

    Attributes:
        server: `embedded` is the API server of this package, ready in less than a second; `kubernetes` is the real one,
            whose programs `assets` finds. The default is what the variable ENVTEST_SERVER says, else `embedded`.
        directory: Holds data, certificates, kubeconfig files and logs; created with mode 0700 if missing, and kept.
            None (the default) takes a temporary one that is removed at the end.
        audit: Whether requests are written to `audit_log` (stage, user, verb, object and code of each, no bodies);
            `kubernetes` only.
        garbage_collection: Whether kube-controller-manager deletes the dependants of deleted owners and the content of
            deleted namespaces, for 80 MB of memory. Without it neither ever goes away. The embedded server always does.
        users: Further users and their groups, for `kubeconfig_for`. RBAC decides what they may do.
        api_server_flags: Added to kube-apiserver's command line; where a flag is repeated, the last one wins.
            `kubernetes` only.
        start_timeout: Seconds that each program may take to become ready, and CRDs to be served.
        stop_timeout: Seconds that each program may take to end before it is killed.
    """

    server: Literal["embedded", "kubernetes"] = field(default_factory=_default_server)
    directory: Path | None = None
    audit: bool = False
    garbage_collection: bool = False
    users: Mapping[str, Sequence[str]] = field(default_factory=dict)
    api_server_flags: Sequence[str] = ()
    start_timeout: float = 60
    stop_timeout: float = 20

    def __post_init__(self) -> None:
        """Refuse what the embedded server cannot do.

        Raises:
            ControlPlaneError: It is asked for an audit log or for flags of kube-apiserver.
        """
        if self.server == "embedded" and (self.audit or self.api_server_flags):
            raise ControlPlaneError('audit and api_server_flags need the real API server: add server="kubernetes"')


@dataclass(frozen=True, kw_only=True)
class _Running:
    """What a control plane consists of while it runs."""

    directory: Path
    port: int
    tokens: Mapping[str, str]
    admin: AdminConnection
    api_server: ChildProcess
    etcd_port: int = 0
    etcd: ChildProcess | None = None
    controller_manager: ChildProcess | None = None


class ControlPlane:
    """Starts and stops a control plane; a context manager.

    Guarantees: when `start` returns, the API server is ready, the namespace `default` is there and `kubeconfig` works.
    The programs die with this process, `kill -9` included. A restarted API server keeps its port, certificates, tokens
    and data. Ports are never raced for: each is reserved until `stop`.

    Not promised: pods never run, and no ServiceAccount appears by itself. All methods block: call them in a thread
    where an event loop must go on.

    Args:
        options: None means the defaults of `ControlPlaneOptions`.
    """

    def __init__(self, options: ControlPlaneOptions | None = None) -> None:
        self.options = options or ControlPlaneOptions()
        self._state: _Running | None = None
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start everything and wait until it is ready.

        Raises:
            AssetsMissingError: A program is not installed; the message says what to run.
            ProcessError: A program ended, or was not ready in time; the message quotes its log.
            ControlPlaneError: It is running already.
        """
        if self._state is not None:
            raise ControlPlaneError("the control plane is running already: stop it before starting it again")
        try:
            self._state = self._prepare()
            self._start_programs(self._state)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything, clients before servers; nothing happens if it is not running."""
        self._state = None
        self._cleanup.close()

    @property
    def directory(self) -> Path:
        """Where its files and logs are."""
        return self._running.directory

    @property
    def url(self) -> str:
        """Of the API server, without a slash at the end."""
        return f"https://127.0.0.1:{self._running.port}"

    @property
    def ca_file(self) -> Path:
        """Certificates that the API server's is verified with."""
        return commands.ca_file(self.directory)

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of `ADMIN`, readable by its owner alone."""
        return self.directory / "kubeconfig"

    @property
    def token(self) -> str:
        """Bearer token of `ADMIN`."""
        return self._running.tokens[ADMIN]

    @property
    def audit_log(self) -> Path:
        """The file with one audit event (JSON) per line, each written before its answer is sent.

        Raises:
            ControlPlaneError: The option `audit` is off.
        """
        if not self.options.audit:
            raise ControlPlaneError("there is no audit log: start the control plane with audit=True")
        return commands.audit_log(self.directory)

    @property
    def programs(self) -> tuple[ChildProcess, ...]:
        """What was started, servers before their clients."""
        parts = self._running
        return tuple(program for program in (parts.etcd, parts.api_server, parts.controller_manager) if program)

    def kill_api_server(self) -> None:
        """End the API server at once (SIGKILL); connections to it are reset, new ones refused."""
        self._running.api_server.kill()

    def start_api_server(self) -> None:
        """Start a killed API server on the same port, with the same certificates, tokens and data, and wait for it.

        Raises:
            ProcessError: It is running, it ended, or it was not ready in time.
        """
        parts = self._running
        parts.api_server.start()
        interval = 0.05 if parts.etcd else 0.01
        parts.api_server.wait_until(lambda: _serves(parts.admin), "become ready", self._deadline(), interval)

    def pause_api_server(self) -> None:
        """Freeze the API server (SIGSTOP); connections stay open, are accepted, and get no answer."""
        self._running.api_server.signal(signal.SIGSTOP)

    def resume_api_server(self) -> None:
        """Let a frozen API server go on."""
        self._running.api_server.signal(signal.SIGCONT)

    def compact(self) -> None:
        """Forget the history: versions from before now are in no list, no page and no watch any more (410).

        The API server is restarted for it, as it keeps a history in memory; its connections are reset.

        Raises:
            ControlPlaneError: etcd refuses it.
            ProcessError: The API server did not come back.
        """
        self.kill_api_server()
        if self._running.etcd is not None:
            compact(self._running.etcd_port)
        self.start_api_server()

    def kubeconfig_for(self, user: str) -> Path:
        """Write a kubeconfig of a user that the option `users` names and return its path.

        Raises:
            ControlPlaneError: The option does not name the user.
        """
        if user not in self._running.tokens:
            known = ", ".join(self._running.tokens)
            raise ControlPlaneError(f"there is no user {user} (only {known}): name it in ControlPlaneOptions.users")
        return self._write_kubeconfig(user, self._running.tokens[user])

    def kubeconfig_for_service_account(self, namespace: str, name: str) -> Path:
        """Write a kubeconfig of an existing ServiceAccount, with a token for a day, and return its path.

        Raises:
            RequestError: The API server refuses it, as when there is no such ServiceAccount.
        """
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {"spec": {"expirationSeconds": _TOKEN_LIFETIME}}
        answer = self._running.admin.request("POST", path, request)
        return self._write_kubeconfig(f"system:serviceaccount:{namespace}:{name}", answer["status"]["token"])

    def create_namespace(self, prefix: str = "test-") -> str:
        """Create a namespace and return its name, which begins with `prefix` and is unique."""
        namespace = {"metadata": {"generateName": prefix}}
        name: str = self._running.admin.request("POST", "/api/v1/namespaces", namespace)["metadata"]["name"]
        return name

    def install_crds(self, paths: Iterable[Path]) -> None:
        """Create or replace CRDs and wait until they are served and in discovery.

        The garbage collector is restarted, if there is one: by itself it would look for new kinds only after 30 s.

        Args:
            paths: Files of CRDs, or directories of such files.

        Raises:
            CRDError: A file holds no CRD, or one is not served within `start_timeout`.
            RequestError: The API server refuses one.
            ProcessError: The garbage collector did not come back.
        """
        parts = self._running
        install_crds(parts.admin, read_crds(paths), self.options.start_timeout)
        if parts.controller_manager:
            parts.controller_manager.kill()
            self._start_controller_manager(parts.controller_manager)

    def kubectl(self, *arguments: str | Path, stdin: str | None = None) -> str:
        """Run kubectl as `ADMIN`, with nothing of the user's own configuration, and return its standard output.

        Args:
            arguments: The command, for example `"apply", "-f", "-"`.
            stdin: Its standard input.

        Raises:
            KubectlError: It ended with an error.
        """
        command = commands.kubectl(self.directory, self.kubeconfig, arguments)
        environment = commands.environment(self.directory)
        done = subprocess.run(
            command, input=stdin or "", capture_output=True, encoding="utf-8", env=environment, check=False
        )
        if done.returncode != 0:
            words = " ".join(str(argument) for argument in arguments)
            raise KubectlError(f"kubectl {words}: exit code {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    @property
    def _running(self) -> _Running:
        if self._state is None:
            raise ControlPlaneError("the control plane is not running: call start() first")
        return self._state

    def _prepare(self) -> _Running:
        """Reserve ports and write files; nothing is started yet, everything will be cleaned up."""
        directory, port = self._make_directory(), self._reserve_port()
        groups = {**self.options.users, ADMIN: ("system:masters",)}
        tokens = {user: credentials.new_token() for user in groups}
        table = directory / "tokens.csv"
        credentials.write_private(table, credentials.token_table(tokens, groups))
        running = _Running(
            directory=directory,
            port=port,
            tokens=tokens,
            admin=AdminConnection(port, commands.ca_file(directory), tokens[ADMIN]),
            api_server=self._program(directory, commands.embedded_api_server(directory, port, table), name="apiserver"),
        )
        return running if self.options.server == "embedded" else self._with_kubernetes(running, table)

    def _with_kubernetes(self, running: _Running, table: Path) -> _Running:
        options, directory, etcd_port = self.options, running.directory, self._reserve_port()
        etcd = self._program(directory, commands.etcd(directory, etcd_port))
        api_server = commands.api_server(
            directory, running.port, etcd_port, table, audit=options.audit, flags=options.api_server_flags
        )
        collector = commands.controller_manager(directory / "kubeconfig") if options.garbage_collection else None
        return replace(
            running,
            etcd_port=etcd_port,
            etcd=etcd,
            api_server=self._program(directory, api_server),
            controller_manager=self._program(directory, collector) if collector else None,
        )

    def _make_directory(self) -> Path:
        if self.options.directory is None:
            temporary = tempfile.TemporaryDirectory(prefix="control-plane-")
            return Path(self._cleanup.enter_context(temporary))
        self.options.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.options.directory.resolve()

    def _reserve_port(self) -> int:
        port = ReservedPort()
        self._cleanup.callback(port.close)
        return port.number

    def _program(self, directory: Path, command: Sequence[str | Path], name: str = "") -> ChildProcess:
        name = name or Path(command[0]).name
        environment = commands.environment(directory)
        program = ChildProcess(
            command, log=directory / f"{name}.log", environment=environment, directory=directory, name=name
        )
        self._cleanup.callback(program.stop, self.options.stop_timeout)
        return program

    def _start_programs(self, parts: _Running) -> None:
        if parts.etcd is not None:
            port = parts.etcd_port
            parts.etcd.start()
            parts.etcd.wait_until(lambda: answers_ok("127.0.0.1", port, "/health"), "become healthy", self._deadline())
        self.start_api_server()
        self._write_kubeconfig(ADMIN, parts.tokens[ADMIN], self.kubeconfig)
        if parts.controller_manager:
            self._start_controller_manager(parts.controller_manager)

    def _start_controller_manager(self, program: ChildProcess) -> None:
        program.start()
        program.wait_until(
            lambda: _GARBAGE_COLLECTOR_READY in program.log_since_start(), "sync its monitors", self._deadline()
        )

    def _deadline(self) -> float:
        return time.monotonic() + self.options.start_timeout

    def _write_kubeconfig(self, user: str, token: str, path: Path | None = None) -> Path:
        path = path or self.directory / f"kubeconfig-{urllib.parse.quote(user, safe='')}"
        credentials.write_private(path, credentials.kubeconfig(self.url, self.ca_file, user, token))
        return path


def _serves(admin: AdminConnection) -> bool:
    return admin.healthy("/readyz") and admin.healthy("/api/v1/namespaces/default")
