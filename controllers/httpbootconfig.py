"""The controller of HTTPBootConfig: is the Secret with the Ignition there?"""

from __future__ import annotations

from api.v1alpha1 import HTTPBootConfig
from controller_runtime.manager import Manager
from controllers.boot_config import set_up
from machines import Machines


def set_up_http_boot_config(manager: Manager, machines: Machines) -> None:
    """Adds the controller `httpbootconfig` to the manager."""
    set_up(manager, HTTPBootConfig, machines)
