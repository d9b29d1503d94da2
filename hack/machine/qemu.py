"""A bare-metal server in QEMU, with Debian's iPXE as the firmware of its network card."""

import asyncio
import shutil
from pathlib import Path
from urllib.parse import urlsplit

from hack.machine.console import Console, Report

HOST_ADDRESS = "10.0.2.2"
"""The address under which a guest reaches this host's loopback interface (QEMU's user network)."""

_QEMU = "qemu-system-x86_64"
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# `bp_file` of a BOOTP answer has 128 bytes with its final zero; with a longer name iPXE was seen to ask for nothing.
_LONGEST_BOOT_URL = 127
# Debian's iPXE waits 2 s at this prompt; any key but Ctrl-B ends the wait.
_IPXE_PROMPT = b"Press Ctrl-B for the iPXE command line..."
_ANY_KEY = b" "


def seen_from_guest(url: str) -> str:
    """`url`, which names this host's loopback interface, as a guest has to spell it.

    Raises:
        ValueError: the URL does not name the loopback interface.
    """
    parts = urlsplit(url)
    if parts.hostname not in _LOOPBACK:
        raise ValueError(f"{url} is not on the loopback interface, all that a guest can reach of this host")
    return parts._replace(netloc=HOST_ADDRESS if parts.port is None else f"{HOST_ADDRESS}:{parts.port}").geturl()


class Machine:
    """A server that is switched on by entering it as an async context and switched off by leaving it.

    Attributes:
        console: what it has shown on its serial line so far, firmware included, and what QEMU said, if anything.
    """

    def __init__(self, *, uuid: str, mac: str, boot_url: str, console: Path, memory_mib: int = 512) -> None:
        """Describes the server; nothing is started.

        Args:
            uuid: its SMBIOS system UUID, which iPXE has as `${uuid}`.
            mac: the address of its only network card.
            boot_url: the boot file in the DHCP answer, at most 127 bytes, as the guest sees it (`seen_from_guest`).
            console: file that receives every byte of the serial console as it comes, for reading after a failure.
            memory_mib: size of its memory; 256 is enough for `Guest`.

        Raises:
            ValueError: the boot URL does not fit into the DHCP answer.
        """
        if len(boot_url.encode()) > _LONGEST_BOOT_URL:
            raise ValueError(f"{boot_url} has more than {_LONGEST_BOOT_URL} bytes, too many for QEMU's DHCP server")
        self._command = _command(uuid, mac, boot_url, memory_mib)
        self._log = console
        self.console = Console()

    async def __aenter__(self) -> "Machine":
        """Switches it on.

        Raises:
            FileNotFoundError: there is no QEMU.
            OSError: the file for the console cannot be written.
        """
        if shutil.which(_QEMU) is None:
            raise FileNotFoundError(f"{_QEMU} is not on PATH: run hack/install-e2e-parts")
        self._log.write_bytes(b"")
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        self._reader = asyncio.create_task(self._read_console(), name=f"console of machine {self.pid}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Pulls the plug, where the machine is still on."""
        self.kill()
        await self._process.wait()
        await self._reader

    @property
    def pid(self) -> int:
        """Process id of QEMU."""
        return self._process.pid

    @property
    def transcript(self) -> str:
        """All that the console has shown so far, without escape sequences."""
        return self.console.transcript

    def report(self) -> Report:
        """What the guest says it got.

        Raises:
            ValueError: the guest has not reported to the end.
        """
        return Report.read(self.console)

    def kill(self) -> None:
        """Pulls the plug; no effect on a machine that is off."""
        if self._process.returncode is None:
            self._process.kill()

    async def powered_off(self, *, timeout: float) -> None:
        """Waits until the machine has switched itself off, or wanted to reboot, which ends it too.

        A machine that found nothing to boot stays on; its console shows "No bootable device.".

        Raises:
            TimeoutError: it is still on after `timeout` seconds.
            RuntimeError: QEMU failed, or was killed.
        """
        try:
            async with asyncio.timeout(timeout):
                await asyncio.shield(self._reader)
                code = await self._process.wait()
        except TimeoutError:
            raise TimeoutError(f"the machine is still on after {timeout:g} s; {self.console.tail()}") from None
        if code != 0:
            raise RuntimeError(f"QEMU ended with status {code}; {self.console.tail()}")

    async def _read_console(self) -> None:
        assert self._process.stdout is not None
        key_is_due = True
        try:
            with self._log.open("ab", buffering=0) as log:
                while data := await self._process.stdout.read(65536):
                    log.write(data)
                    self.console.feed(data)
                    if key_is_due and _IPXE_PROMPT in self.console.prompt:
                        self._press(_ANY_KEY)
                        key_is_due = False
        finally:
            self.console.close()

    def _press(self, key: bytes) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(key)


def _command(uuid: str, mac: str, boot_url: str, memory_mib: int) -> list[str]:
    """QEMU, told to die with this process, without KVM so that it runs the same everywhere."""
    # A comma ends a value in QEMU's options unless it is doubled.
    boot_file = boot_url.replace(",", ",,")
    return [
        *("setpriv", "--pdeathsig", "KILL", "--", _QEMU),
        *("-accel", "tcg", "-m", str(memory_mib), "-no-reboot", "-uuid", uuid),
        *("-nographic", "-monitor", "none", "-serial", "stdio"),
        *("-netdev", f"user,id=n0,bootfile={boot_file}", "-device", f"virtio-net-pci,netdev=n0,mac={mac}"),
        *("-boot", "n"),
    ]
