"""Becomes another program that dies with the process which started this one, however that one ends.

Usage: `python -I -S _exec_bound.py PARENT_PID PROGRAM [ARGUMENT...]`. It runs as a file of its own, between fork and
exec, because the same calls in a `preexec_fn` are unsafe in a process that has threads.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> None:
    """Bind this process to its parent, clear inherited signal settings and run the program."""
    parent = int(sys.argv[1])
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl(PR_SET_PDEATHSIG) failed: {os.strerror(ctypes.get_errno())}")
    # The parent may have died before the call above took effect; then nobody would ever stop the program.
    if os.getppid() != parent:
        sys.exit(f"the parent process {parent} has ended: not starting {sys.argv[2]}")
    # A shell that starts a job in the background, and nohup, leave signals ignored; the program must be stoppable.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - no shell is wanted


main()
