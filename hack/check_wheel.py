"""Builds the wheel and compares its top-level names with the list of what the project means to ship."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

EXPECTED = {"api", "boot_operator", "controller_runtime", "controllers", "machines", "webserver"}


def main() -> int:
    """Prints the difference and returns 1 where there is one."""
    root = Path(__file__).parents[1]
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
        subprocess.run([*command, "--wheel-dir", directory, str(root)], check=True, capture_output=True)
        (wheel,) = Path(directory).glob("*.whl")
        names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    found = {name for name in names if not name.endswith(".dist-info")}
    if found == EXPECTED:
        return 0
    print(f"the wheel ships {sorted(found)} but should ship {sorted(EXPECTED)}; see pyproject.toml", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
