"""`make run`: the boot operator against a Kubernetes API server of its own, all on this machine.

It starts a control plane below `.run/` (emptied first; nothing is written to HOME), installs the CRDs, starts
`boot-operator`, applies the samples, waits until the operator is ready and says what to try. The API server is the
embedded one or, where ENVTEST_SERVER=kubernetes, the real one, whose programs `hack/build-envtest` builds.

    .venv/bin/python hack/run.py [FLAGS OF boot-operator, WHICH WIN OVER THE ONES GIVEN HERE]

SIGINT (Ctrl-C) and SIGTERM end it, also where it was started with them ignored, and SIGHUP unless that was (by nohup).
The operator is stopped first and may drain, then the API server; the exit code is 0. It is 1 if something
could not be started or stopped cleanly, or ended by itself. Everything ends with it, `kill -9` included, and it ends
when the `make` that runs it does.
"""

import asyncio
import contextlib
import ctypes
import fcntl
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from boot_operator.standalone.applier import Applier, UnknownKindError
from boot_operator.standalone.manifests import Manifest, ManifestError, manifest_files, read_manifests
from controller_runtime.client import AiohttpTransport, ClientError, load_config
from controller_runtime.envtest import (
    AssetsMissingError,
    ControlPlane,
    ControlPlaneOptions,
    EnvtestError,
    find_asset,
)
from controller_runtime.envtest.connection import answers_ok
from controller_runtime.envtest.processes import ChildProcess

ADDRESS_FLAGS = {
    "boot-server-address": "127.0.0.1:8082",
    "image-proxy-server-address": "127.0.0.1:8083",
    "health-probe-bind-address": "127.0.0.1:8081",
    "metrics-bind-address": "127.0.0.1:8080",
}
"""Flags of boot-operator that name an address to listen on, with the values given here."""

READY_TIMEOUT = 60.0
"""Seconds that the operator may take until /readyz answers 200."""

DRAIN_TIMEOUT = 30.0
"""Seconds that the operator may take to stop: what Kubernetes gives a pod by default."""

_SERVERS = {
    "embedded": "the embedded API server",
    "kubernetes": "etcd, kube-apiserver and kube-controller-manager",
}
_LOGS = {"embedded": "apiserver.log", "kubernetes": "kube-apiserver.log"}
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_WATCH_INTERVAL = 0.2  # seconds between two looks at whether everything still runs


class RunError(Exception):
    """`make run` cannot go on; the message says what to do."""


class StopRequested(BaseException):
    """A signal asked for the end; not an error, and nothing that handles errors may catch it."""


@dataclass(frozen=True)
class Address:
    """Where the operator was told to listen.

    Attributes:
        flag: Name of the flag that says so.
        host: As in the flag; empty means all interfaces.
        port: TCP port.
    """

    flag: str
    host: str
    port: int

    @property
    def reachable_host(self) -> str:
        """The host that a client on this machine asks."""
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def url(self) -> str:
        """Where a client on this machine finds it."""
        host = f"[{self.reachable_host}]" if ":" in self.reachable_host else self.reachable_host
        return f"http://{host}:{self.port}"


def operator_flags(kubeconfig: Path, arguments: Sequence[str]) -> list[str]:
    """Return the operator's command line after its name: ours, then the user's, which win."""
    ours = [f"--{flag}={address}" for flag, address in ADDRESS_FLAGS.items()]
    return [f"--kubeconfig={kubeconfig}", "--metrics-secure=false", *ours, *arguments]


def flag_value(flags: Sequence[str], name: str) -> str | None:
    """Return the last value given for a flag (`--x=v`, `--x v`, one dash or two), None if it is not there."""
    value = None
    for position, word in enumerate(flags):
        if word.startswith((f"--{name}=", f"-{name}=")):
            value = word.partition("=")[2]
        elif word in {f"--{name}", f"-{name}"} and position + 1 < len(flags):
            value = flags[position + 1]
    return value


def addresses(flags: Sequence[str]) -> dict[str, Address]:
    """Return where the operator will listen, by flag; a server that is switched off ("0" or empty) is left out.

    Raises:
        RunError: A value is not HOST:PORT with a port from 1 to 65535.
    """
    values = {flag: flag_value(flags, flag) for flag in ADDRESS_FLAGS}
    return {flag: _parse(flag, value) for flag, value in values.items() if value not in {None, "", "0"}}


def _parse(flag: str, value: str | None) -> Address:
    host, colon, port = (value or "").rpartition(":")
    if not colon or not port.isdecimal() or not 0 < int(port) < 65536:
        raise RunError(
            f"--{flag}={value} is not HOST:PORT with a port from 1 to 65535: `make run` must know where to ask"
        )
    return Address(flag, host.strip("[]"), int(port))


def check_ports(wanted: Sequence[Address]) -> None:
    """Find out whether every address can be listened on.

    Raises:
        RunError: One cannot; the message names the flags that change it.
    """
    problems = []
    with contextlib.ExitStack() as sockets:  # held together, so that two flags with the same port are noticed too
        for address in wanted:
            try:
                sockets.enter_context(_listener(address))
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error
                place = f"{address.host or '*'}:{address.port}"
                problems.append(f"cannot listen on {place} ({reason}): pass another by ARGS=--{address.flag}=HOST:PORT")
    if problems:
        raise RunError("\n".join(problems))


def _listener(address: Address) -> socket.socket:
    where = (address.host or None, address.port)
    family, kind, protocol, _, target = socket.getaddrinfo(*where, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(target)
        listener.listen(1)
    except OSError:
        listener.close()
        raise
    return listener


@contextlib.contextmanager
def emptied(directory: Path) -> Iterator[Path]:
    """Empty a directory and keep it for this process until the end.

    Raises:
        RunError: Another process has it.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    with (directory / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RunError(
                f"another `make run` (process {lock.read().strip()}) uses {directory}: stop it first"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        for entry in directory.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != "lock":
                entry.unlink()
        yield directory


class Run:
    """One `make run`.

    Args:
        project: Root of the project's tree.
        arguments: The user's flags for the operator.
    """

    def __init__(self, project: Path, arguments: Sequence[str]) -> None:
        self._project = project
        self._arguments = arguments
        self._begin = time.monotonic()

    def until_stopped(self) -> None:
        """Start everything and watch it.

        Raises:
            StopRequested: A signal asked for the end, and everything has ended cleanly.
            RunError: Something cannot be started or stopped cleanly; the errors of envtest are raised too.
        """
        try:
            self._start_and_watch()
        except StopRequested:
            self._say("stopped")
            raise

    def _start_and_watch(self) -> None:
        kubeconfig = self._project / ".run" / "kubeconfig"
        flags = operator_flags(kubeconfig, self._arguments)
        where = addresses(flags)
        with contextlib.ExitStack() as stack:
            directory = stack.enter_context(emptied(kubeconfig.parent))
            check_ports(list(where.values()))
            options = ControlPlaneOptions(directory=directory, garbage_collection=True)
            self._say(f"starting {_SERVERS[options.server]} (data and logs: .run/)")
            plane = stack.enter_context(ControlPlane(options))
            self._say("installing the CRDs of config/crd/bases")
            plane.install_crds([self._project / "config" / "crd" / "bases"])
            operator = stack.enter_context(self._operator(plane, flags))
            self._say("applying config/samples")
            samples = self._apply_samples(plane)
            self._wait_until_ready(operator, plane, where)
            self._say("ready\n")
            print(self._description(plane, where, samples), flush=True)
            while True:
                for program in (operator, *plane.programs):
                    program.check()
                time.sleep(_WATCH_INTERVAL)

    @contextlib.contextmanager
    def _operator(self, plane: ControlPlane, flags: Sequence[str]) -> Iterator[ChildProcess]:
        program = self._project / ".venv" / "bin" / "boot-operator"
        if not program.is_file():
            raise RunError(f"{program} is missing: start this by `make run`, which installs it")
        self._say("starting boot-operator (log: .run/boot-operator.log)")
        log = self._project / ".run" / "boot-operator.log"
        operator = ChildProcess([program, *flags], log=log, directory=self._project)
        operator.start()
        try:
            yield operator
        except StopRequested:
            self._stop(operator, plane)
            raise
        finally:
            operator.stop(DRAIN_TIMEOUT)

    def _stop(self, operator: ChildProcess, plane: ControlPlane) -> None:
        self._say(f"stopping boot-operator, then {_SERVERS[plane.options.server]}")
        code = operator.stop(DRAIN_TIMEOUT)
        if code == -signal.SIGKILL:
            reason = f"boot-operator did not stop within {DRAIN_TIMEOUT:.0f} s and was killed"
            raise RunError(f"{reason}; {operator.quoted_log()}")
        if code != 0:
            raise RunError(f"boot-operator ended with exit code {code} when it was stopped; {operator.quoted_log()}")

    def _apply_samples(self, plane: ControlPlane) -> list[Manifest]:
        samples = self._project / "config" / "samples"
        manifests = [manifest for file in manifest_files(samples) for manifest in read_manifests(file)]
        # In a thread of its own: a signal's StopRequested, raised inside of an event loop, would be lost there.
        with ThreadPoolExecutor(max_workers=1) as thread:
            thread.submit(asyncio.run, _apply(plane.kubeconfig, manifests)).result()
        return manifests

    def _wait_until_ready(self, operator: ChildProcess, plane: ControlPlane, where: dict[str, Address]) -> None:
        probes = where.get("health-probe-bind-address")
        if probes is None:
            self._say("health probes are switched off: not waiting until boot-operator is ready")
            return
        self._say(f"waiting for {probes.url}/readyz")

        def ready() -> bool:
            for program in plane.programs:
                program.check()
            return answers_ok(probes.reachable_host, probes.port, "/readyz")

        operator.wait_until(ready, "become ready", time.monotonic() + READY_TIMEOUT)

    def _description(self, plane: ControlPlane, where: dict[str, Address], samples: Sequence[Manifest]) -> str:
        names = {"boot-server-address": "boot server", "image-proxy-server-address": "image proxy"}
        names |= {"health-probe-bind-address": "health probes", "metrics-bind-address": "metrics"}
        paths = {"health-probe-bind-address": "/readyz", "metrics-bind-address": "/metrics"}
        servers = [f"  {names[flag]:14} {address.url}{paths.get(flag, '')}" for flag, address in where.items()]
        boot = where.get("boot-server-address")
        machine = _a_machine(samples)
        asking = [f"  curl {boot.url}/{what}/{machine}" for what in ("ipxe", "ignition")] if boot else []
        kubectl = _kubectl()
        looking = [f"  {kubectl} get ipxebootconfigs,httpbootconfigs"] if kubectl else []
        return "\n".join(
            [
                *servers,
                f"  {'API server':14} {plane.url} (kubeconfig: .run/kubeconfig)",
                f"  {'logs':14} .run/boot-operator.log, .run/{_LOGS[plane.options.server]}",
                "",
                "Try in another terminal:",
                f"  export KUBECONFIG={shlex.quote(str(plane.kubeconfig))}",
                *looking,
                f"  .venv/bin/bootctl explain {machine}",
                *asking,
                "",
                "Stop with Ctrl-C.",
            ]
        )

    def _say(self, text: str) -> None:
        """Print a line of progress with the seconds since the start."""
        print(f"{time.monotonic() - self._begin:5.1f} s  {text}", flush=True)


async def _apply(kubeconfig: Path, manifests: Sequence[Manifest]) -> None:
    transport = AiohttpTransport(await load_config(str(kubeconfig)))
    try:
        applier = Applier(transport)
        for manifest in manifests:
            await applier.apply(manifest)
    finally:
        await transport.close()


def _a_machine(samples: Sequence[Manifest]) -> str:
    """A machine that has a configuration, for the user to ask for."""
    machines = [sample.body["spec"]["systemUUID"] for sample in samples if sample.key.kind == "IPXEBootConfig"]
    return min(machines, default="UUID")


def _kubectl() -> str:
    """The command that runs kubectl; empty where there is none."""
    if shutil.which("kubectl"):
        return "kubectl"
    try:
        return shlex.quote(str(find_asset("kubectl")))
    except AssetsMissingError:
        return ""


def stop_on_signals() -> None:
    """Turn the first signal that asks for the end into `StopRequested`; later ones must not disturb the stopping."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)

    def stop(number: int, _frame: FrameType | None) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise StopRequested(signal.Signals(number).name)

    for number in numbers:
        signal.signal(number, stop)


def end_with_make() -> None:
    """Have the kernel send SIGTERM when the `make` that started this process ends, however it does."""
    if "MAKELEVEL" not in os.environ:
        return
    parent = os.getppid()
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise RunError(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:
        raise StopRequested("make has ended")


def main() -> int:
    """Run until a signal; return the exit code."""
    try:
        stop_on_signals()
        end_with_make()
        Run(Path(__file__).resolve().parent.parent, sys.argv[1:]).until_stopped()
    except StopRequested:
        return 0
    except (ClientError, EnvtestError, ManifestError, OSError, RunError, UnknownKindError) as error:
        print(f"make run: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
