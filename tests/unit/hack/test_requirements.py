"""hack/check_requirements.py: pyproject.toml, the pins and the page about dependencies say the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from hack.check_requirements import ROOT, problems

FILES = ("pyproject.toml", "requirements/run.txt", "requirements/dev.txt", "docs/dependencies.md")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the root of a tree with copies of the files that are compared."""
    for file in FILES:
        copy = tmp_path / file
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / file).read_bytes())
    return tmp_path


def test_the_committed_files_fit() -> None:
    assert list(problems(ROOT)) == []


@pytest.mark.parametrize("file", ["run.txt", "dev.txt"])
def test_the_pins_name_no_index(file: str) -> None:
    text = (ROOT / "requirements" / file).read_text(encoding="utf-8")
    assert "://" not in text
    assert not [line for line in text.splitlines() if line.startswith("-")]


@pytest.mark.parametrize(
    ("file", "old", "new", "found"),
    [
        pytest.param(
            "pyproject.toml",
            '"aiohttp>=3.12",',
            '"aiohttp>=3.12", "brotli",',
            "requirements/run.txt does not pin brotli of pyproject.toml: run `make requirements`",
            id="a new dependency",
        ),
        pytest.param(
            "pyproject.toml",
            '"structlog>=25"',
            '"structlog>=9999"',
            "requirements/dev.txt does not pin structlog>=9999 of pyproject.toml: run `make requirements`",
            id="a newer version is wanted",
        ),
        pytest.param(
            "pyproject.toml",
            '    "looptime",\n',
            "",
            "requirements/dev.txt pins looptime, which pyproject.toml does not name: run `make requirements`",
            id="a dependency is gone",
        ),
        pytest.param(
            "requirements/run.txt",
            "\ntornado==",
            "\ntornado==9999.",
            "requirements/run.txt and dev.txt pin different versions of tornado: run `make requirements`",
            id="versions differ",
        ),
        pytest.param(
            "requirements/run.txt",
            "--hash=",
            "--no=",
            "requirements/run.txt has no hash of tornado: run `make requirements`",
            id="no hashes",
        ),
        pytest.param(
            "docs/dependencies.md",
            "| structlog |",
            "| structlog-x |",
            "docs/dependencies.md does not say what structlog does for us",
            id="not on the page",
        ),
    ],
)
def test_what_does_not_fit_is_said_with_what_to_do(file: str, old: str, new: str, found: str, project: Path) -> None:
    text = (project / file).read_text(encoding="utf-8")
    assert old in text
    (project / file).write_text(text.replace(old, new), encoding="utf-8")
    assert found in list(problems(project))
