"""How much data an object may hold."""

from __future__ import annotations

from typing import Final

DATA_LIMIT: Final = 1024 * 1024
"""Bytes of all values of a Secret or a ConfigMap."""


def octets(encoded: str) -> int:
    """How many bytes a base64 string stands for."""
    return len(encoded) // 4 * 3 - encoded[-2:].count("=")
