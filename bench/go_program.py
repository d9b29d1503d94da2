"""The contender in Go, built once per version into a cache outside of the checkout."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).with_name("contenders") / "go"
MODULE = "sigs.k8s.io/controller-runtime"


def required_version(go_mod: str, module: str = MODULE) -> str:
    """The version of a module that the text of a go.mod requires.

    Raises:
        ValueError: it requires none.
    """
    found = re.search(rf"^(?:require)?\s*{re.escape(module)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError(f"go.mod requires no {module}")
    return found[1]


def cache_directory(environment: dict[str, str]) -> Path:
    """Where programs are kept: as in hack/build-envtest, XDG_CACHE_HOME counts if it is absolute."""
    named = environment.get("XDG_CACHE_HOME", "")
    cache = Path(named) if named.startswith("/") else Path.home() / ".cache"
    return cache / "controller-runtime-bench"


def go_contender() -> Path | None:
    """The program, built now if need be; None where there is no Go on PATH.

    Raises:
        CalledProcessError: it does not build; the go command has said why.
    """
    if shutil.which("go") is None:
        return None
    version = _go("env", "GOVERSION").strip()
    sources = b"".join(path.name.encode() + path.read_bytes() for path in sorted(SOURCES.iterdir()))
    digest = hashlib.sha256(version.encode() + sources).hexdigest()[:12]
    name = f"go-{required_version((SOURCES / 'go.mod').read_text())}-{version}-{digest}"
    program = cache_directory(dict(os.environ)) / name / "contender"
    if not program.exists():
        _build(program)
    return program


def _build(program: Path) -> None:
    print(f"building the contender in Go into {program.parent}, once; some minutes ...", file=sys.stderr)
    program.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=program.parent) as directory:
        built = Path(directory) / program.name
        _go("build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", str(built), ".")
        built.replace(program)


def _go(*arguments: str) -> str:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    command = ["go", *arguments]
    return subprocess.run(command, cwd=SOURCES, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
