"""Builds the wheel and compares its top-level names with the list of what the project means to ship."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXPECTED = {"api", "boot_operator", "controller_runtime", "controllers", "machines", "webserver"}


def _build(directory: Path) -> Path:
    """The wheel of this tree, made in `directory` alone.

    Raises:
        SystemExit: it cannot be built; pip has said why.
    """
    # In the tree itself setuptools would keep build/lib, and ship what was removed or renamed since an earlier build.
    settings = directory / "settings.cfg"
    settings.write_text(
        f"[build]\nbuild_base = {directory}/build\n[egg_info]\negg_base = {directory}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pip", "wheel", "-qq", "--no-index", "--no-deps", "--no-build-isolation"]
    done = subprocess.run(
        [*command, "--wheel-dir", str(directory), str(ROOT)],
        env={**os.environ, "DIST_EXTRA_CONFIG": str(settings)},
        check=False,
    )
    if done.returncode != 0:
        sys.exit("the wheel cannot be built: see pip's words above")
    (wheel,) = directory.glob("*.whl")
    return wheel


def main() -> int:
    """Prints the difference and returns 1 where there is one."""
    with tempfile.TemporaryDirectory() as directory:
        names = {name.split("/")[0] for name in zipfile.ZipFile(_build(Path(directory))).namelist()}
    found = {name for name in names if not name.endswith(".dist-info")}
    if found == EXPECTED:
        return 0
    print(f"the wheel ships {sorted(found)} but should ship {sorted(EXPECTED)}; see pyproject.toml", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
