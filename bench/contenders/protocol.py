"""What the contenders in Python share: arguments, lines on standard output, and the end."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading


def arguments() -> argparse.Namespace:
    """The command line: `mode`, `kubeconfig`, `objects` and `workers`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=("sync", "reconcile", "queue"), required=True)
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--objects", type=int, default=0, help="Widgets to be cached, or keys of the queue")
    parser.add_argument("--workers", type=int, default=1)
    return parser.parse_args()


def report(phase: str, **facts: float) -> None:
    """Writes the line of a phase that was reached."""
    sys.stdout.write(json.dumps({"phase": phase, **facts}) + "\n")
    sys.stdout.flush()


def end_with_standard_input() -> None:
    """Ends this process, at once, when its standard input is closed: by the driver, or by the driver's own end."""

    def wait() -> None:
        while os.read(sys.stdin.fileno(), 1):
            pass
        os._exit(0)

    threading.Thread(target=wait, name="standard-input", daemon=True).start()
