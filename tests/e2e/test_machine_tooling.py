"""The parts of the end-to-end tests themselves: machines with real firmware, their guest, and the double of FeDHCP.

Nothing of the operator takes part: scripts and answers are static, so that what fails here is a tool.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from hack.machine import Console, FileServer, Guest, Machine, seen_from_guest
from tests.e2e.fedhcp import BootOptions, Family, FeDHCP, NoBootOptionsError

pytestmark = pytest.mark.e2e

REPOSITORY = Path(__file__).parents[2]
UUIDS = ("7c9f0d3e-4a5b-4c6d-8e7f-001122334455", "7c9f0d3e-4a5b-4c6d-8e7f-66778899aabb")
MACS = ("52:54:00:0a:0b:01", "52:54:00:0a:0b:02")
BOOT_DEADLINE = 100

# Not ASCII, no final line feed, and full of what a console and a parser of it might trip over.
AWKWARD_IGNITION = ('{"ignition":{"version":"3.4.0"}}\r\nguest: ignition body ends\n\x1b[2J\0äß漢🚀' * 600).encode()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """An HTTP server on the loopback interface that answers each GET by a function and keeps the requests."""

    def __init__(self, answer: Handler) -> None:
        self.requests: list[web.Request] = []
        self.origin = ""
        self._answer = answer
        application = web.Application()
        application.router.add_get("/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> "Service":
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0]
        self.origin = f"http://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        return await self._answer(request)


def in_turn(*answers: web.Response | None) -> Handler:
    """Answers one request after the other; None breaks the connection."""
    remaining = iter(answers)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = next(remaining)
        if response is None:
            assert request.transport is not None
            request.transport.abort()
        return response or web.Response()

    return answer


@pytest.fixture
async def files() -> AsyncIterator[FileServer]:
    guest = Guest.installed()
    async with FileServer({"/vmlinuz": guest.kernel.read_bytes(), "/initrd": guest.initrd()}) as server:
        yield server


def offer_boot(files: FileServer, uuid: str, ignition_url: str) -> None:
    """Puts two scripts next to kernel and initrd: the one that a boot file names, and the machine's own."""
    base = seen_from_guest(files.url("/ipxe"))
    files.contents["/ipxe"] = f"#!ipxe\nchain --replace --autofree {base}/${{uuid}}\n".encode()
    files.contents[f"/ipxe/{uuid}"] = (
        "#!ipxe\n"
        f"kernel {seen_from_guest(files.url('/vmlinuz'))} initrd=initrd ip=any ignition.firstboot=1 "
        f"ignition.config.url={ignition_url} ignition.platform.id=metal console=ttyS0,115200 console=tty0 "
        "console=ttyAMA0 earlyprintk=ttyS0,115200 consoleblank=0\n"
        f"initrd {seen_from_guest(files.url('/initrd'))}\n"
        "boot\n"
    ).encode()


def machine(files: FileServer, directory: Path, number: int = 0) -> Machine:
    return Machine(
        uuid=UUIDS[number],
        mac=MACS[number],
        boot_url=seen_from_guest(files.url("/ipxe")),
        console=directory / f"console-{number}",
    )


async def test_a_machine_boots_from_its_firmware_to_the_guest_that_gets_every_byte(
    files: FileServer, tmp_path: Path
) -> None:
    files.contents["/ignition"] = AWKWARD_IGNITION
    ignition_url = seen_from_guest(files.url("/ignition"))
    offer_boot(files, UUIDS[0], ignition_url)
    async with machine(files, tmp_path) as booting:
        chained = await booting.console.shows(f"/ipxe/{UUIDS[0]}", timeout=BOOT_DEADLINE)
        await booting.powered_off(timeout=BOOT_DEADLINE)

    assert chained == f"{seen_from_guest(files.url('/ipxe'))}/{UUIDS[0]}... ok"
    paths = ["/ipxe", f"/ipxe/{UUIDS[0]}", "/vmlinuz", "/initrd", "/ignition"]
    assert [(request.method, request.path, request.status) for request in files.requests] == [
        ("GET", path, 200) for path in paths
    ]
    agents = [request.headers["user-agent"].partition("/")[0] for request in files.requests]
    assert agents == ["iPXE", "iPXE", "iPXE", "iPXE", "Ignition"]

    report = booting.report()
    assert (report.ignition_url, report.retries, report.status) == (ignition_url, (), "200 OK")
    assert report.body == AWKWARD_IGNITION
    assert report.command_line.startswith("initrd=initrd ip=any ignition.firstboot=1 ")
    assert f"Linux version {report.kernel} " in booting.transcript
    assert "\x1b" not in booting.transcript
    assert "iPXE initialising devices...ok" in booting.transcript
    assert (tmp_path / "console-0").read_bytes().startswith(b"\x1b")


async def test_two_machines_at_once_retry_and_give_up_as_ignition_does(files: FileServer, tmp_path: Path) -> None:
    unavailable = (web.Response(status=503), None, web.Response(status=500))
    async with (
        Service(in_turn(*unavailable, web.Response(body=AWKWARD_IGNITION))) as slow,
        Service(in_turn(web.Response(status=404, text="no such machine"))) as absent,
    ):
        for uuid, service in zip(UUIDS, (slow, absent), strict=True):
            offer_boot(files, uuid, seen_from_guest(f"{service.origin}/ignition/{uuid}"))
        async with machine(files, tmp_path, 0) as first, machine(files, tmp_path, 1) as second:
            await asyncio.gather(first.powered_off(timeout=BOOT_DEADLINE), second.powered_off(timeout=BOOT_DEADLINE))
        patient, refused = first.report(), second.report()

    assert patient.retries == ("503 Service Unavailable", "no answer", "500 Internal Server Error")
    assert (patient.status, patient.body) == ("200 OK", AWKWARD_IGNITION)
    assert (refused.retries, refused.status, refused.body) == ((), "404 Not Found", None)
    assert [request.path for request in absent.requests] == [f"/ignition/{UUIDS[1]}"]


async def test_a_guest_without_an_ignition_url_fetches_nothing_and_powers_off(
    files: FileServer, tmp_path: Path
) -> None:
    files.contents["/ipxe"] = (
        f"#!ipxe\nkernel {seen_from_guest(files.url('/vmlinuz'))} initrd=initrd\n"
        f"initrd {seen_from_guest(files.url('/initrd'))}\nboot\n"
    ).encode()
    async with machine(files, tmp_path) as booting:
        await booting.powered_off(timeout=BOOT_DEADLINE)
    report = booting.report()
    assert (report.command_line, report.ignition_url) == ("initrd=initrd", None)
    assert (report.retries, report.status, report.body) == ((), None, None)


async def test_a_machine_with_nothing_to_boot_shows_why_and_stays_on_until_it_is_left(
    files: FileServer, tmp_path: Path
) -> None:
    async with machine(files, tmp_path) as booting:
        await booting.console.shows("/ipxe... No such file or directory", timeout=BOOT_DEADLINE)
        await booting.console.shows("No bootable device.", timeout=BOOT_DEADLINE)
        with pytest.raises(TimeoutError, match=r"still on after 0 s; the console's last lines are\n(.|\n)*bootable"):
            await booting.powered_off(timeout=0)
        with pytest.raises(ValueError, match="has not reported to the end"):
            booting.report()
    with pytest.raises(RuntimeError, match="QEMU ended with status -9"):
        await booting.powered_off(timeout=BOOT_DEADLINE)
    with pytest.raises(EOFError, match="ended without a console line with 'Linux version'"):
        await booting.console.shows("Linux version", timeout=BOOT_DEADLINE)
    with pytest.raises(ProcessLookupError):
        os.kill(booting.pid, 0)


async def test_what_qemu_complains_of_is_in_the_error(tmp_path: Path) -> None:
    async with Machine(
        uuid="not-a-uuid", mac=MACS[0], boot_url="http://10.0.2.2/ipxe", console=tmp_path / "console"
    ) as broken:
        with pytest.raises(RuntimeError, match=r"QEMU ended with status 1; (.|\n)*not-a-uuid"):
            await broken.powered_off(timeout=BOOT_DEADLINE)


PARENT = f"""
import asyncio, pathlib, sys
from hack.machine import Machine

async def main():
    console = pathlib.Path(sys.argv[1])
    url = "http://10.0.2.2:9/ipxe"
    async with Machine(uuid="{UUIDS[0]}", mac="{MACS[0]}", boot_url=url, console=console) as machine:
        await machine.console.shows("SeaBIOS", timeout={BOOT_DEADLINE})
        print(machine.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_machine_does_not_outlive_the_process_that_switched_it_on(tmp_path: Path) -> None:
    command = (sys.executable, "-c", PARENT, str(tmp_path / "console"))
    parent = await asyncio.create_subprocess_exec(*command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    descriptor = os.pidfd_open(int(await parent.stdout.readline()))
    try:
        ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(descriptor, ended.set)
        parent.kill()
        await parent.wait()
        await ended.wait()
    finally:
        asyncio.get_running_loop().remove_reader(descriptor)
        os.close(descriptor)


def test_a_boot_file_too_long_for_the_dhcp_answer_is_refused(tmp_path: Path) -> None:
    longest = "http://10.0.2.2/".ljust(127, "x")
    Machine(uuid=UUIDS[0], mac=MACS[0], boot_url=longest, console=tmp_path / "console")
    with pytest.raises(ValueError, match="more than 127 bytes"):
        Machine(uuid=UUIDS[0], mac=MACS[0], boot_url=longest + "x", console=tmp_path / "console")


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        pytest.param("http://127.0.0.1:8082/ipxe?a=b", "http://10.0.2.2:8082/ipxe?a=b", id="address"),
        pytest.param("http://localhost/ipxe", "http://10.0.2.2/ipxe", id="name, no port"),
        pytest.param("http://[::1]:1/", "http://10.0.2.2:1/", id="IPv6"),
    ],
)
def test_a_guest_reaches_the_loopback_interface_under_the_hosts_address(url: str, seen: str) -> None:
    assert seen_from_guest(url) == seen


def test_an_address_that_a_guest_cannot_reach_is_refused() -> None:
    with pytest.raises(ValueError, match="is not on the loopback interface"):
        seen_from_guest("http://192.0.2.1:8082/ipxe")


async def test_missing_parts_name_the_command_that_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run hack/install-e2e-parts"):
        Guest.installed()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="run hack/install-e2e-parts"):
        await Machine(
            uuid=UUIDS[0], mac=MACS[0], boot_url="http://10.0.2.2/", console=tmp_path / "console"
        ).__aenter__()


def test_getting_the_parts_again_does_nothing_and_says_where_the_guest_is() -> None:
    run = subprocess.run([REPOSITORY / "hack" / "install-e2e-parts"], capture_output=True, text=True, check=True)
    assert run.stderr == ""
    assert Guest.installed().kernel == Path(run.stdout.strip()) / "vmlinuz"


def test_initrds_of_one_guest_are_equal() -> None:
    assert Guest.installed().initrd() == Guest.installed().initrd()


@pytest.mark.parametrize(
    ("arrived", "text"),
    [
        pytest.param([b"\x1bc\x1b[?7l\x1b[2J\x1b[0;1mSeaBIOS\r\n"], "SeaBIOS\n", id="escape sequences"),
        pytest.param([b"Press Ctrl-B", b"\b \b" * 12, b"net0: up\n"], "net0: up\n", id="erased prompt"),
        pytest.param([b"\b\bab\b\bc"], "c", id="erased beyond the line"),
        pytest.param([b"\xc3", b"\xa9 \xff"], "é \N{REPLACEMENT CHARACTER}", id="UTF-8 in pieces"),
    ],
)
async def test_a_transcript_is_what_a_reader_of_the_screen_would_see(arrived: list[bytes], text: str) -> None:
    console = Console()
    for data in arrived:
        console.feed(data)
    assert console.transcript == text


async def test_everybody_who_waits_for_a_console_line_gets_it() -> None:
    console = Console()
    console.feed(b"early\nla")
    waiting = [asyncio.create_task(console.shows(text, timeout=BOOT_DEADLINE)) for text in ("early", "late", "te li")]
    console.feed(b"te ")
    console.feed(b"line\n")
    assert await asyncio.gather(*waiting) == ["early", "late line", "late line"]
    with pytest.raises(TimeoutError, match=r"no console line with 'never' within 0 s; (.|\n)*late line"):
        await console.shows("never", timeout=0)


@pytest.fixture(scope="module")
def fedhcp(tmp_path_factory: pytest.TempPathFactory) -> FeDHCP:
    return FeDHCP.build(tmp_path_factory.mktemp("fedhcp"))


UKI_URL = "http://192.0.2.10:8083/httpboot/image/sha256-00.efi?a=1&b=<2>"


@pytest.mark.parametrize(
    ("family", "options"),
    [
        pytest.param(4, BootOptions("DHCPv4", 67, UKI_URL, 60, "HTTPClient"), id="DHCPv4"),
        pytest.param(6, BootOptions("DHCPv6", 59, UKI_URL, 16, "HTTPClient"), id="DHCPv6"),
    ],
)
@pytest.mark.parametrize(
    "identifiers",
    [
        pytest.param("192.0.2.7, 52:54:00:0a:0b:01", id="address and MAC"),
        pytest.param("2001:db8::7", id="address"),
        pytest.param("52:54:00:0a:0b:01", id="MAC"),
    ],
)
async def test_fedhcp_names_the_machine_in_one_header_and_passes_the_uki_on(
    fedhcp: FeDHCP, family: Family, options: BootOptions, identifiers: str
) -> None:
    async with Service(in_turn(web.json_response({"ClientIPs": "", "UKIURL": UKI_URL}))) as boot_server:
        assert await fedhcp.ask(f"{boot_server.origin}/httpboot", identifiers, family=family) == options
    (request,) = boot_server.requests
    assert (request.method, request.path) == ("GET", "/httpboot")
    assert request.headers.getall("X-Forwarded-For") == [identifiers]
    assert request.headers["User-Agent"] == "Go-http-client/1.1"


@pytest.mark.parametrize("family", [pytest.param(4, id="DHCPv4"), pytest.param(6, id="DHCPv6")])
@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        pytest.param(500, "no default image", "500 Internal Server Error: no default image", id="500"),
        pytest.param(503, '{"UKIURL":"x"}', "503 Service Unavailable", id="503 with a UKI"),
        pytest.param(204, "", "answered 204 No Content", id="204"),
        pytest.param(200, '{"ClientIPs":"a","UKIURL":""}', "no UKIURL, or an empty one", id="empty UKI"),
        pytest.param(200, '{"ClientIPs":"a"}', "no UKIURL, or an empty one", id="no UKI"),
        pytest.param(200, '{"UKIURL":["x"]}', "no JSON that fits", id="UKI of another type"),
        pytest.param(200, "x", "no JSON that fits", id="no JSON"),
    ],
)
async def test_fedhcp_gives_no_boot_options_without_a_good_answer(
    fedhcp: FeDHCP, family: Family, status: int, body: str, reason: str
) -> None:
    async with Service(in_turn(web.Response(status=status, text=body))) as boot_server:
        with pytest.raises(NoBootOptionsError, match=reason):
            await fedhcp.ask(f"{boot_server.origin}/httpboot", "192.0.2.7", family=family)


@pytest.mark.parametrize(
    ("url", "forwarded_for"),
    [
        pytest.param("http://127.0.0.1:9", "192.0.2.7", id="URL without a path"),
        pytest.param("tftp://127.0.0.1/httpboot", "192.0.2.7", id="other scheme"),
        pytest.param("http://127.0.0.1:9/httpboot", "", id="nobody asks"),
    ],
)
async def test_fedhcp_refuses_a_configuration_that_the_plugin_refuses(
    fedhcp: FeDHCP, url: str, forwarded_for: str
) -> None:
    with pytest.raises(RuntimeError, match="ended with status 2"):
        await fedhcp.ask(url, forwarded_for)
