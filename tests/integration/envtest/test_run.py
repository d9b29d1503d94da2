"""`make run` with a stand-in for the operator: order, signals, and what is left when something dies."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from controller_runtime.envtest import ControlPlaneOptions
from tests.integration.envtest.processes_of import ENDING_TIMEOUT, Deaths, children

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
REAL = ControlPlaneOptions().server == "kubernetes"
API_SERVER = "kube-apiserver" if REAL else Path(sys.executable).name
"""The name of its process."""
SERVERS = {API_SERVER, "boot-operator"} | ({"etcd", "kube-controller-manager"} if REAL else set())

# Serves /readyz, says what it was started with, and ends as its environment tells it to.
OPERATOR = """\
#!{python}
import http.server, os, pathlib, signal, sys

def value(name):
    return [word.partition("=")[2] for word in sys.argv if word.startswith(name + "=")][-1]

def stop(number, frame):
    print("drained", flush=True)
    sys.exit(int(os.environ.get("STOP_CODE", "0")))

class Probe(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if "CRASH" in os.environ:
            print("out of cheese", flush=True)
            os._exit(7)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments):
        pass

signal.signal(signal.SIGTERM, stop)
mode = pathlib.Path(value("--kubeconfig")).stat().st_mode & 0o777
pathlib.Path(sys.argv[0]).with_name("started").write_text(oct(mode))
pathlib.Path("/proc/self/comm").write_text("boot-operator")
host, _, port = value("--health-probe-bind-address").rpartition(":")
http.server.HTTPServer((host, int(port)), Probe).serve_forever()
"""

MAKEFILE = "run:\n\t@exec {python} hack/run.py $(ARGS)\n"


@pytest.fixture(scope="module")
def host() -> str:
    """Return a loopback address that nobody else on this machine listens on."""
    return f"127.{secrets.randbelow(200) + 20}.{secrets.randbelow(256)}.{secrets.randbelow(254) + 1}"


@pytest.fixture
def flags(host: str) -> list[str]:
    """Return the operator's address flags, with free ports of that address."""
    names = ("boot-server-address", "image-proxy-server-address", "health-probe-bind-address", "metrics-bind-address")
    with ExitStack() as stack:
        sockets = {name: stack.enter_context(socket.create_server((host, 0))) for name in names}
        return [f"--{name}={host}:{each.getsockname()[1]}" for name, each in sockets.items()]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the root of a tree with what `make run` needs of the project, and a stand-in for the operator."""
    root = tmp_path / "a checkout"
    for part in ("config/crd", "config/samples"):
        shutil.copytree(ROOT / part, root / part)
    (root / "hack").mkdir()
    shutil.copy(ROOT / "hack" / "run.py", root / "hack")
    (root / ".venv" / "bin").mkdir(parents=True)
    operator = root / ".venv" / "bin" / "boot-operator"
    operator.write_text(OPERATOR.format(python=sys.executable))
    operator.chmod(0o755)
    (root / "Makefile").write_text(MAKEFILE.format(python=sys.executable))
    return root


class Run:
    """A `make run` under test.

    Args:
        command: What starts it, in the project's directory.
        project: From the fixture.
        environment: Added to this process's own.
    """

    def __init__(self, command: list[str], project: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until_ready(self) -> list[str]:
        """Return the lines up to the last one of the instructions."""
        assert self.process.stdout
        lines = []
        for line in self.process.stdout:
            lines.append(line.rstrip())
            if line.startswith("Stop with"):
                return lines
        raise AssertionError(f"it ended before it was ready: {lines} {self.process.communicate()[1]}")

    def end(self) -> tuple[int, str, str]:
        """Wait for its end and return its exit code, the rest of its output, and its errors."""
        output, errors = self.process.communicate(timeout=2 * ENDING_TIMEOUT)
        return self.process.returncode, output, errors


@pytest.fixture
def start(project: Path) -> Iterator[Callable[..., Run]]:
    """Yield a function that runs a command in the project; what still runs at the end is killed."""
    runs: list[Run] = []

    def run(*command: str, **environment: str) -> Run:
        runs.append(Run(list(command), project, environment))
        return runs[-1]

    yield run
    for each in runs:
        each.process.kill()
        each.process.communicate()


def pids_of(run: Run) -> list[int]:
    """The servers that it started, all of which are running."""
    found = children(run.process.pid)
    # The kernel keeps 15 characters of a name.
    assert {name[:15] for name in SERVERS} == set(found.values())
    return list(found)


def test_everything_starts_clean_and_says_where_it_is(
    start: Callable[..., Run], project: Path, flags: list[str]
) -> None:
    (project / ".run" / "data").mkdir(parents=True)
    (project / ".run" / "data" / "stale").touch()
    run = start(sys.executable, "hack/run.py", *flags)
    lines = "\n".join(run.until_ready())
    assert not (project / ".run" / "data" / "stale").exists()
    assert (project / ".venv" / "bin" / "started").read_text() == "0o600"
    boot = flags[0].partition("=")[2]
    assert f"curl http://{boot}/ipxe/11111111-1111-1111-1111-111111111111" in lines
    assert f"export KUBECONFIG='{project}/.run/kubeconfig'" in lines
    for flag in flags:
        assert f"http://{flag.partition('=')[2]}" in lines

    second = start(sys.executable, "hack/run.py", *flags)
    code, _, errors = second.end()
    assert code == 1
    assert f"another `make run` (process {run.process.pid}) uses {project}/.run: stop it first" in errors


@pytest.mark.parametrize(
    ("ignored", "number"),
    [
        pytest.param("trap '' INT TERM; ", signal.SIGINT, id="Ctrl-C, started in the background of a shell"),
        pytest.param("", signal.SIGTERM, id="termination"),
        pytest.param("", signal.SIGHUP, id="the terminal is closed"),
    ],
)
def test_a_signal_stops_the_operator_first_and_ends_well(
    ignored: str, number: signal.Signals, start: Callable[..., Run], project: Path, flags: list[str]
) -> None:
    run = start("sh", "-c", f'{ignored}exec "$@"', "sh", sys.executable, "hack/run.py", *flags)
    run.until_ready()
    with Deaths(pids_of(run)) as servers:
        run.process.send_signal(number)
        code, output, errors = run.end()
        servers.wait()
    assert (code, errors) == (0, "")
    assert "stopping boot-operator" in output
    assert (project / ".run" / "boot-operator.log").read_text() == "drained\n"
    if REAL:
        assert '"received signal; shutting down"' in (project / ".run" / "etcd.log").read_text()


def test_a_signal_during_the_start_ends_well(start: Callable[..., Run], flags: list[str]) -> None:
    run = start(sys.executable, "hack/run.py", *flags)
    assert run.process.stdout
    assert "starting " in run.process.stdout.readline()
    run.process.send_signal(signal.SIGTERM)
    code, _, errors = run.end()
    assert (code, errors) == (0, "")


def test_everything_ends_when_it_is_killed(start: Callable[..., Run], flags: list[str]) -> None:
    run = start(sys.executable, "hack/run.py", *flags)
    run.until_ready()
    with Deaths(pids_of(run)) as servers:
        run.process.kill()
        servers.wait()


def test_everything_ends_when_make_is_killed(start: Callable[..., Run], project: Path, flags: list[str]) -> None:
    make = start("make", "run", f"ARGS={' '.join(flags)}")
    make.until_ready()
    (run,) = children(make.process.pid)
    with Deaths([run, *children(run)]) as everything:
        make.process.kill()
        everything.wait()
    assert (project / ".run" / "boot-operator.log").read_text() == "drained\n"


def test_an_operator_that_dies_is_quoted(start: Callable[..., Run], flags: list[str]) -> None:
    run = start(sys.executable, "hack/run.py", *flags, CRASH="1")
    code, _, errors = run.end()
    assert code == 1
    assert "make run: boot-operator ended with exit code 7" in errors
    assert errors.endswith("  out of cheese\n")


def test_an_api_server_that_dies_is_quoted(start: Callable[..., Run], flags: list[str]) -> None:
    run = start(sys.executable, "hack/run.py", *flags)
    run.until_ready()
    with Deaths(pids_of(run)) as servers:
        (server,) = [pid for pid, name in children(run.process.pid).items() if name == API_SERVER[:15]]
        os.kill(server, signal.SIGKILL)
        code, _, errors = run.end()
        servers.wait()
    assert code == 1
    assert f"make run: {'kube-apiserver' if REAL else 'apiserver'} was killed by SIGKILL;" in errors


@pytest.mark.parametrize("kubectl", [pytest.param(True, id="kubectl is there"), pytest.param(False, id="is not")])
def test_what_there_is_to_try_can_be_tried(
    kubectl: bool, start: Callable[..., Run], project: Path, tmp_path: Path, flags: list[str]
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    if kubectl:
        (programs / "kubectl").touch(mode=0o755)
    lines = start(sys.executable, "hack/run.py", *flags, PATH=str(programs)).until_ready()
    assert ("  kubectl get ipxebootconfigs,httpbootconfigs" in lines) is kubectl
    assert [line for line in lines if "kubectl get" in line] == ["  kubectl get ipxebootconfigs,httpbootconfigs"][
        :kubectl
    ]
    assert "  .venv/bin/bootctl explain 11111111-1111-1111-1111-111111111111" in lines


def test_an_operator_that_does_not_stop_cleanly_is_a_failure(start: Callable[..., Run], flags: list[str]) -> None:
    run = start(sys.executable, "hack/run.py", *flags, STOP_CODE="9")
    run.until_ready()
    run.process.send_signal(signal.SIGINT)
    code, _, errors = run.end()
    assert code == 1
    assert "boot-operator ended with exit code 9 when it was stopped" in errors


def test_a_taken_port_is_said_before_anything_is_started(
    start: Callable[..., Run], project: Path, flags: list[str]
) -> None:
    host, _, port = flags[2].partition("=")[2].rpartition(":")
    with socket.create_server((host, int(port))):
        code, output, errors = start(sys.executable, "hack/run.py", *flags).end()
    assert (code, output) == (1, "")
    reason = f"cannot listen on {host}:{port} (Address already in use)"
    assert errors == f"make run: {reason}: pass another by ARGS=--health-probe-bind-address=HOST:PORT\n"
    assert [path.name for path in (project / ".run").iterdir()] == ["lock"]


def test_two_servers_on_one_port_are_said_before_anything_is_started(
    start: Callable[..., Run], flags: list[str]
) -> None:
    boot = flags[0].partition("=")[2]
    run = start(sys.executable, "hack/run.py", *flags, f"--image-proxy-server-address={boot}")
    code, _, errors = run.end()
    assert code == 1
    assert f"cannot listen on {boot} (Address already in use): pass another by ARGS=--image-proxy" in errors
