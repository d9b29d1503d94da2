"""Go's regular expressions, where they differ from Python's."""

from __future__ import annotations

import pytest

from controller_runtime.envtest.apiserver.schema.re2 import PatternError, compile_pattern

MATCHES = [
    pytest.param("a$", "a\n", False, id="the end is the end"),
    pytest.param("(?m)a$", "a\nb", True, id="multi-line"),
    pytest.param(r"\d", "٣", False, id="digits are ASCII"),
    pytest.param(r"\s", "\v", False, id="a vertical tab is no space"),
    pytest.param(r"\bü", "aü", True, id="words are ASCII"),
    pytest.param(r"\B", "", True, id="no word begins in nothing"),
    pytest.param(r"a\z", "a", True, id="Go's end of text"),
    pytest.param("a(?i)b|c", "aB", True, id="flags hold from where they stand"),
    pytest.param("a(?i)b", "Ab", False, id="and not before"),
    pytest.param("a(?-i:b)", "aB", False, id="flags of a group"),
    pytest.param(r"(?i)\W", "k", False, id="complements do not fold case"),
    pytest.param(r"^\p{Lu}\pN$", "Ä1", True, id="categories"),
    pytest.param(r"\P{L}", "a", False, id="all but a category"),
    pytest.param("[[:alpha:]-]", "-", True, id="POSIX classes"),
    pytest.param("[^]a]", "]", False, id="a bracket that comes first is a character"),
    pytest.param(r"\Q.*\E", "x.*", True, id="quoted"),
    pytest.param("a{,2}", "a{,2}", True, id="no repetition"),
    pytest.param("[a&&b]", "&", True, id="no set operations"),
    pytest.param(r"\x{1F600}", "😀", True, id="code points"),
    pytest.param("(?s).", "\n", True, id="dot takes all"),
    pytest.param("(?P<n>a)(?P<n>b)", "ab", True, id="groups may share a name"),
]
ERRORS = [
    pytest.param("(", "missing closing ): `(`", id="open group"),
    pytest.param("a)", "unexpected ): `a)`", id="closed too often"),
    pytest.param("a**", "invalid nested repetition operator: `**`", id="nested repetition"),
    pytest.param("a++", "invalid nested repetition operator: `++`", id="possessive"),
    pytest.param("*a", "missing argument to repetition operator: `*`", id="nothing to repeat"),
    pytest.param("(?=a)", "invalid or unsupported Perl syntax: `(?=`", id="look-around"),
    pytest.param(r"\1", r"invalid escape sequence: `\1`", id="back reference"),
    pytest.param("[b-a]", "invalid character class range: `b-a`", id="range"),
    pytest.param("[a", "missing closing ]: `[a`", id="open class"),
    pytest.param("a{1001}", "invalid repeat count: `{1001}`", id="too often"),
    pytest.param("\\", "trailing backslash at end of expression: ``", id="trailing backslash"),
]


@pytest.mark.parametrize(("pattern", "text", "matches"), MATCHES)
def test_patterns_match_as_in_go(pattern: str, text: str, matches: bool) -> None:
    assert (compile_pattern(pattern).search(text) is not None) == matches


@pytest.mark.parametrize(("pattern", "error"), ERRORS)
def test_errors_have_gos_texts(pattern: str, error: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_pattern(pattern)
    assert str(caught.value) == f"error parsing regexp: {error}"
