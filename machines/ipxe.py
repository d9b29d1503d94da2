"""iPXE scripts: the chain script, which is the same for all machines, and the default script of one machine.

Variables and kernel arguments are those that existing images and their initrds expect. A script ends with a newline.
"""

from __future__ import annotations

import re
from collections import OrderedDict

from api.v1alpha1 import IPXEBootConfig
from machines.errors import InvalidFieldError

RENDERED_SCRIPTS = 16_384
"""Scripts kept at once: about 1 kB each, so 16 MB."""
LONGEST_KEPT = 4096
"""Bytes. A longer script is rendered anew for each request: clients choose the Host, and thereby how many are kept."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NO_URL_STARTS = ("#", ";", "&", "|", "-")
"""What would be a comment, an operator or an option for iPXE; it is that at the start of a word alone, and a URL has no
blanks. Settings (`${buildarch}`) are for iPXE to fill in."""
_CONSOLES = "console=ttyS0,115200 console=tty0 console=ttyAMA0 earlyprintk=ttyS0,115200 consoleblank=0"


def chain_script(service_url: str) -> bytes:
    """The script that lets iPXE ask again, with the machine's UUID.

    Args:
        service_url: where the boot server is reached, without a trailing slash.
    """
    return (
        "#!ipxe\n"
        f"set ipxe-svc {service_url}\n"
        "set base-url ${ipxe-svc}/ipxe\n"
        "chain --replace --autofree ${base-url}/${uuid}\n"
    ).encode()


def default_script(config: IPXEBootConfig, service_url: str) -> bytes:
    """The script that boots the kernel and initrd of the configuration.

    Raises:
        InvalidFieldError: a URL is missing, holds a control character (a newline would add lines to the script), or is
            not one word for iPXE.
    """
    kernel = _url(config, "kernelURL", config.spec.kernel_url, required=True)
    initrd = _url(config, "initrdURL", config.spec.initrd_url, required=True)
    squashfs = _url(config, "squashfsURL", config.spec.squashfs_url)
    variables = f"set ipxe-svc {service_url}\nset kernel-url {kernel}\nset initrd-url {initrd}\n"
    root = ""
    if squashfs:
        variables += f"set squashfs-url {squashfs}\n"
        root = "gl.ovl=/:tmpfs gl.url=${squashfs-url} gl.live=1 "
    return (
        f"#!ipxe\n{variables}"
        "echo Fetching the kernel\n"
        f"kernel ${{kernel-url}} initrd=initrd {root}ip=any ignition.firstboot=1 "
        f"ignition.config.url=${{ipxe-svc}}/ignition/${{uuid}} ignition.platform.id=metal {_CONSOLES}\n"
        "echo Fetching the initrd\n"
        "initrd ${initrd-url}\n"
        "echo Starting the kernel\n"
        "boot\n"
    ).encode()


def _url(config: IPXEBootConfig, name: str, value: str, *, required: bool = False) -> str:
    if required and not value:
        raise InvalidFieldError(config, f"spec.{name}", "is empty, set it to a URL")
    if _CONTROL.search(value):
        raise InvalidFieldError(config, f"spec.{name}", "contains a newline or another control character, remove it")
    if " " in value or value.startswith(_NO_URL_STARTS):
        raise InvalidFieldError(
            config,
            f"spec.{name}",
            f"is no URL for iPXE: it contains a blank or begins with one of {' '.join(_NO_URL_STARTS)}",
        )
    return value


class ScriptCache:
    """Default scripts, rendered once for each configuration, generation and service URL; the least used go first."""

    def __init__(self, size: int = RENDERED_SCRIPTS) -> None:
        self._size = size
        self._scripts: OrderedDict[tuple[str, int, str], bytes] = OrderedDict()

    def default_script(self, config: IPXEBootConfig, service_url: str) -> bytes:
        """As the function of that name."""
        key = (config.metadata.uid, config.metadata.generation, service_url)
        script = self._scripts.get(key)
        if script is None:
            script = default_script(config, service_url)
            if len(script) <= LONGEST_KEPT:
                self._scripts[key] = script
            if len(self._scripts) > self._size:
                self._scripts.popitem(last=False)
        else:
            self._scripts.move_to_end(key)
        return script
