"""What differs between any two runs is replaced."""

from __future__ import annotations

import re
from typing import Any

import yaml

PLACEHOLDER = "run-000000"
"""Stands for the name of a run; of the same length, so that columns are as wide."""

_PATTERNS = (
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UID"),
    (re.compile(r"\b20(?:2[6-9]|[3-9]\d)-\d\d-\d\dT\d\d:\d\d:\d\dZ"), "TIME"),
    (re.compile(r"\b10\.0\.0\.\d{1,3}\b"), "ADDRESS"),
    (re.compile(r"(?m)^(\s*Resource Version:\s+)\d+$"), r"\1VERSION"),
    # Ages are cells of tables; so that they may grow, columns stand two spaces apart.
    (re.compile(r"(?m)(?<=\s)(?:\d+[smhdy])+(?=[\s)]|$)"), "AGE"),
    (re.compile(r"(?<=\S)[ \t]{2,}"), "  "),
    (re.compile(r"(?m)[ \t]+$"), ""),
    (re.compile(r"kubectl-edit-\w+\.yaml"), "kubectl-edit.yaml"),
)


def plain_text(text: str) -> str:
    """Return what kubectl printed without uids, times, addresses and ages."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def same_yaml(item: dict[str, Any]) -> str:
    """Return an object as YAML, without its version, and with managers in an order that does not depend on the time."""
    metadata = dict(item["metadata"])
    metadata.pop("resourceVersion", None)
    metadata["managedFields"] = sorted(
        metadata.get("managedFields", ()),
        key=lambda entry: (entry["operation"], entry["manager"], entry.get("subresource", ""), entry["apiVersion"]),
    )
    return yaml.safe_dump({**item, "metadata": metadata}, width=1000)
