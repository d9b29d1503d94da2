"""Runs many seeds, as the nightly job does, and says how many and how fast."""

from __future__ import annotations

import argparse
import sys
import time

from tests.unit.leaderelection.simulation.world import LawBrokenError, Report, simulate

_MOST_FAILURES = 5


def main() -> int:
    """Runs the seeds; 1 if a law was broken, with the story of each."""
    parser = argparse.ArgumentParser(prog="simulate-election", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20_000, help="how many (default: %(default)s)")
    parser.add_argument("--start", type=int, default=0, help="the first one (default: %(default)s)")
    options = parser.parse_args()
    total, broken, began = Report(), list[int](), time.monotonic()
    runs = 0
    for seed in range(options.start, options.start + options.seeds):
        runs += 1
        try:
            total.add(simulate(seed))
        except LawBrokenError as error:
            print(error, flush=True)
            broken.append(seed)
            if len(broken) == _MOST_FAILURES:
                break
    print(_summary(total, runs, time.monotonic() - began))
    if broken:
        print(
            f"broken: {', '.join(map(str, broken))}; `make simulate-election SEEDS=1 START={broken[0]}` runs the first"
        )
    return 1 if broken else 0


def _summary(total: Report, runs: int, seconds: float) -> str:
    return (
        f"{runs} seeds in {seconds:.0f} s ({runs / seconds:.0f} a second): {total.seconds / 86400:.1f} days of virtual "
        f"time, {total.terms} terms, {total.releases} releases that were heard of, {total.lease_writes} writes of "
        f"leases, {total.leader_writes} of leaders"
    )


if __name__ == "__main__":
    sys.exit(main())
