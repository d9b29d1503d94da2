"""Descriptions for schemas, out of the docstrings of types and of their fields.

The docstring of a field is the string that follows it in the class body. Python throws it away, so it is read from the
source.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
import textwrap

import msgspec

from controller_runtime.controllergen.errors import GenerationError


def type_description(cls: type) -> str:
    """The docstring of a class as paragraphs of one line each; empty without one of its own."""
    return _paragraphs(cls.__dict__.get("__doc__") or "")


def field_descriptions(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The docstrings of the fields of a class and its bases, by the fields' Python names.

    Raises:
        GenerationError: the source of the class cannot be read.
    """
    found: dict[str, str] = {}
    for owner in reversed(cls.__mro__):
        if issubclass(owner, msgspec.Struct) and owner is not msgspec.Struct:
            found |= _own_field_descriptions(owner)
    return found


@functools.cache
def _own_field_descriptions(cls: type) -> dict[str, str]:
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError) as error:
        raise GenerationError(
            f"cannot read the source of {cls.__qualname__}, where its docstrings are: {error}"
        ) from error
    (definition,) = ast.parse(source).body
    if not isinstance(definition, ast.ClassDef):
        raise GenerationError(f"the source of {cls.__qualname__} is no class definition")
    following = zip(definition.body, definition.body[1:], strict=False)
    return {
        field.target.id: _paragraphs(text.value.value)
        for field, text in following
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def _paragraphs(docstring: str) -> str:
    """Unwraps lines; a blank line between paragraphs stays."""
    blocks = re.split(r"\n\s*\n", inspect.cleandoc(docstring))
    return "\n\n".join(" ".join(block.split()) for block in blocks)
