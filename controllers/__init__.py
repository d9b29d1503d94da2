"""The reconcilers, one module per kind, and what they share. They run on the elected leader.

Each judges one configuration: can the machine be given what it says? The answer is its status (state, and the condition
Ready with a reason) and, when it changes for the worse or back, an Event. They write nothing else, and nothing at all
where nothing changed.
"""

from controllers.httpbootconfig import set_up_http_boot_config
from controllers.ipxebootconfig import set_up_ipxe_boot_config

__all__ = ["set_up_http_boot_config", "set_up_ipxe_boot_config"]
