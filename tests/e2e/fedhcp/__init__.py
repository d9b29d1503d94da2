"""A double of FeDHCP's httpboot plugin, and how tests run it.

It is a Go program, because it must have Go's HTTP client. What it promises, and where its behaviour is taken from, is
said in main.go.
"""

import asyncio
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Family = Literal[4, 6]
"""Of a DHCP client's addresses."""

_SOURCES = Path(__file__).parent
# No other toolchain is downloaded, no module is needed, and no workspace around this tree has a say.
_GO_SETTINGS = {
    "GOTOOLCHAIN": "local",
    "GOFLAGS": "-mod=readonly",
    "GOWORK": "off",
    "GOPROXY": "off",
    "CGO_ENABLED": "0",
}


@dataclass(frozen=True, slots=True)
class BootOptions:
    """The options that FeDHCP adds to its answer.

    Attributes:
        protocol: DHCPv4 or DHCPv6.
        boot_file_option: code of the option that carries the boot file.
        boot_file: the URL that the firmware will fetch.
        vendor_class_option: code of the option that carries the vendor class.
        vendor_class: tells the firmware that the boot file is for HTTP boot.
    """

    protocol: str
    boot_file_option: int
    boot_file: str
    vendor_class_option: int
    vendor_class: str


class NoBootOptionsError(Exception):
    """FeDHCP would answer without boot options; the message says why."""


@dataclass(frozen=True, slots=True)
class FeDHCP:
    """The built program.

    Attributes:
        program: path of the executable.
    """

    program: Path

    @classmethod
    def build(cls, directory: Path) -> "FeDHCP":
        """Compiles the program into `directory`; the caller waits for a second, longer with an empty build cache.

        Raises:
            FileNotFoundError: there is no Go.
            RuntimeError: it does not compile; the message holds the compiler's.
        """
        program = directory / "fedhcp"
        command = ("go", "build", "-trimpath", "-buildvcs=false", "-o", str(program), ".")
        built = subprocess.run(
            command, cwd=_SOURCES, env=os.environ | _GO_SETTINGS, capture_output=True, text=True, check=False
        )
        if built.returncode != 0:
            raise RuntimeError(f"the double of FeDHCP does not compile: {built.stderr}")
        return cls(program)

    async def ask(self, url: str, forwarded_for: str, *, family: Family = 4) -> BootOptions:
        """What a DHCP client of this address family is told to boot.

        Args:
            url: the boot server's `/httpboot`.
            forwarded_for: the client's address, its MAC address, or both with ", " between them.
            family: whether the client speaks DHCPv4 or DHCPv6.

        Raises:
            NoBootOptionsError: the boot server gave no usable answer, so there is nothing to tell.
            RuntimeError: the program refuses its arguments.
        """
        status, output, errors = await _run(str(self.program), f"-{family}", "-url", url, "-xff", forwarded_for)
        if status == 1:
            raise NoBootOptionsError(errors)
        if status != 0:
            raise RuntimeError(f"the double of FeDHCP ended with status {status}: {errors}")
        answer = json.loads(output)
        return BootOptions(
            protocol=answer["protocol"],
            boot_file_option=answer["bootFileOption"],
            boot_file=answer["bootFile"],
            vendor_class_option=answer["vendorClassOption"],
            vendor_class=answer["vendorClass"],
        )


async def _run(*command: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of a program; it is killed if the caller stops waiting."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
    try:
        output, errors = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode().strip()
