"""Which configuration counts when several name the same machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from api.v1alpha1 import BootConfig
from machines.errors import AmbiguousMachineError

ConfigT = TypeVar("ConfigT", bound=BootConfig)


def select(configs: Sequence[ConfigT]) -> ConfigT | None:
    """The one configuration; None if there is none.

    Args:
        configs: all configurations of one kind that name the machine.

    Raises:
        AmbiguousMachineError: there are several.
    """
    if len(configs) > 1:
        raise AmbiguousMachineError(configs)
    return configs[0] if configs else None
