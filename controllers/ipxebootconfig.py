"""The controller of IPXEBootConfig: are the Secrets with the Ignition and with the custom script there?"""

from __future__ import annotations

from api.v1alpha1 import IPXEBootConfig
from controller_runtime.manager import Manager
from controllers.boot_config import set_up
from machines import Machines


def set_up_ipxe_boot_config(manager: Manager, machines: Machines) -> None:
    """Adds the controller `ipxebootconfig` to the manager."""
    set_up(manager, IPXEBootConfig, machines)
