"""Objects in a directory: what was acknowledged is there after any end of the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from controller_runtime.envtest.apiserver.persistence import DataDirectoryError, SQLiteDisk
from tests.unit.envtest.apiserver.core.lab import CONFIGMAPS, CRD, GADGETS, Lab, configmap, gadget

ROOT = Path(__file__).parents[5]
WRITER = """
import sys
from pathlib import Path
from controller_runtime.envtest.apiserver.persistence import SQLiteDisk
from tests.unit.envtest.apiserver.core.lab import CONFIGMAPS, Lab, configmap
lab = Lab(SQLiteDisk(Path(sys.argv[1])))
number = 0
while True:
    lab.create(CONFIGMAPS, configmap(f"c{number}"))
    if number % 3 == 0:
        lab.json("DELETE", f"{CONFIGMAPS}/c{number}")
    print(number, flush=True)
    number += 1
"""


def test_a_new_process_finds_objects_kinds_and_revisions(tmp_path: Path) -> None:
    disk = SQLiteDisk(tmp_path / "data")
    lab = Lab(disk)
    lab.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", CRD)
    lab.create(GADGETS, gadget("a", size=1))
    lab.create(CONFIGMAPS, configmap("gone"))
    lab.json("DELETE", f"{CONFIGMAPS}/gone")
    before, revision = lab.json("GET", f"{GADGETS}/a"), lab.api.store.revision
    disk.close()
    again = Lab(SQLiteDisk(tmp_path / "data"))
    assert again.json("GET", f"{GADGETS}/a") == before
    assert again.json("GET", CONFIGMAPS)["items"] == []
    assert again.api.store.revision == revision
    assert int(again.create(CONFIGMAPS, configmap("next"))["metadata"]["resourceVersion"]) == revision + 1


def test_a_watch_from_before_the_restart_is_told_to_start_over(tmp_path: Path) -> None:
    disk = SQLiteDisk(tmp_path)
    lab = Lab(disk)
    created = lab.create(CONFIGMAPS, configmap("a"))
    lab.create(CONFIGMAPS, configmap("b"))
    disk.close()
    again = Lab(SQLiteDisk(tmp_path))
    assert int(created["metadata"]["resourceVersion"]) < again.api.store.oldest


def test_nothing_that_was_acknowledged_is_lost_by_a_kill(tmp_path: Path) -> None:
    """Six processes one after the other on the same data, each killed after another number of writes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for round_ in range(6):
        data = tmp_path / str(round_)
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(data)], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
        ) as process:
            assert process.stdout is not None
            acknowledged = -1
            for line in process.stdout:
                acknowledged = int(line)
                if acknowledged >= 20 + 17 * round_:
                    process.send_signal(signal.SIGKILL)
                    acknowledged = max([acknowledged, *map(int, process.stdout)])
                    break
        names = {item["metadata"]["name"] for item in Lab(SQLiteDisk(data)).json("GET", CONFIGMAPS)["items"]}
        expected = {f"c{number}" for number in range(acknowledged + 1) if number % 3}
        # One write may have been carried out and not yet acknowledged.
        assert expected <= names <= expected | {f"c{acknowledged + 1}"}


def test_a_directory_serves_one_process_at_a_time(tmp_path: Path) -> None:
    disk = SQLiteDisk(tmp_path)
    with pytest.raises(DataDirectoryError, match="another API server uses the data directory"):
        SQLiteDisk(tmp_path)
    disk.close()
    SQLiteDisk(tmp_path).close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"something else entirely, and quite long" * 100)
    with pytest.raises(DataDirectoryError, match=r"state\.db cannot be used"):
        SQLiteDisk(tmp_path)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataDirectoryError, match="cannot be used as the API server's data directory"):
        SQLiteDisk(tmp_path / "file" / "data")
