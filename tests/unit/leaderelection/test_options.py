"""Defaults and checks of the election's options."""

from __future__ import annotations

import re
import socket
import time
import uuid
from typing import Any

import pytest

from controller_runtime.leaderelection import LeaderElection, leader_clock


def test_times_are_controller_runtimes_by_default() -> None:
    options = LeaderElection(name="lock", namespace="lab")
    assert (options.lease_duration, options.renew_deadline, options.retry_period) == (15, 10, 2)
    assert options.release_on_cancel


def test_identity_is_the_host_name_and_a_fresh_uuid() -> None:
    first, second = (LeaderElection(name="lock", namespace="lab").identity for _ in range(2))
    host, _, unique = first.rpartition("_")
    assert host == socket.gethostname()
    assert str(uuid.UUID(unique)) == unique
    assert first != second


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param({"name": ""}, "needs the name of a Lease", id="no name"),
        pytest.param({"identity": ""}, "the identity is empty", id="no identity"),
        pytest.param({"namespace": ""}, "outside of a pod the namespace", id="no namespace and no pod"),
        pytest.param({"lease_duration": 0.5, "renew_deadline": 0.4}, "must be whole seconds", id="below a second"),
        pytest.param({"lease_duration": 15.5}, "must be whole seconds", id="half seconds"),
        pytest.param({"lease_duration": 10}, "must exceed renew deadline 10 s", id="duration equals deadline"),
        pytest.param({"retry_period": 0}, "retry period must exceed 0 s", id="no retry period"),
        pytest.param({"retry_period": 9}, "must exceed 1.2 times retry period 9 s", id="deadline within one jitter"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        LeaderElection(**{"name": "lock", "namespace": "lab", **options})


def test_leader_clock_counts_the_time_of_suspends() -> None:
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= leader_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_leader_clock_is_monotonic_where_there_is_no_boottime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    before = time.monotonic()
    assert before <= leader_clock() <= time.monotonic()
