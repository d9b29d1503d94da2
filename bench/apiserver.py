"""The embedded API server: how soon it is ready, and what 10,000 objects cost.

Prints the time from the start of its process to the first 200 of /readyz (the median of several starts), the time to
create the objects through our client, 16 requests in flight, to list them, and the server's memory. Goals: ready in
300 ms, 10,000 objects created in 20 s and listed in 1 s. Ends with status 1 where the list is not what was created.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from pathlib import Path

from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import ObjectMeta
from controller_runtime.client import AiohttpTransport, Client, load_config
from controller_runtime.envtest import ControlPlane, ControlPlaneOptions

STARTS = 7
IN_FLIGHT = 16


def ready_seconds(plane: ControlPlane) -> float:
    """How long the server of a control plane takes to come back after it was killed."""
    plane.kill_api_server()
    begin = time.monotonic()
    plane.start_api_server()
    return time.monotonic() - begin


async def create(client: Client, count: int) -> None:
    """Creates Secrets of 100 bytes."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            meta = ObjectMeta(namespace="default", name=f"secret-{number:06d}")
            await client.create(Secret(metadata=meta, data={"content": b"x" * 100}))

    await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))


async def measure(plane: ControlPlane, count: int) -> bool:
    """Prints what creating and listing takes; whether the list is what was created."""
    transport = AiohttpTransport(await load_config(str(plane.kubeconfig)))
    client = Client(transport)
    try:
        begin = time.monotonic()
        await create(client, count)
        print(f"{count} created                {time.monotonic() - begin:.2f} s (goal 20 for 10,000)")
        begin = time.monotonic()
        listed = await client.list(Secret, namespace="default")
        print(f"{count} listed and decoded     {time.monotonic() - begin:.3f} s (goal 1)")
    finally:
        await transport.close()
    return {item.metadata.name for item in listed.items} == {f"secret-{number:06d}" for number in range(count)}


def resident_megabytes(pid: int) -> float:
    """Memory of a process."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def main() -> int:
    """Returns 1 where the list is not what was created."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=10_000)
    arguments = parser.parse_args()
    with ControlPlane(ControlPlaneOptions(server="embedded")) as plane:
        starts = [ready_seconds(plane) for _ in range(STARTS)]
        print(f"process start to ready         {statistics.median(starts) * 1000:.0f} ms, {STARTS} starts from "
              f"{min(starts) * 1000:.0f} to {max(starts) * 1000:.0f} (goal 300)")  # fmt: skip
        print(f"resident memory, empty         {resident_megabytes(plane.programs[0].pid):.0f} MB")
        is_right = asyncio.run(measure(plane, arguments.objects))
        print(f"resident memory, full          {resident_megabytes(plane.programs[0].pid):.0f} MB")
        print(f"ready again with its data      {ready_seconds(plane) * 1000:.0f} ms")
    if not is_right:
        print("FAULT: the list is not what was created", file=sys.stderr)
    return 0 if is_right else 1


if __name__ == "__main__":
    sys.exit(main())
