"""Schemas of selectors, which several groups share."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    META,
    Schema,
    items,
    struct,
    text_map,
    text_or_zero,
    texts,
)


def _requirement(what: str) -> Schema:
    return struct(
        f"A condition on one {what}.",
        {
            "key": text_or_zero(f"The {what}."),
            "operator": text_or_zero("`In`, `NotIn`, `Exists` or `DoesNotExist`."),
            "values": texts("What `In` and `NotIn` compare with."),
        },
        required=("key", "operator"),
    )


COMPONENTS: Final[dict[str, Schema]] = {
    f"{META}.LabelSelector": struct(
        "Selects objects by their labels; all conditions have to be met.",
        {
            "matchExpressions": items(f"{META}.LabelSelectorRequirement", "Conditions."),
            "matchLabels": text_map("Labels with their values."),
        },
        atomic=True,
    ),
    f"{META}.LabelSelectorRequirement": _requirement("label"),
    f"{META}.FieldSelectorRequirement": _requirement("field"),
}
