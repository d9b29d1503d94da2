"""What holds for all tests."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator

import pytest

from controller_runtime.envtest import ControlPlaneOptions

_NO_KUBECTL = "/nowhere (to use kubectl, a test has the marker of that name)"
_left_out: dict[str, int] = {}


def pytest_addoption(parser: pytest.Parser) -> None:
    """For machines without kubectl."""
    parser.addoption(
        "--without-kubectl", action="store_true", help="leave out the tests marked kubectl, and say how many those are"
    )


def pytest_configure() -> None:
    """Says that there is no event loop but those that tests get.

    Otherwise pytest-asyncio, which asks for the current one in order to restore it, makes Python 3.11 create a loop
    that nobody closes, and the warning about that hits whatever test runs when it is collected.
    """
    asyncio.set_event_loop(None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what cannot run here; nothing is left out of a run on the real API server with kubectl."""
    without = []
    if config.getoption("--without-kubectl"):
        without.append("kubectl")
    if ControlPlaneOptions().server == "embedded":
        without.append("kubernetes")
    for marker in without:
        chosen = [item for item in items if item.get_closest_marker(marker)]
        if chosen:
            _left_out[marker] = len(chosen)
            config.hook.pytest_deselected(items=chosen)
            items[:] = [item for item in items if item not in chosen]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Names what was left out."""
    words = {"kubectl": "kubectl, which is not here", "kubernetes": "the real API server"}
    for marker, count in _left_out.items():
        terminalreporter.write_line(f"left out: {count} tests that need {words[marker]}; `make test-real` runs them")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Hides kubectl from integration tests that do not say that they use it: where it is missing, they would fail."""
    if item.get_closest_marker("kubectl") or "integration" not in item.path.parts:
        return (yield)
    before = os.environ.get("TEST_ASSET_KUBECTL")
    os.environ["TEST_ASSET_KUBECTL"] = _NO_KUBECTL
    try:
        return (yield)
    finally:
        if before is None:
            del os.environ["TEST_ASSET_KUBECTL"]
        else:
            os.environ["TEST_ASSET_KUBECTL"] = before
