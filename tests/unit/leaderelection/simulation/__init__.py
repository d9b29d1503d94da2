"""Whole elections on virtual time: replicas with clocks of their own, one Lease, and faults as a seed draws them.

Real are the elector, the lock, the watch and the client. The rest is made here and driven by one agenda (`World`):

- a loop per replica (`ProcessLoop`), whose time is a function of the one true time: clocks have rates and offsets.
- processes (`Process`) that are stopped while their clocks go on (SIGSTOP), suspended (CLOCK_BOOTTIME goes on, the
  loop's clock does not), killed, terminated and started anew. Wall clocks jump.
- a `Link` per replica, the client's Transport: requests and answers that are lost, slow, refused or carried out long
  after their sender has given up; partitions; connections that are hard to get; watches that break or die in silence.
- one API server (`ApiServer`) with the rules of resourceVersion, which is away, mute, or answers with errors.
- leader's work that writes all the time through the fence, hangs, returns early, runs into the fence, or will not end.

`Laws` judges by the true time and by what the server has accepted, never by what an elector believes. The same seed
gives the same run. Not modelled, because nothing is promised: paused virtual machines, clocks whose rates differ by
half, Leases edited or deleted by hand, and a process that is stopped between the fence's answer and the first byte.

    python -m tests.unit.leaderelection.simulation --seeds 20000
"""

from tests.unit.leaderelection.simulation.world import LawBrokenError, Report, World, simulate

__all__ = ["LawBrokenError", "Report", "World", "simulate"]
