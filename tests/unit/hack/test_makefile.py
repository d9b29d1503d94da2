"""The Makefile's own words."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_help_explains_every_target() -> None:
    done = subprocess.run(["make", "-C", ROOT, "help"], capture_output=True, text=True, check=True)
    explained = set(re.findall(r"^  make (\S+) +\S", done.stdout, re.MULTILINE))
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert len(targets) >= 15
    assert explained == {target.replace("$(VENV)", ".venv") for target in targets} - {".venv/.complete"}
