"""The contenders of `bench.library`: the same work on this library, on Go's controller-runtime and on kopf.

Each is a program with the flags `--mode --kubeconfig --objects --workers`. It prints one line of JSON for what
it has reached, and ends when its standard input is closed. The driver measures time, CPU and memory from outside.

- `--mode sync`: caches all Widgets (there are `objects`), without a controller. Line: `synced`, with the number of
  `objects` that the cache holds.
- `--mode reconcile`: for each Widget whose `status.doubled` is not twice its `spec.number`, one patch of the status
  that sets it and counts `status.writes` up; `workers` at once. No line: the driver sees the patches in its own watch.
- `--mode queue`: no API server; `objects` keys pass through the work queue to `workers`. A line for each way to add
  them, with `operations` (adds, gets and dones), `seconds`, `gets` and `most` (how often one key was handed out).
"""
