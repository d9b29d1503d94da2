"""The queue between event handlers and workers: each key at most once, most urgent first, failures spaced out.

`PriorityQueue` promises:

- A key is in the queue at most once. Adding it again merges: the higher priority and the earlier ready time win.
- A key that was handed out is not handed out again before `done`. Adds in the meantime are kept for afterwards.
- Among the ready keys the highest priority goes first; within a priority, first come, first served.
- Nothing added before `shut_down` is lost, whoever waits in `get` or is cancelled there.

It does not promise fairness between priorities: there is no ageing, so low priorities may starve under steady load of
higher ones. All methods belong to one event loop and none of them may be called from another thread. Any room above
may use it; controllers do so for every reconciler.

The rules are those of controller-runtime's `pkg/controller/priorityqueue`.
"""

from controller_runtime.workqueue.priority_queue import LOW_PRIORITY, PriorityQueue, ShutDownError
from controller_runtime.workqueue.rate_limiter import (
    BucketRateLimiter,
    ItemExponentialFailureRateLimiter,
    MaxOfRateLimiter,
    RateLimiter,
    default_controller_rate_limiter,
)
from controller_runtime.workqueue.snapshot import ProcessingItem, QueueSnapshot, WaitingItem

__all__ = [
    "LOW_PRIORITY",
    "BucketRateLimiter",
    "ItemExponentialFailureRateLimiter",
    "MaxOfRateLimiter",
    "PriorityQueue",
    "ProcessingItem",
    "QueueSnapshot",
    "RateLimiter",
    "ShutDownError",
    "WaitingItem",
    "default_controller_rate_limiter",
]
