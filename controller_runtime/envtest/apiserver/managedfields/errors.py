"""What can go wrong within field management, before it becomes an answer."""

from __future__ import annotations

from collections.abc import Sequence


class UndecodableError(ValueError):
    """managedFields that cannot be read; requests fall back to what the live object has, or to none."""


class SchemaMismatchError(ValueError):
    """A value that is not what the schema says.

    Args:
        problems: one text per place, each beginning with the path.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(problems[0] if len(problems) == 1 else "\n  ".join(("errors:", *problems)))
