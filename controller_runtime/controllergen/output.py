"""YAML text that is the same each time, and files that hold it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and an object that occurs twice in full each time."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True

    def represent_text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))


def _style(text: str) -> str | None:
    if any(character in text for character in "\r\x85\u2028\u2029"):
        return '"'  # line breaks to YAML 1.1, which any other style would turn into spaces
    return "|" if "\n" in text else None


_Dumper.add_representer(str, _Dumper.represent_text)


def to_yaml(document: Any) -> str:
    """One document of dicts, lists, strings, numbers and booleans; maps are sorted by key."""
    return yaml.dump(document, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, width=120)


def write_files(files: Mapping[Path, str]) -> list[Path]:
    """Writes the files that differ, making their directories, and returns their paths.

    Raises:
        OSError: a file cannot be read or written.
    """
    stale = stale_files(files)
    for path in stale:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(files[path], encoding="utf-8")
    return stale


def stale_files(files: Mapping[Path, str]) -> list[Path]:
    """The paths whose file is missing or has another content.

    Raises:
        OSError: a file is there and cannot be read.
    """
    return [path for path, text in files.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
