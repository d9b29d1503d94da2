"""Child processes that end with their parent and can always be stopped, and ports that nobody else gets."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller_runtime.envtest import ProcessError
from controller_runtime.envtest.processes import ChildProcess, ReservedPort
from tests.integration.envtest.processes_of import Deaths

pytestmark = pytest.mark.integration

# Says that it is up, and waits for a signal.
WAIT = "import signal; print('up', flush=True); signal.pause()"


def deadline() -> float:
    return time.monotonic() + 30


def is_up(child: ChildProcess) -> bool:
    return "up\n" in child.log_since_start()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[ChildProcess]:
    process = ChildProcess([sys.executable, "-c", WAIT], log=tmp_path / "log")
    process.start()
    process.wait_until(lambda: is_up(process), "say that it is up", deadline())
    yield process
    process.kill()


def test_a_child_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    parent_code = (
        "import sys, signal\n"
        "from pathlib import Path\n"
        "from controller_runtime.envtest.processes import ChildProcess\n"
        f"child = ChildProcess([sys.executable, '-c', {WAIT!r}], log=Path(sys.argv[1]))\n"
        "child.start()\n"
        "print(child.pid, flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent_code, tmp_path / "log"], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        with Deaths([int(parent.stdout.readline())]) as child:
            parent.kill()
            child.wait()


def test_a_process_that_a_signal_ends_while_it_starts_its_first_child_does_end(tmp_path: Path) -> None:
    code = (
        "import signal, sys, threading\n"
        "from pathlib import Path\n"
        "from controller_runtime.envtest.processes import ChildProcess\n"
        "start = threading.Thread.start\n"
        "def interrupted(thread):\n"
        "    start(thread)\n"
        "    signal.raise_signal(signal.SIGTERM)\n"  # as one that comes at that moment
        "threading.Thread.start = interrupted\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        f"child = ChildProcess([sys.executable, '-c', {WAIT!r}], log=Path(sys.argv[1]))\n"
        "try:\n"
        "    child.start()\n"
        "finally:\n"
        "    child.kill()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path / "log"], timeout=30, check=False)
    assert ended.returncode == 3


def test_a_child_is_not_started_when_its_parent_has_ended_already() -> None:
    wrapper = Path(sys.modules[ChildProcess.__module__].__file__ or "").with_name("_exec_bound.py")
    nobody = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    done = subprocess.run(
        [sys.executable, "-I", "-S", wrapper, nobody.stdout.strip(), "/bin/true"], capture_output=True, check=False
    )
    assert done.returncode == 1
    assert b"has ended: not starting /bin/true" in done.stderr


def test_a_child_outlives_the_thread_that_started_it(tmp_path: Path) -> None:
    process = ChildProcess([sys.executable, "-c", WAIT], log=tmp_path / "log")
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    try:
        process.wait_until(lambda: is_up(process), "say that it is up", deadline())
    finally:
        process.kill()


def test_a_child_stops_though_its_parent_ignored_the_signals(tmp_path: Path) -> None:
    process = ChildProcess([sys.executable, "-c", WAIT], log=tmp_path / "log")
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        process.start()
        process.wait_until(lambda: is_up(process), "say that it is up", deadline())
        assert process.stop(timeout=30) == -signal.SIGTERM
    finally:
        process.kill()
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_child_has_a_session_of_its_own(child: ChildProcess) -> None:
    assert os.getsid(child.pid) == child.pid


def test_a_paused_child_can_be_stopped(child: ChildProcess) -> None:
    child.signal(signal.SIGSTOP)
    assert child.stop(timeout=30) == -signal.SIGTERM


def test_a_child_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAIT
    process = ChildProcess([sys.executable, "-c", stubborn], log=tmp_path / "log")
    process.start()
    process.wait_until(lambda: is_up(process), "say that it is up", deadline())
    assert process.stop(timeout=0) == -signal.SIGKILL
    assert not process.running


def test_a_child_starts_again_with_a_log_of_its_own(child: ChildProcess) -> None:
    child.kill()
    first = child.pid
    child.start()
    child.wait_until(lambda: is_up(child), "say that it is up", deadline())
    assert child.pid != first
    assert child.log_since_start() == "up\n"
    assert child.log.read_text() == "up\nup\n"


def test_a_running_child_is_not_started_twice(child: ChildProcess) -> None:
    with pytest.raises(ProcessError, match="is running already"):
        child.start()


def test_waiting_for_a_child_that_ended_quotes_the_end_of_its_log(tmp_path: Path) -> None:
    code = "for i in range(100): print('line', i)\nraise SystemExit(3)"
    process = ChildProcess([sys.executable, "-c", code], log=tmp_path / "log")
    process.start()
    with pytest.raises(ProcessError) as raised:
        process.wait_until(lambda: False, "become ready", deadline())
    message = str(raised.value)
    assert "ended with exit code 3" in message
    assert message.endswith("  line 98\n  line 99")
    assert "line 79" not in message


def test_waiting_for_a_killed_child_names_the_signal(child: ChildProcess) -> None:
    child.kill()
    with pytest.raises(ProcessError, match="was killed by SIGKILL"):
        child.check()


def test_waiting_past_the_deadline_says_what_did_not_happen(child: ChildProcess) -> None:
    with pytest.raises(ProcessError, match="did not become ready within 0 s"):
        child.wait_until(lambda: False, "become ready", deadline=time.monotonic())


def test_a_child_that_was_never_started_can_be_stopped_and_killed(tmp_path: Path) -> None:
    process = ChildProcess(["program"], log=tmp_path / "log")
    process.kill()
    assert process.stop(timeout=0) is None
    with pytest.raises(ProcessError, match="program was not started"):
        process.check()


def test_a_reserved_port_is_taken_for_everybody_but_those_who_share_it() -> None:
    port = ReservedPort()
    try:
        with pytest.raises(OSError, match="in use"):
            socket.create_server(("127.0.0.1", port.number))
        address = "127.0.0.1", port.number
        with socket.create_server(address, reuse_port=True) as owner, socket.create_connection(address) as client:
            connection, peer = owner.accept()
            connection.close()
            assert peer == client.getsockname()
    finally:
        port.close()


def test_a_reserved_port_refuses_connections_while_its_server_is_down() -> None:
    port = ReservedPort()
    try:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port.number))
    finally:
        port.close()
