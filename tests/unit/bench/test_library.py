"""What the library's benchmark asks for, and how it checks the answers."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import msgspec
import pytest
import yaml

from bench.contenders.queue_load import DUPLICATES
from bench.contenders.widget import Widget, WidgetStatus
from bench.go_program import SOURCES, cache_directory, required_version
from bench.library import CRD, Plan, parse
from bench.widgets import faults, is_right, widget
from controller_runtime.apimachinery import to_json_value


def patched(number: int, doubled: int, writes: int = 1) -> Widget:
    return msgspec.structs.replace(widget(number), status=WidgetStatus(doubled=doubled, writes=writes))


def test_a_widget_that_nobody_patched_is_not_right() -> None:
    assert not is_right(widget(1))
    assert is_right(patched(1, 2))


@pytest.mark.parametrize(
    ("seen", "changes", "fault"),
    [
        pytest.param(patched(3, 6), 1, None, id="right and once"),
        pytest.param(patched(3, 7), 1, "the status says 7, not 6", id="a wrong status"),
        pytest.param(patched(3, 6, 2), 1, "its status counts 2 writes", id="written twice, says the status"),
        pytest.param(patched(3, 6), 2, "it was changed 2 times", id="written twice, says the watch"),
        pytest.param(patched(3, 6), 0, "it was changed 0 times", id="not seen in the watch"),
    ],
)
def test_each_widget_has_to_be_right_and_written_once(seen: Widget, changes: int, fault: str | None) -> None:
    found = faults([seen], Counter({seen.metadata.name: changes}), 1)
    assert [fault in text for text in found] == [True] if fault else not found


def test_a_widget_too_few_is_a_fault() -> None:
    assert faults([patched(3, 6)], Counter({"widget-000003": 1}), 2) == ["1 Widgets are there, not 2"]


def test_the_crd_knows_every_field_of_the_type() -> None:
    crd = yaml.safe_load(CRD.read_text())
    (version,) = crd["spec"]["versions"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    written = to_json_value(patched(1, 2))
    for part in ("spec", "status"):
        assert written[part].keys() == properties[part]["properties"].keys()
    resource = Widget.resource
    assert (crd["spec"]["group"], version["name"]) == (resource.group, resource.version)
    assert (crd["spec"]["names"]["kind"], crd["spec"]["names"]["plural"]) == (resource.kind, resource.plural)


def test_both_queues_are_given_the_same_duplicates() -> None:
    assert f"const duplicates = {DUPLICATES}\n" in (SOURCES / "queue.go").read_text()


def test_the_goals_are_set_for_the_lines_that_are_printed() -> None:
    plan, contenders = parse(["--workers", "2", "--many", "50"])
    assert plan == Plan(few=1000, many=50, reconciles=1000, keys=20_000, workers=(2,), rounds=3)
    assert contenders == ["ours", "go", "kopf"]
    assert plan.goals().keys() == {"existing, 2 workers", "created, 2 workers", "start to 50 synced", "RSS, 50"}


@pytest.mark.parametrize(
    "go_mod",
    [
        pytest.param("module bench\n\nrequire (\n\ta.example/b v1.0.0\n\texample.com/x v0.25.2\n)\n", id="in a block"),
        pytest.param("module bench\n\nrequire example.com/x v0.25.2\n", id="on a line of its own"),
    ],
)
def test_the_version_of_a_module_is_found_in_go_mod(go_mod: str) -> None:
    assert required_version(go_mod, "example.com/x") == "v0.25.2"


def test_a_go_mod_without_the_module_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"requires no example\.com/x"):
        required_version("module bench\n\nrequire example.com/xy v0.25.2\n", "example.com/x")


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        pytest.param({"XDG_CACHE_HOME": "/var/cache"}, Path("/var/cache/controller-runtime-bench"), id="absolute"),
        pytest.param({"XDG_CACHE_HOME": "cache"}, Path.home() / ".cache/controller-runtime-bench", id="relative"),
        pytest.param({}, Path.home() / ".cache/controller-runtime-bench", id="unset"),
    ],
)
def test_the_cache_is_where_others_of_its_kind_are(environment: dict[str, str], directory: Path) -> None:
    assert cache_directory(environment) == directory
