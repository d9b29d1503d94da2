"""What the strategies make of objects, compared with what kube-apiserver made of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.envtest.apiserver.builtin import pipeline

CASES = json.loads((Path(__file__).parent / "answers.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"].encode("ascii", "replace").decode())
def test_the_answer_is_the_api_servers(case: dict[str, Any]) -> None:
    ours, real = pipeline.answer(case), dict(case["answer"])
    if len(real.get("causes", ())) > 1:
        # Go walks through maps in any order: the message follows from the causes.
        for each in (ours, real):
            each["causes"] = sorted(each["causes"], key=lambda cause: sorted(cause.items()))
            del each["message"]
    assert ours == real


@pytest.mark.parametrize(
    ("kind", "content", "field"),
    [
        pytest.param("secrets", {"data": {"x": "A" * (1024 * 1024 // 3 * 4 + 8)}}, "data", id="secret"),
        pytest.param(
            "configmaps", {"data": {"x": "a" * 1024 * 1024}, "binaryData": {"y": "eA=="}}, "[]", id="config map"
        ),
    ],
)
def test_data_has_at_most_a_megabyte(kind: str, content: dict[str, Any], field: str) -> None:
    answer = pipeline.answer({"kind": kind, "create": {"metadata": {"name": "x"}, **content}})
    assert answer["code"] == 422
    assert answer["causes"] == [
        {"reason": "FieldValueTooLong", "message": "Too long: may not be more than 1048576 bytes", "field": field}
    ]


def test_exactly_a_megabyte_of_data_is_allowed() -> None:
    content = {"data": {"x": "a" * 1024 * 1024}}
    assert pipeline.answer({"kind": "configmaps", "create": {"metadata": {"name": "x"}, **content}})["code"] == 201


def test_annotations_have_at_most_256_kilobytes() -> None:
    metadata = {"name": "x", "annotations": {"a": "b" * 256 * 1024}}
    (cause,) = pipeline.answer({"kind": "secrets", "create": {"metadata": metadata}})["causes"]
    assert cause["field"] == "metadata.annotations"
    assert cause["message"] == "Too long: may not be more than 262144 bytes"
