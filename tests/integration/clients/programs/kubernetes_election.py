"""Leader election of the package `kubernetes` by a Lease; says "leading" once it does, and leads until it is killed."""

import sys
import threading

from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock

namespace, identity = sys.argv[1:]
config.load_kube_config()


def lead() -> None:
    print(f"{identity} leads", flush=True)
    threading.Event().wait()


leaderelection.LeaderElection(
    electionconfig.Config(
        LeaseLock("election", namespace, identity),
        lease_duration=3,
        renew_deadline=2,
        retry_period=1,
        onstarted_leading=lead,
        onstopped_leading=lambda: print(f"{identity} lost", flush=True),
    )
).run()
