"""How values stand in messages."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.validation.fields import invalid, quoted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", '"plain"'),
        ('a"b\\', '"a\\"b\\\\"'),
        ("\n\t\x00\x7f", '"\\n\\t\\x00\\x7f"'),
        ("é\u200b\U000e0001", '"é\\u200b\\U000e0001"'),
    ],
)
def test_strings_are_quoted_as_go_quotes_them(text: str, shown: str) -> None:
    assert quoted(text) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(["a", "<b>"], '["a","\\u003cb\\u003e"]'), (3, "3"), (True, "true"), (None, "null"), ({"A": ""}, '{"A":""}')],
)
def test_other_values_are_json(value: Any, shown: str) -> None:
    assert invalid("f", value, "why").message == f"Invalid value: {shown}: why"
