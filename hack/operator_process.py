"""The operator as a whole process on free ports, for end-to-end tests, demos and benchmarks."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from controller_runtime.envtest.errors import ProcessError
from controller_runtime.envtest.processes import ChildProcess

PROGRAM = Path(__file__).parents[1] / ".venv" / "bin" / "boot-operator"
open_directly = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
"""urlopen for this machine's own servers, which no proxy that the environment names could reach."""

_ADDRESSES = ("boot-server", "image-proxy-server", "health-probe-bind", "metrics-bind")


class OperatorProcess:
    """Starts `boot-operator` on free loopback ports; a context manager that ends it with SIGTERM.

    Args:
        kubeconfig: how it reaches the API server.
        directory: takes its log, `boot-operator.log`.
        flags: added to its command line; the last one of a name wins.
    """

    def __init__(self, kubeconfig: Path, directory: Path, *flags: str) -> None:
        addresses = [f"--{name}-address=127.0.0.1:0" for name in _ADDRESSES]
        command: list[str | Path] = [
            PROGRAM,
            f"--kubeconfig={kubeconfig}",
            *addresses,
            "--metrics-secure=false",
            "--zap-encoder=json",
            *flags,
        ]
        self.process = ChildProcess(command, log=directory / "boot-operator.log")

    def __enter__(self) -> Self:
        self.process.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        code = self.process.stop(30)
        if error is None and code not in (0, None):
            raise ProcessError(
                f"boot-operator ended with exit code {code} when it was stopped; {self.process.quoted_log()}"
            )

    def log_lines(self) -> list[dict[str, Any]]:
        """What it has logged so far, one dict per line; text that is no JSON stands under `event`."""
        lines = []
        for line in self.process.log_since_start().splitlines():
            try:
                lines.append(json.loads(line))
            except json.JSONDecodeError:
                lines.append({"event": line, "level": "raw"})
        return lines

    def url(self, server: str = "boot-server") -> str:
        """Base URL of one of its servers, by the flag's name without `-address`; waits until it listens.

        Raises:
            ProcessError: it ended, or did not listen within 30 s.
        """
        found: list[str] = []

        def listening() -> bool:
            found[:] = [
                line["address"]
                for line in self.log_lines()
                if line["event"] == "listening" and f"--{server}-address" in line["purpose"]
            ]
            return bool(found)

        self.process.wait_until(listening, f"listen ({server})", time.monotonic() + 30)
        return f"http://{found[-1]}"

    def wait_ready(self, timeout: float = 60) -> None:
        """Waits until /readyz answers 200.

        Raises:
            ProcessError: it ended, or was not ready in time.
        """
        url = self.url("health-probe-bind") + "/readyz"
        self.process.wait_until(lambda: _status(url) == 200, "become ready", time.monotonic() + timeout, 0.01)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric that carry these labels."""
        with open_directly(self.url("metrics-bind") + "/metrics") as response:
            text = response.read().decode()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rpartition(" ")[2])
            for line in text.splitlines()
            if line.partition("{")[0].partition(" ")[0] == name and all(part in line for part in wanted)
        )

    def resident_megabytes(self) -> float:
        """Its resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))
        return int(kilobytes) / 1024


def _status(url: str) -> int:
    try:
        with open_directly(url, timeout=5) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
