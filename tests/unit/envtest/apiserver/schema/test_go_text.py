"""Values as Go prints them."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.schema.go_text import GoStruct, encoded, plain


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (100000.0, "100000"),
        (1000000.0, "1e+06"),
        (1234567.5, "1.2345675e+06"),
        (0.0001, "0.0001"),
        (1e-05, "1e-05"),
        (1e20, "1e+20"),
        (-0.5, "-0.5"),
        (2**53, "9007199254740992"),
        (None, "<nil>"),
        (["a", 1], "[a 1]"),
        (True, "true"),
    ],
)
def test_plain_is_what_fmt_prints(value: Any, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1e-6, "0.000001"),
        (1e-7, "1e-7"),
        ({"b": 1.0, "a": "<"}, '{"a":"\\u003c","b":1}'),
        (GoStruct(B=1, A=None), '{"B":1,"A":null}'),
    ],
)
def test_encoded_is_what_encoding_json_writes(value: Any, text: str) -> None:
    assert encoded(value) == text
