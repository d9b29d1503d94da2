"""DNS labels as RFC 1035 has them, which the names inside CustomResourceDefinitions must be."""

from __future__ import annotations

import re
from typing import Final

_LABEL: Final = "[a-z]([-a-z0-9]*[a-z0-9])?"
_RULE: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    f"'{_LABEL}')"
)


def dns1035_label(name: str) -> list[str]:
    """What is wrong with the name."""
    problems = ["must be no more than 63 characters"] if len(name.encode()) > 63 else []
    return problems if re.fullmatch(_LABEL, name) else [*problems, _RULE]
