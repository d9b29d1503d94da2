"""Leader election on a `coordination.k8s.io/v1` Lease: of all replicas, one at a time may write.

Each replica runs a `LeaderElector`. It competes for the Lease, runs the leader's work while it holds it, and competes
again when it has lost it: a lost lease ends leadership, not the process.

Guarantees, as long as clocks run at about the same speed and no virtual machine is paused:

- At most one replica has a fence that is up. A leader counts its time from when its last successful renewal was *sent*
  (`renew_deadline`); the others count theirs from when they *saw* the record change (`lease_duration`, the longer one).
  Nobody compares wall clocks: the times in the Lease are for people.
- Leader's work is cancelled when that time is over, or at once when the Lease names somebody else. If it has not ended
  5 s later, `LeaderWorkStuckError` ends the process.
- There is a leader again `lease_duration + 2 * 2.2 * retry_period` after a leader has died, 23.8 s by default, counted
  from when the API server answers; and less than a second after a release, because candidates watch the Lease. A watch
  that is broken, forbidden, not supported or silent costs speed alone: they go on polling in any case.
- A replica that ends gives the Lease up once its work has ended, also a lease that it had lost and nobody has taken.
- `fence()` gives each write of the leader the time that is left; without leadership it refuses. Requests that were sent
  in time may still be carried out a little later: that margin is `lease_duration - renew_deadline`.

Assumptions and caveats: the fence goes by `CLOCK_BOOTTIME`, which goes on while a machine is suspended. A paused
virtual machine stops that clock too, and whoever wakes up in it believes for up to `renew_deadline` that it still
leads; the resourceVersion of its writes is then the only guard. Rates of clocks may differ by
`lease_duration / renew_deadline` (a half, by default). Whoever writes another holder, or none, into the Lease by hand
ends the leadership, but the leader notices it only at its next renewal: until then two may lead. A deleted Lease is
created anew by the leader, or after `lease_duration` by a candidate that had seen it; a candidate that starts in
between and never saw it cannot know.

The algorithm is that of client-go's `tools/leaderelection`. Differences: the watch, the fence, the deadline that counts
from the sending, whole seconds demanded of the lease duration, that a Lease which no longer names the leader ends its
leadership at once instead of at the deadline, and that a candidate waits for its own `lease_duration` at least, also
when the Lease is deleted.
"""

from controller_runtime.leaderelection.clock import leader_clock
from controller_runtime.leaderelection.elector import LeaderElector, LeaderWorkStuckError
from controller_runtime.leaderelection.options import LeaderElection

__all__ = ["LeaderElection", "LeaderElector", "LeaderWorkStuckError", "leader_clock"]
