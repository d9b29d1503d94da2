"""Child processes that never outlive this one, and ports that stay theirs.

Guarantees: a child dies when this process does, `kill -9` included; it has a session of its own, so a Ctrl-C in the
terminal reaches this process alone and the order of stopping stays ours; it inherits no ignored signals; what it prints
goes to a file. Linux only (prctl).
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from controller_runtime.envtest.errors import ProcessError

_EXEC_BOUND = Path(__file__).with_name("_exec_bound.py")

# The kernel ties a child's life to the THREAD that forked it. This one forks for everybody and ends with the process.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="child-process-spawner")


@contextlib.contextmanager
def _signals_wait() -> Iterator[None]:
    """Keeps signals from this thread and from those that it starts.

    A handler that raises while the spawner's thread starts would leave one that nobody knows of, and that the exit of
    the process waits for.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


class ChildProcess:
    """One program, which can be stopped and started again with the same arguments.

    Args:
        arguments: The program's path, and its arguments.
        log: File that its standard output and error are appended to.
        environment: Its whole environment; None hands on this process's own.
        directory: Its working directory; None keeps this process's own.
        name: What it is called in messages; by default the program's own name.
    """

    def __init__(
        self,
        arguments: Sequence[str | Path],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        name: str = "",
    ) -> None:
        self.name = name or Path(arguments[0]).name
        self.log = log
        self._arguments = [str(argument) for argument in arguments]
        self._environment = environment
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def pid(self) -> int:
        """Its process id.

        Raises:
            ProcessError: It was never started.
        """
        return self._started().pid

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the program.

        Raises:
            ProcessError: It is running already.
            OSError: The log cannot be written.
        """
        if self.running:
            raise ProcessError(f"{self.name} (pid {self.pid}) is running already: stop it before starting it again")
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            command = [sys.executable, "-I", "-S", str(_EXEC_BOUND), str(os.getpid()), *self._arguments]

            def spawn() -> subprocess.Popen[bytes]:
                return subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=self._environment,
                    cwd=self._directory,
                    start_new_session=True,
                )

            with _signals_wait():
                spawned = _spawner.submit(spawn)
                try:
                    self._process = spawned.result()
                except BaseException:
                    # Another thread may have taken the signal whose handler raises here: what was started is ours.
                    if spawned.exception() is None:
                        self._process = spawned.result()
                    raise

    def signal(self, number: int) -> None:
        """Send a signal; nothing happens if the program has ended.

        Raises:
            ProcessError: It was never started.
        """
        self._started().send_signal(number)

    def kill(self) -> None:
        """End the program at once (SIGKILL) and wait until it is gone; nothing happens if it was never started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout: float) -> int | None:
        """Ask the program to end (SIGTERM) and kill it if it has not after `timeout` seconds.

        Returns:
            Its exit code (negative: the signal that ended it), None if it was never started.
        """
        if self._process is None:
            return None
        # A paused program would sleep on the other signal.
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return self._process.returncode

    def wait_until(self, condition: Callable[[], bool], what: str, deadline: float, interval: float = 0.05) -> None:
        """Wait until a condition holds.

        Args:
            condition: Asked every `interval` seconds.
            what: Completes the sentence "NAME did not ...".
            deadline: `time.monotonic()` at which to give up.
            interval: Seconds between two questions.

        Raises:
            ProcessError: The program ended, or the deadline passed; the message has the end of its log.
        """
        begin = time.monotonic()
        while not condition():
            self.check()
            if time.monotonic() >= deadline:
                waited = time.monotonic() - begin
                raise ProcessError(f"{self.name} did not {what} within {waited:.0f} s; {self.quoted_log()}")
            time.sleep(interval)

    def check(self) -> None:
        """Do nothing if the program runs.

        Raises:
            ProcessError: It ended; the message has its exit code and the end of its log.
        """
        code = self._started().poll()
        if code is not None:
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
            raise ProcessError(f"{self.name} {how}; {self.quoted_log()}")

    def log_tail(self, lines: int = 20) -> list[str]:
        """Return the last lines that the program printed since its last start."""
        return self.log_since_start().splitlines()[-lines:]

    def log_since_start(self) -> str:
        """Return all that the program printed since its last start."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    def quoted_log(self) -> str:
        """Return the end of the log as the second half of an error message."""
        tail = self.log_tail()
        if not tail:
            return f"it printed nothing ({self.log})"
        return f"the end of {self.log}:\n" + "\n".join(f"  {line}" for line in tail)

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise ProcessError(f"{self.name} was not started")
        return self._process


class ReservedPort:
    """A port on 127.0.0.1 that is kept for one program, also while that program is not running.

    A socket holds it with SO_REUSEPORT without listening. The program must bind with the same option
    (kube-apiserver `--permit-port-sharing`, etcd `--socket-reuse-port`); anybody else finds the port taken, and the
    kernel gives it to nobody, so a server that is restarted finds its port free.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Give the port back; closing twice does no harm."""
        self._socket.close()
