"""Whether an applied configuration matches the schema as far as field management needs it to."""

from __future__ import annotations

from typing import Any

from controller_runtime.envtest.apiserver.managedfields.atoms import Atom, List, Map
from controller_runtime.envtest.apiserver.managedfields.elements import display
from controller_runtime.envtest.apiserver.managedfields.errors import SchemaMismatchError
from controller_runtime.envtest.apiserver.managedfields.printing import syntax, type_name
from controller_runtime.envtest.apiserver.schema.go_text import plain


def validate(atom: Atom, value: Any) -> None:
    """Check types, unknown fields, and the keys of items.

    Raises:
        SchemaMismatchError: with the real server's texts.
    """
    problems = _problems(atom, value, "")
    if problems:
        raise SchemaMismatchError(problems)


def _problems(atom: Atom, value: Any, path: str) -> list[str]:
    if value is None:
        return []
    form = atom.form(value)
    if isinstance(form, Map):
        return _in_map(form, value, path) if isinstance(value, dict) else [_wrong(path, "map", value)]
    if isinstance(form, List):
        return _in_list(form, value, path) if isinstance(value, list) else [_wrong(path, "list", value)]
    problem = _scalar_problem(form, value)
    return [_at(path, problem)] if problem else []


def _in_map(form: Map, value: dict[str, Any], path: str) -> list[str]:
    """Of unknown fields only the first one is named, as the real server stops there."""
    problems: list[str] = []
    unknown: list[str] = []
    for key, child in value.items():
        atom = form.fields.get(key, form.element)
        if atom is None:
            unknown.append(_at(f"{path}.{key}", "field not declared in schema"))
        else:
            problems += _problems(atom, child, f"{path}.{key}")
    return problems + unknown[:1]


def _in_list(form: List, value: list[Any], path: str) -> list[str]:
    problems: list[str] = []
    seen: set[str] = set()
    for index, item in enumerate(value):
        element = f"i:{index}"
        if form.associative:
            try:
                element = form.path_element(item)
            except SchemaMismatchError as error:
                return [*problems, _at(path, f"element {index}: {error}")]
            if element in seen:
                problems.append(_at(path, f"duplicate entries for key {display(element)}"))
            seen.add(element)
        problems += _problems(form.element, item, path + display(element))
    return problems


def _scalar_problem(scalar: str, value: Any) -> str:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match scalar:
        case "numeric" if not is_number:
            return f"expected numeric (int or float), got {type_name(value)}"
        case "string" if not isinstance(value, str):
            return f"expected string, got &value.valueUnstructured{{Value:{syntax(value)}}}"
        case "boolean" if not isinstance(value, bool):
            return f"expected boolean, got &{{{plain(value)}}}"
        case "untyped" if not isinstance(value, str | int | float):
            return f"expected any scalar, got &{{{plain(value)}}}"
        case _:
            return ""


def _wrong(path: str, form: str, value: Any) -> str:
    return _at(path, f"expected {form}, got &{{{plain(value)}}}")


def _at(path: str, problem: str) -> str:
    return f"{path}: {problem}" if path else problem
