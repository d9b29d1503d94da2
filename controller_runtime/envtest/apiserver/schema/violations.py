"""The exact list of what is wrong with a value: the walk of kube-openapi's validator, including its oddities.

Slower than `checks`, which only says whether there is anything to list. Errors come in the real server's order, except
that it takes fields in no particular order and here they are taken as the schema lists them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema import field_errors
from controller_runtime.envtest.apiserver.schema.go_text import plain
from controller_runtime.envtest.apiserver.schema.go_values import equals_member, json_type, same, whole
from controller_runtime.envtest.apiserver.schema.node import Node
from controller_runtime.envtest.apiserver.schema.ratcheting import Correlation
from controller_runtime.envtest.apiserver.validation.fields import quoted

_INT32: Final = 2**31
_INT64: Final = 2**63
_FLOAT32_LIMIT: Final = 3.4028235677973366e38  # what is rounded to infinity as a float32


class Violation(NamedTuple):
    """An error before it knows under which field of which object it is reported."""

    path: str
    text: str
    """Errors of one text are the same error."""
    error: Callable[[str], FieldError]
    """Takes the path as it is reported."""


class Result:
    """What one schema finds in one value."""

    __slots__ = ("_texts", "matches", "violations")

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.matches = 0
        """How many checks were made and passed; of several alternatives, the one with the most is reported on."""
        self._texts: set[str] = set()

    def add(self, violation: Violation) -> None:
        """Add an error, unless it is there already."""
        if violation.text not in self._texts:
            self._texts.add(violation.text)
            self.violations.append(violation)

    def merge(self, other: Result) -> None:
        """Add all of another schema's."""
        for violation in other.violations:
            self.add(violation)
        self.matches += other.matches


def field_violations(node: Node, value: Any, prefix: str, correlation: Correlation | None) -> list[FieldError]:
    """Everything that is wrong; `prefix` is put before the fields, not into the messages."""
    found = examine(node, value, "", correlation).violations
    return [violation.error(_field(prefix, violation.path)) for violation in found]


def _field(prefix: str, path: str) -> str:
    path = path.removeprefix(".")
    if prefix and path:
        return f"{prefix}.{path}"
    return prefix or path or field_errors.NO_PATH


def examine(node: Node, value: Any, path: str, correlation: Correlation | None) -> Result:
    """One schema held against one value.

    Args:
        node: the schema.
        value: any JSON value.
        path: of the value.
        correlation: the value before the update; what has not changed may stay wrong.
    """
    result = examine_here(node, value, path, correlation)
    if result.violations and correlation is not None and correlation.unchanged():
        forgiven = Result()
        forgiven.matches = result.matches
        return forgiven
    return result


def _all(node: Node, value: Any, path: str, correlation: Correlation | None, result: Result) -> None:
    if node.types or node.format:
        _type(node, value, path, result)
        result.matches += 1
    _combinations(node, value, path, correlation, result)
    result.matches += 1
    if isinstance(value, str):
        _string(node, value, path, result)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        _number(node, value, path, result)
    elif isinstance(value, list):
        _list(node, value, path, correlation, result)
    _enum(node, value, path, result)
    result.matches += 1
    if isinstance(value, dict):
        _object(node, value, path, correlation, result)
        result.matches += 1
    result.matches += 1


def _type(node: Node, value: Any, path: str, result: Result) -> None:
    types = ",".join(node.types)
    if value is None:
        if node.types and not node.nullable:
            result.add(_wrong_type(path, types, "null"))
        else:
            result.matches += 1
        return
    actual = json_type(value)
    as_integer = actual == "number" and whole(value) and "integer" in node.types
    fits = actual in node.types or as_integer or (actual == "integer" and "number" in node.types)
    numeric = "number" in node.types or "integer" in node.types
    if isinstance(value, str | list):
        # A format of strings replaces the check of the type, even for lists.
        wrong = "" if (node.format and not numeric) or fits else types
        found = actual
    elif node.format and not fits:
        found = {"integer": "int64", "number": "float64"}.get(actual, "")
        wrong = "" if found == node.format else node.format
    else:
        wrong, found = ("" if fits else types), actual
    if wrong:
        result.add(_wrong_type(path, wrong, found))
    else:
        result.matches += 1


def _wrong_type(path: str, wanted: str, found: Any) -> Violation:
    text = f"{path} in body must be of type {wanted}: {quoted(found)}"
    return Violation(path, text, lambda field: field_errors.type_invalid(field, found, text))


def _broken(path: str, value: Any, text: str) -> Violation:
    return Violation(path, text, lambda field: field_errors.invalid(field, value, text))


def _general(text: str) -> Violation:
    """An error that the real server does not tie to a field."""
    return Violation("", text, lambda field: field_errors.invalid(field, "", text))


def _enum(node: Node, value: Any, path: str, result: Result) -> None:
    if node.enum and not any(equals_member(value, member) for member in node.enum):
        text = f"{path} in body should be one of {plain(list(node.enum))}"
        error = lambda field: field_errors.not_supported(field, value, node.enum)  # noqa: E731
        result.add(Violation(path, text, error))


def _string(node: Node, value: str, path: str, result: Result) -> None:
    if node.max_length is not None and len(value) > node.max_length:
        limit = node.max_length
        text = f"{path} in body should be at most {limit} chars long"
        result.add(Violation(path, text, lambda field: field_errors.too_long(field, limit)))
    elif node.min_length is not None and len(value) < node.min_length:
        result.add(_broken(path, value, f"{path} in body should be at least {node.min_length} chars long"))
    elif node.pattern_search is not None and not node.pattern_search(value):
        result.add(_broken(path, value, f"{path} in body should match '{node.pattern}'"))
    result.matches += 1
    if node.format_check is not None:
        if not node.format_check(value):
            result.add(_wrong_type(path, node.format, value))
        result.matches += 1


def _number(node: Node, value: int | float, path: str, result: Result) -> None:
    kind = node.types[0] if len(node.types) == 1 else ""
    format_ = node.format if kind in {"integer", "number"} else ""

    def comparable(limit: int | float, what: str) -> tuple[int | float, int | float]:
        """Both as integers if the value is one, unless the limit is not."""
        if not _in_range(limit, kind, format_, what, path, result) or isinstance(value, float):
            return float(value), float(limit)
        return value, math.trunc(limit)

    _in_range(value, kind, format_, "Checked", path, result)
    if node.multiple_of is not None:
        _multiple(*comparable(node.multiple_of, "MultipleOf"), path, result)
    if node.minimum is not None:
        number, limit = comparable(node.minimum, "Minimum boundary")
        _bound(number, limit, path, result, exclusive=node.exclusive_minimum, low=True)
    if node.maximum is not None:
        number, limit = comparable(node.maximum, "Maximum boundary")
        _bound(number, limit, path, result, exclusive=node.exclusive_maximum, low=False)
    result.matches += 2


def _in_range(value: int | float, kind: str, format_: str, what: str, path: str, result: Result) -> bool:
    """Whether the format can hold the number; that of a limit as well as the value."""
    if kind == "integer":
        limit = _INT32 if format_ == "int32" else _INT64
        fits = (not isinstance(value, float) or value.is_integer()) and -limit <= value < limit
    else:
        fits = format_ != "float" or abs(value) < _FLOAT32_LIMIT
    if not fits:
        described = f"with format {format_}" if format_ else "(default format)"
        result.add(_general(f"{what} value must be of type {kind} {described} in {path}"))
    return fits


def _multiple(value: int | float, factor: int | float, path: str, result: Result) -> None:
    if factor <= 0:
        text = f"factor MultipleOf declared for {path} must be positive: {plain(factor)}"
        result.add(_broken(path, factor, text))
    elif not is_multiple(value, factor):
        result.add(_broken(path, value, f"{path} in body should be a multiple of {plain(factor)}"))


def is_multiple(value: int | float, factor: int | float) -> bool:
    """Whether a number is a multiple of a positive one of the same type."""
    if isinstance(value, int):
        return value % factor == 0
    return whole(1 / factor * value if factor < 1 else value / factor)


def _bound(value: int | float, limit: int | float, path: str, result: Result, *, exclusive: bool, low: bool) -> None:
    beyond = value < limit if low else value > limit
    if beyond or (exclusive and value == limit):
        relation = f"{'greater' if low else 'less'} than{'' if exclusive else ' or equal to'}"
        result.add(_broken(path, value, f"{path} in body should be {relation} {plain(limit)}"))


def _list(node: Node, value: list[Any], path: str, correlation: Correlation | None, result: Result) -> None:
    if node.items is not None:
        for index, item in enumerate(value):
            inner = None if correlation is None else correlation.index(index)
            result.merge(examine(node.items, item, f"{path}[{index}]", inner))
    size = len(value)
    if node.min_items is not None and size < node.min_items:
        result.add(_broken(path, size, f"{path} in body should have at least {node.min_items} items"))
    if node.max_items is not None and size > node.max_items:
        limit = node.max_items
        text = f"{path} in body should have at most {limit} items"
        result.add(Violation(path, text, lambda field: field_errors.too_many(field, size, limit)))
    if node.unique and any(same(item, other) for index, item in enumerate(value) for other in value[:index]):
        result.add(_broken(path, "", f"{path} in body shouldn't contain duplicates"))
    result.matches += 2


def _object(node: Node, value: dict[str, Any], path: str, correlation: Correlation | None, result: Result) -> None:
    size = len(value)
    if node.min_properties is not None and size < node.min_properties:
        text = f"{path} in body should have at least {node.min_properties} properties"
        result.add(_broken(path, size, text))
    if node.max_properties is not None and size > node.max_properties:
        limit = node.max_properties
        text = f"{path} in body should have at most {limit} properties"
        result.add(Violation(path, text, lambda field: field_errors.too_many(field, size, limit)))
    if node.has_additional:
        _additional(node, value, path, correlation, result)
    for name, child in node.properties.items():
        if name in value:
            inner = _correlated_field(correlation, name, path)
            result.merge(examine(child, value[name], f"{path}.{name}" if path else name, inner))
    for name in node.required:
        if name not in value:
            where = f"{path}.{name}"
            result.add(Violation(where, f"{where} in body is required", field_errors.required))


def _additional(node: Node, value: dict[str, Any], path: str, correlation: Correlation | None, result: Result) -> None:
    for key, item in value.items():
        if key in node.properties:
            continue
        if node.additional_forbidden:
            result.add(_broken(path, key, f"{path}.{key} in body is a forbidden property"))
        elif node.additional is not None:
            inner = _correlated_field(correlation, key, path)
            result.merge(examine(node.additional, item, f"{path}.{key}", inner))


def _correlated_field(correlation: Correlation | None, name: str, path: str) -> Correlation | None:
    if correlation is None or (not path and name in {"kind", "apiVersion"}):
        return None
    return correlation.key(name)


def _combinations(node: Node, value: Any, path: str, correlation: Correlation | None, result: Result) -> None:
    """AnyOf, oneOf, allOf and not."""

    def results(children: Sequence[Node]) -> list[Result]:
        return [examine_here(child, value, path, correlation) for child in children]

    if node.any_of:
        _any_of(results(node.any_of), path, result)
    if node.one_of:
        _one_of(results(node.one_of), path, result)
    if node.all_of:
        _all_of(results(node.all_of), path, result)
    if node.negated is not None and not examine_here(node.negated, value, path, correlation).violations:
        result.add(_general(f"{quoted(path)} must not validate the schema (not)"))
    result.matches += 1


def examine_here(node: Node, value: Any, path: str, correlation: Correlation | None) -> Result:
    """As `examine`, but of the value as a whole nothing is forgiven; of what is inside, it may be."""
    result = Result()
    if value is None:
        _type(node, value, path, result)
        _enum(node, value, path, result)
    else:
        _all(node, value, path, correlation, result)
    return result


def _best(failures: Sequence[Result]) -> Result:
    return max(failures, key=lambda failure: failure.matches)


def _any_of(results: Sequence[Result], path: str, result: Result) -> None:
    success = next((each for each in results if not each.violations), None)
    if success is None:
        result.add(_general(f"{quoted(path)} must validate at least one schema (anyOf)"))
    result.merge(success or _best(results))


def _one_of(results: Sequence[Result], path: str, result: Result) -> None:
    successes = [each for each in results if not each.violations]
    if len(successes) == 1:
        result.merge(successes[0])
        return
    count = f"Found {len(successes)} valid alternatives" if successes else "Found none valid"
    result.add(_general(f"{quoted(path)} must validate one and only one schema (oneOf). {count}"))
    if not successes:
        result.merge(_best(results))


def _all_of(results: Sequence[Result], path: str, result: Result) -> None:
    for each in results:
        result.merge(each)
    failures = sum(bool(each.violations) for each in results)
    if failures:
        none = ". None validated" if failures == len(results) else ""
        result.add(_general(f"{quoted(path)} must validate all the schemas (allOf){none}"))
