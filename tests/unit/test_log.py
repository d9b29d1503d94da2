"""Log lines of a configured process: one JSON object each, our own and those of other libraries alike."""

from __future__ import annotations

import importlib
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from controller_runtime import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where lines go; what was configured before is put back."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_our_lines_and_those_of_other_libraries_have_the_same_form(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    with structlog.contextvars.bound_contextvars(controller="config", reconcileID="1"):
        structlog.get_logger("ours").info("applied", name="a")
        logging.getLogger("theirs").warning("slow: %d s", 7)
    ours, theirs = lines(stream)
    assert ours.pop("ts").endswith("Z")
    assert theirs.pop("ts").endswith("Z")
    context = {"controller": "config", "reconcileID": "1"}
    assert ours == {"event": "applied", "level": "info", "logger": "ours", "name": "a", **context}
    assert theirs == {"event": "slow: 7 s", "level": "warning", "logger": "theirs", **context}


def test_an_exception_is_part_of_its_line(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    structlog.get_logger("ours").error("failed", exc_info=ValueError("broken"))
    (line,) = lines(stream)
    assert "ValueError: broken" in line["exception"]


def test_what_json_has_no_form_for_does_not_lose_the_line(stream: io.StringIO) -> None:
    log.configure(stream=stream)
    structlog.get_logger("ours").info("seen", what={1, 2}, body=b"\xff")
    (line,) = lines(stream)
    assert line["what"] == "{1, 2}"


def test_lower_levels_are_left_out(stream: io.StringIO) -> None:
    log.configure(level=logging.WARNING, stream=stream)
    structlog.get_logger("ours").info("unimportant")
    logging.getLogger("theirs").info("unimportant")
    assert lines(stream) == []


def test_text_for_a_terminal_has_the_same_facts(stream: io.StringIO) -> None:
    log.configure(json=False, stream=stream)
    structlog.get_logger("ours").info("applied", name="a")
    assert "applied" in stream.getvalue()
    assert "name=a" in stream.getvalue()


def test_a_traceback_shows_no_local_variables(stream: io.StringIO) -> None:
    """`rich`, which structlog uses where it is installed (here it is), would show them, content of Secrets included."""
    importlib.import_module("rich")
    log.configure(json=False, stream=stream)

    def fail(password: str) -> None:
        raise ValueError(len(password))

    try:
        fail("hunter2")
    except ValueError:
        structlog.get_logger("ours").exception("failed")
    assert "ValueError: 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue().replace('fail("hunter2")', "")
