"""Bodies of requests: values, duplicate fields, malformed texts."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.envtest.apiserver.decode import (
    MAX_DEPTH,
    DecodeError,
    decode,
    missing_kind,
    refusal,
    strict_error,
    type_meta,
)
from controller_runtime.envtest.apiserver.json_scanner import syntax_error

VALUES = [
    pytest.param(b'{"a":1,"b":1.5,"c":-0}', {"a": 1, "b": 1.5, "c": 0}, id="numbers"),
    pytest.param(b'{"A":1,"a":2}', {"A": 1, "a": 2}, id="case matters"),
    pytest.param(b"12345678901234567890", 12345678901234567890.0, id="integers beyond 64 bits are floats"),
    pytest.param(b'"\\ud800"', "\ufffd", id="half a surrogate pair"),
    pytest.param(b'"\xff"', "\ufffd", id="bytes that are no UTF-8"),
]
SYNTAX_ERRORS = [
    pytest.param(b"", "unexpected end of JSON input", id="empty"),
    pytest.param(b'{"a":1', "unexpected end of JSON input", id="not closed"),
    pytest.param(b"nul", "invalid character ' ' in literal null (expecting 'l')", id="literal cut off"),
    pytest.param(b"nulx", "invalid character 'x' in literal null (expecting 'l')", id="literal"),
    pytest.param(b'{"a":1,}', "invalid character '}' looking for beginning of object key string", id="comma"),
    pytest.param(b"[1,]", "invalid character ']' looking for beginning of value", id="comma in a list"),
    pytest.param(b"{'a':1}", r"invalid character '\'' looking for beginning of object key string", id="quotes"),
    pytest.param(b'{"a":01}', "invalid character '1' after object key:value pair", id="leading zero"),
    pytest.param(b"[1 2]", "invalid character '2' after array element", id="no comma"),
    pytest.param(b'{"a" 1}', "invalid character '1' after object key", id="no colon"),
    pytest.param(b"-x", "invalid character 'x' in numeric literal", id="minus"),
    pytest.param(b"1.}", "invalid character '}' after decimal point in numeric literal", id="point"),
    pytest.param(b"1e}", "invalid character '}' in exponent of numeric literal", id="exponent"),
    pytest.param(b'"\x01"', r"invalid character '\x01' in string literal", id="control character"),
    pytest.param(rb'"\x"', "invalid character 'x' in string escape code", id="escape"),
    pytest.param(rb'"\u12G4"', r"invalid character 'G' in \u hexadecimal character escape", id="code"),
    pytest.param(b"{} x", "invalid character 'x' after top-level value", id="more"),
    pytest.param(b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value", id="byte order mark"),
]
DUPLICATES = [
    pytest.param(b'{"a":1,"b":2}', [], id="none"),
    pytest.param(b'{"a":1,"a":2}', ["a"], id="at the root"),
    pytest.param(b'{"a":{"b":1,"b":2},"c":[{"d":1,"d":1}]}', ["a.b", "c[0].d"], id="inside, in their order"),
    pytest.param(b'{"a":{"b":1,"b":2},"a":{}}', ["a.b", "a"], id="also in what is overwritten"),
    pytest.param(b'{"a" :1,"a":2}', ["a"], id="with a space before the colon"),
    pytest.param(b'{"a":1,"a":1,"a":1}', ["a"], id="said once"),
    pytest.param(b'{"a":"\\":","b":1}', [], id="a colon in a text is none"),
]


@pytest.mark.parametrize(("body", "value"), VALUES)
def test_values_are_gos(body: bytes, value: Any) -> None:
    decoded, _ = decode(body)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(("body", "error"), SYNTAX_ERRORS)
def test_syntax_errors_have_gos_texts(body: bytes, error: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(body)
    assert str(caught.value) == f"couldn't get version/kind; json parse error: {error}"


@given(st.binary(max_size=12) | st.text('{}[]",:\\utrfn019eE.+- \n', max_size=12).map(str.encode))
def test_the_scanner_takes_what_is_json(body: bytes) -> None:
    try:
        json.loads(body.decode(), parse_constant=lambda name: pytest.fail(name) if name == "" else 1 / 0)
    except (ValueError, ZeroDivisionError, UnicodeDecodeError):
        valid = False
    else:
        valid = True
    if body.isascii():
        assert (syntax_error(body) is None) == valid


@pytest.mark.parametrize(("body", "paths"), DUPLICATES)
def test_fields_that_are_there_twice_are_named(body: bytes, paths: list[str]) -> None:
    assert decode(body, strict=True)[1] == [f'duplicate field "{path}"' for path in paths]
    assert decode(body)[1] == []


def test_numbers_that_no_float_holds_are_refused_once_the_kind_is_known() -> None:
    with pytest.raises(DecodeError) as caught:
        decode(b'{"apiVersion":"v1","kind":"X","n":1e400}')
    assert str(caught.value) == "json: cannot unmarshal number 1e400 into Go value of type float64"
    assert caught.value.type_meta == ("v1", "X")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 900, 5_000, 10_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_values_that_are_nested_too_deep_are_refused(depth: int, opening: bytes, closing: bytes) -> None:
    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode(opening * depth + b"1" + closing * depth, strict=True)


def test_values_may_be_nested_as_deep_as_the_limit() -> None:
    assert decode(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, strict=True)[1] == []


def test_what_an_object_is_must_be_text() -> None:
    assert type_meta({"apiVersion": "v1", "kind": "X"}) == ("v1", "X")
    assert type_meta(None) == ("", "")
    for value, text in [
        ([], "cannot unmarshal array into Go value of type struct { APIVersion string"),
        ({"kind": 1}, "cannot unmarshal number into Go struct field .kind of type string"),
        ({"apiVersion": "a/b/c"}, "unexpected GroupVersion string: a/b/c"),
    ]:
        with pytest.raises(DecodeError) as caught:
            type_meta(value)
        assert text in str(caught.value)


def test_refusals_say_what_was_expected_and_begin_of_what_came() -> None:
    body = b'{"apiVersion":"v1","something":1}'
    assert refusal("Pod", str(missing_kind(b"{}")), b"{}").message == (
        "the object provided is unrecognized (must be of type Pod): Object 'Kind' is missing in '{}' ({})"
    )
    assert refusal("Pod", "x", body).message.endswith('({"apiVersion":"v1","something" ...)')
    assert refusal("Pod", "x", b"[]").message.endswith("(5b5d)")
    assert refusal("Pod", "x", b"").message.endswith("(<empty>)")
    assert refusal("Pod", strict_error(["a", "b"]), body, ("apps/v1", "Pod")).message == (
        'Pod in version "v1" cannot be handled as a Pod: strict decoding error: a, b'
    )
