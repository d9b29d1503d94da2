"""YAML as the API server's library reads it."""

from __future__ import annotations

from typing import Any

import pytest

from controller_runtime.envtest.apiserver.decode import DecodeError, decode

SCALARS = [
    ("yes", True),
    ("y", True),
    ("Off", False),
    ("tRUE", "tRUE"),
    ("~", None),
    ("", None),
    ("0x1F", 31),
    ("017", 15),
    ("0o17", 15),
    ("0b11", 3),
    ("1_000", 1000),
    ("08", 8),
    (".5", 0.5),
    ("1.", 1),
    ("1e3", 1000),
    ("190:20:30", "190:20:30"),
    ("2024-01-01", "2024-01-01"),
    ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
    ("'1'", "1"),
    ('"yes"', "yes"),
    ("!!str 1", "1"),
    ("!!int '3'", 3),
    ("!!float 1", 1),
    ("!foo x", "x"),
    ("!!binary aGk=", "hi"),
]
ERRORS = [
    ("a: b: c", "yaml: mapping values are not allowed in this context"),
    ("a: [", "yaml: line 1: did not find expected node content"),
    ("a:\n- b\n c: d", "yaml: line 3: mapping values are not allowed in this context"),
    ("\t- a", "yaml: found character that cannot start any token"),
    ('a: "x', "yaml: found unexpected end of stream"),
    ("a: *b", "yaml: unknown anchor 'b' referenced"),
    ("a: &a [*a]", "yaml: anchor 'a' value contains itself"),
    ("[1]: 2", "yaml: invalid map key: []interface {}{1}"),
    ("~: 2", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 2"),
    ("a: .inf", "json: unsupported value: +Inf"),
    ("a: .nan", "json: unsupported value: NaN"),
    ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
]


def read(text: str, *, strict: bool = False) -> tuple[Any, list[str]]:
    return decode(text.encode(), "application/yaml; charset=utf-8", strict=strict)


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars_are_go_yamls(text: str, value: Any) -> None:
    assert read(f"v: {text}\n")[0] == {"v": value}


@pytest.mark.parametrize(("text", "error"), ERRORS)
def test_errors_have_go_yamls_texts(text: str, error: str) -> None:
    with pytest.raises(DecodeError) as caught:
        read(text)
    assert str(caught.value) == error


def test_keys_become_text() -> None:
    assert read("{1: a, true: b, 1.5: c, y: d}")[0] == {"1": "a", "true": "d", "1.5": "c"}


def test_maps_merge() -> None:
    assert read("a: {<<: {b: 1, c: 1}, c: 2}")[0] == {"a": {"b": 1, "c": 2}}


def test_only_the_first_document_counts() -> None:
    assert read("a: 1\n---\nb: 2")[0] == {"a": 1}
    assert read("")[0] is None


def test_strict_reading_names_the_lines_of_keys_that_are_there_twice() -> None:
    value, objections = read("a: 1\nb:\n  c: 1\n  c: 2\n", strict=True)
    assert value == {"a": 1, "b": {"c": 2}}
    assert objections == ['yaml: unmarshal errors:\n  line 4: key "c" already set in map']


def test_aliases_cannot_blow_a_document_up() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]" for i in range(8)]
    with pytest.raises(DecodeError, match="document contains excessive aliasing"):
        read("\n".join(lines))


@pytest.mark.parametrize("depth", [300, 10_000])
def test_values_that_are_nested_too_deep_are_refused(depth: int) -> None:
    with pytest.raises(DecodeError):
        read("[" * depth + "]" * depth)
