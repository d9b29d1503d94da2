"""What a machine wrote on its serial console, and what the guest's report in it says.

The report's lines are written by `hack/machine/init`.
"""

import asyncio
import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ESCAPE_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_c])")
# A character and the backspace after it, or backspaces with nothing to erase.
_ERASED = re.compile(r"[^\x08]\x08|^\x08+")
_PREFIX = "guest: "


class Console:
    """A serial console's output while it arrives: feed it bytes, read text or wait for a line.

    A line ends with a line feed; the last one may be unfinished. Text is UTF-8, with what is no UTF-8 replaced, and has
    neither escape sequences nor carriage returns nor what a backspace has erased. Firmware breaks lines after 80
    characters: a longer URL of iPXE's is found by its beginning only.
    """

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._unfinished = b""
        self._closed = False
        self._changed = asyncio.Event()

    def feed(self, data: bytes) -> None:
        """Takes what the machine has written next."""
        *finished, self._unfinished = (self._unfinished + data).split(b"\n")
        self._lines += [_plain(line) for line in finished]
        if finished:
            self._wake()

    def close(self) -> None:
        """Says that nothing more will come."""
        self._closed = True
        self._wake()

    @property
    def lines(self) -> list[str]:
        """All lines so far, the unfinished one last."""
        return [*self._lines, _plain(self._unfinished)]

    @property
    def transcript(self) -> str:
        """The whole output so far as text."""
        return "\n".join(self.lines)

    @property
    def prompt(self) -> bytes:
        """The unfinished line as it arrived: where firmware waits for a key."""
        return self._unfinished

    def tail(self, count: int = 20) -> str:
        """The last `count` lines with an introduction, for the end of an error's message."""
        return "\n".join(["the console's last lines are", *self.lines[-count:]])

    async def shows(self, text: str, *, timeout: float) -> str:
        """Waits for a line that holds `text`, which may have come already, and returns the line.

        Raises:
            TimeoutError: no such line came within `timeout` seconds.
            EOFError: the machine ended without such a line.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._line_with(text)
        except TimeoutError:
            raise TimeoutError(f"no console line with {text!r} within {timeout:g} s; {self.tail()}") from None

    async def _line_with(self, text: str) -> str:
        seen = 0
        while True:
            for line in self._lines[seen:]:
                if text in line:
                    return line
            seen = len(self._lines)
            if self._closed:
                raise EOFError(f"the machine ended without a console line with {text!r}; {self.tail()}")
            await self._changed.wait()

    def _wake(self) -> None:
        """Resumes everybody who waits at this moment."""
        self._changed.set()
        self._changed = asyncio.Event()


@dataclass(frozen=True, slots=True)
class Report:
    """What the guest says of its boot and of the Ignition configuration it was pointed to.

    Attributes:
        kernel: release of the running kernel, as of `uname -r`.
        command_line: the kernel's command line.
        ignition_url: the last `ignition.config.url` on it; None without one, and then nothing was fetched.
        retries: for each answer that Ignition retries, in order: its status and reason, or "no answer".
        status: status and reason of the final answer, such as "200 OK"; None if nothing was fetched.
        body: the bytes of the final answer; None unless it was complete and a success.
    """

    kernel: str
    command_line: str
    ignition_url: str | None
    retries: tuple[str, ...]
    status: str | None
    body: bytes | None

    @classmethod
    def read(cls, console: Console) -> "Report":
        """The report on a machine's console.

        Raises:
            ValueError: the guest has not reported to the end, or what it sent was garbled on the console.
        """
        said = [line.removeprefix(_PREFIX) for line in console.lines if line.startswith(_PREFIX)]
        kernel, command_line, url = (
            _after(start, said) for start in ("running ", "kernel command line: ", "ignition url: ")
        )
        if "powering off" not in said or kernel is None or command_line is None or url is None:
            raise ValueError(f"the guest has not reported to the end; {console.tail()}")
        return cls(
            kernel=kernel,
            command_line=command_line,
            ignition_url=None if url == "none" else url,
            retries=tuple(_each_after("ignition retry: ", said)),
            status=_after("ignition status: ", said),
            body=_body(console.lines, _after("ignition sha256: ", said)),
        )


def _plain(line: bytes) -> str:
    """The line as a reader of the screen sees it."""
    text = _ESCAPE_SEQUENCE.sub("", line.decode(errors="replace")).replace("\r", "")
    while "\b" in text:
        text = _ERASED.sub("", text)
    return text


def _each_after(start: str, said: list[str]) -> Iterator[str]:
    """The rest of each line that begins with `start`."""
    return (line.removeprefix(start) for line in said if line.startswith(start))


def _after(start: str, said: list[str]) -> str | None:
    """The rest of the first line that begins with `start`."""
    return next(_each_after(start, said), None)


def _body(lines: list[str], sha256: str | None) -> bytes | None:
    """The bytes between the two markers, provided that they are those that the guest has hashed."""
    if sha256 is None:
        return None
    first = lines.index(f"{_PREFIX}ignition body begins") + 1
    last = lines.index(f"{_PREFIX}ignition body ends", first)
    try:
        body = base64.b64decode("".join(lines[first:last]), validate=True)
    except binascii.Error as error:
        raise ValueError(f"the Ignition configuration was garbled on the console: {error}") from error
    if hashlib.sha256(body).hexdigest() != sha256:
        raise ValueError(f"the Ignition configuration was garbled on the console: its SHA-256 is not {sha256}")
    return body
