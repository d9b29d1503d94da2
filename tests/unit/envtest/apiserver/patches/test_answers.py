"""What becomes of documents, compared with what kube-apiserver made of them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.builtin import COMPONENTS
from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.patches import json_patch, merge_patch, strategic_merge_patch
from tests.unit.envtest.apiserver.builtin.pipeline import KINDS

RECORDED = json.loads((Path(__file__).parent / "answers.json").read_text())


def patched(case: dict[str, Any], document: dict[str, Any], patch: Any) -> Any:
    match case["type"]:
        case "json":
            return json_patch(document, patch)
        case "merge":
            return merge_patch(document, patch)
        case _:
            schema = COMPONENTS[KINDS[case["document"].removeprefix("owned ")].component]
            return strategic_merge_patch(document, patch, schema, COMPONENTS)


def answer(case: dict[str, Any], document: dict[str, Any], patch: Any) -> dict[str, Any]:
    try:
        result = patched(case, document, patch)
    except StatusError as error:
        return {"code": error.code, "message": error.message}
    kind = KINDS[case["document"].removeprefix("owned ")]
    obj, _ = kind.coerce(result)
    kind.strategy.default(obj)
    metadata = {name: value for name, value in obj["metadata"].items() if name not in ("name", "namespace")}
    if kind.kind == "ConfigMap":
        return {"code": 200, "metadata": metadata, "data": obj.get("data", {})}
    spec = obj["spec"]
    return {
        "code": 200,
        "metadata": metadata,
        "ports": spec.get("ports", []),
        "selector": spec.get("selector", {}),
    }


@pytest.mark.parametrize(
    "case", RECORDED["cases"], ids=lambda case: f"{case['document']} {case['type']} {json.dumps(case['patch'])}"
)
def test_the_answer_is_the_api_servers(case: dict[str, Any]) -> None:
    document = RECORDED["documents"][case["document"]]
    before, patch = copy.deepcopy(document), copy.deepcopy(case["patch"])
    assert answer(case, document, patch) == case["answer"]
    assert document == before, "the document was changed"
    assert patch == case["patch"], "the patch was changed"
