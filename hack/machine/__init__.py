"""Machines without operating systems, for tests and demos: real iPXE firmware in QEMU, and a Linux for it to boot.

    guest = Guest.installed()
    async with FileServer({"/vmlinuz": guest.kernel.read_bytes(), "/initrd": guest.initrd()}) as files:
        ...                                     # kernelURL is seen_from_guest(files.url("/vmlinuz"))
        async with Machine(uuid=uuid, mac=mac, boot_url=seen_from_guest(service + "/ipxe"), console=log) as machine:
            await machine.console.shows("iPXE initialising devices...ok", timeout=60)
            await machine.powered_off(timeout=60)
        assert machine.report().body == ignition

`Machine` boots as a bare-metal server does: its firmware asks QEMU's DHCP server for the boot file, fetches it over
HTTP and does what the script says. `Guest` is the kernel and the initrd behind kernelURL and initrdURL; its only
program asks for the Ignition configuration as Ignition does, reports the bytes received on the serial console and
switches the machine off. `FileServer` holds the two files and notes who fetched them. `hack/install-e2e-parts` gets
QEMU and the guest.

Promised: no machine outlives this process; a machine reaches this host's loopback interface, as 10.0.2.2; all that its
console showed can be read. Not promised: speed (nothing uses KVM), UEFI firmware, any effect of the Ignition
configuration.
"""

from hack.machine.console import Console, Report
from hack.machine.files import FileRequest, FileServer
from hack.machine.guest import Guest
from hack.machine.qemu import HOST_ADDRESS, Machine, seen_from_guest

__all__ = [
    "HOST_ADDRESS",
    "Console",
    "FileRequest",
    "FileServer",
    "Guest",
    "Machine",
    "Report",
    "seen_from_guest",
]
