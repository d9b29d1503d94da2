"""What names, keys and label values may look like. Each rule answers with what is wrong; empty means nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final, TypeAlias

NameRule: TypeAlias = Callable[[str, bool], Sequence[str]]
"""Takes a name and whether it is a prefix (`generateName`) to which something will be added."""

_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = rf"{_LABEL}(\.{_LABEL})*"
_NAME_PART: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_CONFIG_KEY: Final = "[-._a-zA-Z0-9]+"

_LABEL_MATCH: Final = re.compile(_LABEL).fullmatch
_SUBDOMAIN_MATCH: Final = re.compile(_SUBDOMAIN).fullmatch
_NAME_PART_MATCH: Final = re.compile(_NAME_PART).fullmatch
_LABEL_VALUE_MATCH: Final = re.compile(f"({_NAME_PART})?").fullmatch
_CONFIG_KEY_MATCH: Final = re.compile(_CONFIG_KEY).fullmatch
_PORT_NAME_MATCH: Final = re.compile("[-a-z0-9]+").fullmatch

_LABEL_RULE: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with"
    f" an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
)
_SUBDOMAIN_RULE: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and"
    f" end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
)
_NAME_PART_RULE: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    f" (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME_PART}')"
)
_WITH_PREFIX: Final = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
_LABEL_VALUE_RULE: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and"
    " end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
    f" '({_NAME_PART})?')"
)
_CONFIG_KEY_RULE: Final = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or"
    f" 'key-name', regex used for validation is '{_CONFIG_KEY}')"
)


def dns_label(name: str, prefix: bool = False) -> Sequence[str]:
    """RFC 1123 label: no dots, at most 63 characters."""
    return _dns_label(_unfinished(name) if prefix else name)


def dns_subdomain(name: str, prefix: bool = False) -> Sequence[str]:
    """RFC 1123 subdomain: labels and dots, at most 253 characters."""
    return _dns_subdomain(_unfinished(name) if prefix else name)


def path_segment(name: str, prefix: bool = False) -> Sequence[str]:
    """Anything that can stand in a URL's path."""
    found = [] if prefix else [f"may not be '{name}'" for dots in (".", "..") if name == dots]
    return [*found, *(f"may not contain '{character}'" for character in "/%" if character in name)]


@lru_cache(maxsize=4096)
def qualified_name(name: str) -> Sequence[str]:
    """Keys of labels, finalizers, ...: a name of at most 63 characters, after an optional domain and slash."""
    domain, slash, part = name.partition("/")
    if "/" in part:
        return (f"a valid label key {_NAME_PART_RULE}{_WITH_PREFIX}",)
    found = []
    if not slash:
        part = domain
    elif not domain:
        found.append("prefix part must be non-empty")
    else:
        found += [f"prefix part {text}" for text in _dns_subdomain(domain, unit="bytes")]
    if not part:
        found.append("name part must be non-empty")
    elif _size(part) > 63:
        found.append("name part must be no more than 63 bytes")
    if not _NAME_PART_MATCH(part):
        found.append(f"name part {_NAME_PART_RULE}")
    return tuple(found)


@lru_cache(maxsize=4096)
def label_value(value: str) -> Sequence[str]:
    """Values of labels and of what selects them."""
    found = ["must be no more than 63 bytes"] if _size(value) > 63 else []
    return tuple(found if _LABEL_VALUE_MATCH(value) else [*found, _LABEL_VALUE_RULE])


def config_key(key: str) -> Sequence[str]:
    """Keys of ConfigMaps and Secrets, which become names of files."""
    found = ["must be no more than 253 characters"] if _size(key) > 253 else []
    if not _CONFIG_KEY_MATCH(key):
        found.append(_CONFIG_KEY_RULE)
    if key in {".", ".."}:
        found.append(f"must not be '{key}'")
    elif key.startswith(".."):
        found.append("must not start with '..'")
    return found


def port_number(port: int) -> Sequence[str]:
    """A TCP or UDP port."""
    return () if 1 <= port <= 65535 else ("must be between 1 and 65535, inclusive",)


def port_name(name: str) -> Sequence[str]:
    """An IANA service name, as a Service's targetPort may give."""
    rules = (
        (_size(name) <= 15, "must be no more than 15 characters"),
        (
            _PORT_NAME_MATCH(name) is not None,
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (re.search("[a-z]", name) is not None, "must contain at least one letter (a-z)"),
        ("--" not in name, "must not contain consecutive hyphens"),
        (not name.startswith("-") and not name.endswith("-"), "must not begin or end with a hyphen"),
    )
    return [text for holds, text in rules if not holds]


@lru_cache(maxsize=4096)
def _dns_label(name: str) -> Sequence[str]:
    found = ["must be no more than 63 characters"] if _size(name) > 63 else []
    if not _LABEL_MATCH(name):
        found.append("must not contain dots" if _SUBDOMAIN_MATCH(name) else _LABEL_RULE)
    return tuple(found)


@lru_cache(maxsize=4096)
def _dns_subdomain(name: str, unit: str = "characters") -> Sequence[str]:
    found = [f"must be no more than 253 {unit}"] if _size(name) > 253 else []
    return tuple(found if _SUBDOMAIN_MATCH(name) else [*found, _SUBDOMAIN_RULE])


def _unfinished(prefix: str) -> str:
    """The prefix as if something followed its dash; the API server drops one character too many, and so do we."""
    return f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())
