"""A soak: an operator with two replicas on a real API server, through faults, for minutes.

    make soak                     # 10 minutes, 10,000 objects, 100,000 operations, a new seed
    make soak SECONDS=60 SEED=7   # a tenth of that

The **workload** writes to the API server as fast as a busy cluster does. Two **replicas** of an operator in this
process, one of which leads, reach the server through a fault proxy alone. The **weather** makes the proxy delay, cut,
mute and refuse, and restarts the leader. In the end the writes stop and the proxy is healed, and the **verdict**
compares all that the replicas know with what the API server says:

- every store holds what a fresh list holds, through selectors and transforms; so do indexes, and what handlers heard of
- no object was reconciled twice at once, by whatever worker, term or replica
- the last reconciliation of each object began after its last event; its result is there, and nothing is left to do
- nothing is left over: tasks, sockets, failures of rate limiters, waits; memory did not grow

Writes, faults and restarts come from one seed. What meets what is up to the clock, so a seed that failed fails again
probably, not surely.
"""
