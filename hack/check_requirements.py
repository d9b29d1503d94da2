"""Compares pyproject.toml with what follows from it: the pins in requirements/ and docs/dependencies.md."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)(.*?)(?=^[A-Za-z0-9]|\Z)", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Pin:
    """One package of a requirements file.

    Attributes:
        version: the only one that is installed.
        hashed: whether the file has the hash of at least one archive of it.
        direct: whether pyproject.toml asked for it when the file was made.
    """

    version: str
    hashed: bool
    direct: bool


def problems(root: Path) -> Iterator[str]:
    """One sentence for each thing that does not fit, with what to do."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    run = _requirements(project["dependencies"])
    both = run | _requirements(project["optional-dependencies"]["dev"])
    pins = {name: _pins(root / "requirements" / name) for name in ("run.txt", "dev.txt")}
    yield from _pin_problems("run.txt", pins["run.txt"], run)
    yield from _pin_problems("dev.txt", pins["dev.txt"], both)
    for name in pins["run.txt"].keys() & pins["dev.txt"].keys():
        if pins["run.txt"][name].version != pins["dev.txt"][name].version:
            yield f"requirements/run.txt and dev.txt pin different versions of {name}: run `make requirements`"
    words = (root / "docs" / "dependencies.md").read_text(encoding="utf-8").lower()
    for name in both:
        if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", words) is None:
            yield f"docs/dependencies.md does not say what {name} does for us"


def _pin_problems(file: str, pins: dict[str, Pin], wanted: dict[str, Requirement]) -> Iterator[str]:
    for name, requirement in wanted.items():
        if name not in pins or not pins[name].direct or not requirement.specifier.contains(pins[name].version):
            yield f"requirements/{file} does not pin {requirement} of pyproject.toml: run `make requirements`"
    for name, pin in pins.items():
        if pin.direct and name not in wanted:
            yield f"requirements/{file} pins {name}, which pyproject.toml does not name: run `make requirements`"
        if not pin.hashed:
            yield f"requirements/{file} has no hash of {name}: run `make requirements`"


def _requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def _pins(file: Path) -> dict[str, Pin]:
    text = file.read_text(encoding="utf-8")
    return {
        canonicalize_name(name): Pin(version, "--hash=" in rest, "boot-operator (pyproject.toml)" in rest)
        for name, version, rest in _PIN.findall(text)
    }


def main() -> int:
    """Prints what does not fit and returns 1 where there is something."""
    found = sorted(problems(ROOT))
    for problem in found:
        print(problem, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
