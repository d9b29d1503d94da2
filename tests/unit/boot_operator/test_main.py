"""What the program does before it parses or serves anything."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource
from boot_operator.__main__ import allow_many_files
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
_, HARD = resource.getrlimit(resource.RLIMIT_NOFILE)


@pytest.mark.skipif(0 <= HARD < 600, reason="needs to open some files")
@pytest.mark.parametrize(
    ("soft", "hard", "allowed"),
    [
        pytest.param(256, 512, "512 512", id="as many as it may"),
        pytest.param(512, 512, "512 512", id="no more than it may"),
    ],
)
def test_a_process_that_starts_with_few_files_takes_as_many_as_it_may(soft: int, hard: int, allowed: str) -> None:
    """Each machine is a connection; a rack has more of them than the usual soft limit of 1024 has room for."""
    command = [sys.executable, "-c", PROGRAM.format(soft=soft, hard=hard)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == allowed
