"""Runs the soak and says what came of it: status 1 if anything was wrong."""

from __future__ import annotations

import argparse
import logging
import random
import sys
import tempfile
from pathlib import Path

import uvloop

from controller_runtime import log
from controller_runtime.controllergen import custom_resource_definition, to_yaml
from controller_runtime.envtest import ControlPlane
from tests.soak.kinds import Widget
from tests.soak.soak import OPERATIONS, SECONDS, Outcome, plan_for, soak


def main() -> int:
    """Runs it on the API server that ENVTEST_SERVER names."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        help=f"how long others write; objects and operations ({OPERATIONS} in {SECONDS:.0f} s) are scaled by it",
    )
    parser.add_argument("--seed", type=int, default=None, help="of writes and faults (default: another one each time)")
    options = parser.parse_args()
    seed = random.randrange(1_000_000) if options.seed is None else options.seed
    print(f"soak: seed {seed}, {options.seconds:.0f} s", flush=True)
    lines = Path(tempfile.mkdtemp(prefix="soak-")) / "soak.log"
    with lines.open("w", encoding="utf-8") as stream:
        log.configure(level=logging.INFO, stream=stream)
        outcome = _run(options.seconds, seed)
    return _tell(outcome, seed, lines)


def _run(seconds: float, seed: int) -> Outcome:
    with ControlPlane() as plane, tempfile.TemporaryDirectory() as directory:
        definition = Path(directory) / "widgets.yaml"
        definition.write_text(to_yaml(custom_resource_definition(Widget)), encoding="utf-8")
        plane.install_crds([definition])
        return uvloop.run(soak(plane, plan_for(seconds), seed))


def _tell(outcome: Outcome, seed: int, lines: Path) -> int:
    print(outcome.tables)
    if not outcome.problems.count:
        lines.unlink()
        lines.parent.rmdir()
        print(f"soak: in order (seed {seed})")
        return 0
    print(f"soak: {outcome.problems.count} problems with seed {seed}; the log is {lines}; the first of them:")
    for text in outcome.problems.texts:
        print(f"  - {text}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
