"""A server's certificate that is replaced while it runs. On virtual time; handshakes are made in memory."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from structlog.testing import capture_logs

from controller_runtime import metrics
from controller_runtime.certificates import CertificateError, KeyPair, self_signed
from controller_runtime.manager.certwatcher import CertificateWatcher

pytestmark = pytest.mark.looptime

OLD, NEW = (self_signed(("localhost", "127.0.0.1"), common_name=name) for name in ("old", "new"))


class Volume:
    """A Secret in a volume, as the kubelet lays it out: the files lead through a symlink that is swapped as one."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._versions = 0
        self.certificate, self.key = directory / "tls.crt", directory / "tls.key"
        for file in (self.certificate, self.key):
            file.symlink_to(Path("..data") / file.name)

    def put(self, certificate: bytes, key: bytes) -> None:
        self._versions += 1
        version = self.directory / f"..version-{self._versions}"
        version.mkdir()
        (version / "tls.crt").write_bytes(certificate)
        (version / "tls.key").write_bytes(key)
        link = self.directory / "..data_tmp"
        link.symlink_to(version.name)
        link.rename(self.directory / "..data")

    def clear(self) -> None:
        shutil.rmtree((self.directory / "..data").resolve())


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    made = Volume(tmp_path)
    made.put(*OLD)
    return made


@contextlib.asynccontextmanager
async def watching(volume: Volume) -> AsyncIterator[CertificateWatcher]:
    watcher = CertificateWatcher(volume.certificate, volume.key)
    task = asyncio.create_task(watcher.start())
    try:
        yield watcher
    finally:
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()


class Connection:
    """Both ends of a TLS connection."""

    def __init__(self, server: ssl.SSLContext, name: str | None = None) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = _trusting().wrap_bio(to_client, to_server, server_hostname=name)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        for _ in range(3):
            for end in (self.client, self.server):
                with contextlib.suppress(ssl.SSLWantReadError):
                    end.do_handshake()
        self.certificate = x509.load_der_x509_certificate(self.client.getpeercert(binary_form=True) or b"")

    def says(self, text: bytes) -> bytes:
        self.client.write(text)
        return self.server.read(len(text))


def _trusting() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


def shown(watcher: CertificateWatcher, name: str | None = None) -> str:
    """The common name of the certificate that a new connection is shown."""
    attribute = Connection(watcher.context, name).certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attribute[0].value)


def counted() -> tuple[float, float]:
    """Reads, and those among them that failed."""
    found = []
    for name in ("certwatcher_read_certificate_total", "certwatcher_read_certificate_errors_total"):
        value = metrics.REGISTRY.get_sample_value(name)
        assert value is not None
        found.append(value)
    return found[0], found[1]


@pytest.mark.parametrize("name", [pytest.param(None, id="by address"), pytest.param("localhost", id="by name")])
async def test_new_connections_get_the_new_certificate_within_ten_seconds(volume: Volume, name: str | None) -> None:
    async with watching(volume) as watcher:
        assert shown(watcher, name) == "old"
        volume.put(*NEW)
        await asyncio.sleep(9)
        assert shown(watcher, name) == "old"
        await asyncio.sleep(2)
        assert shown(watcher, name) == "new"


async def test_open_connections_go_on(volume: Volume) -> None:
    async with watching(volume) as watcher:
        connection = Connection(watcher.context)
        volume.put(*NEW)
        await asyncio.sleep(11)
        assert connection.says(b"still here") == b"still here"


async def test_both_certificates_are_shown_over_http_1_1(volume: Volume) -> None:
    async with watching(volume) as watcher:
        assert Connection(watcher.context).client.selected_alpn_protocol() == "http/1.1"
        volume.put(*NEW)
        await asyncio.sleep(11)
        assert Connection(watcher.context).client.selected_alpn_protocol() == "http/1.1"


async def test_files_that_are_written_anew_with_the_same_content_are_no_change(volume: Volume) -> None:
    with capture_logs() as lines:
        async with watching(volume) as watcher:
            before = watcher._newest
            volume.put(*OLD)
            await asyncio.sleep(11)
            assert watcher._newest is before
    assert lines == []


@pytest.mark.parametrize(
    ("pair", "complaint"),
    [
        pytest.param(KeyPair(NEW.certificate, OLD.key), "the key is not that of the certificate", id="half written"),
        pytest.param(KeyPair(b"", b""), "certificate or key is not valid PEM", id="empty"),
        pytest.param(None, "No such file or directory", id="gone"),
    ],
)
async def test_a_certificate_that_cannot_be_used_leaves_the_one_before(
    volume: Volume, pair: KeyPair | None, complaint: str
) -> None:
    with capture_logs() as lines:
        async with watching(volume) as watcher:
            reads, errors = counted()
            volume.put(*(pair or OLD))
            if pair is None:
                volume.clear()
            await asyncio.sleep(35)
            assert shown(watcher) == "old"
            assert counted() == (reads + 3, errors + 3)
            volume.put(*NEW)
            await asyncio.sleep(10)
            assert shown(watcher) == "new"
            assert counted() == (reads + 4, errors + 3)
    complaints = [line["error"] for line in lines if line["log_level"] == "error"]
    assert len(complaints) == 1
    assert complaint in complaints[0]


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        pytest.param(None, ["cannot read the certificate", "tls.crt", "No such file"], id="no files"),
        pytest.param(KeyPair(NEW.certificate, OLD.key), ["tls.crt", "tls.key", "is not that of"], id="another key"),
    ],
)
async def test_the_first_certificate_has_to_be_good(volume: Volume, pair: KeyPair | None, words: list[str]) -> None:
    if pair is None:
        volume.clear()
    else:
        volume.put(*pair)
    reads, errors = counted()
    with pytest.raises(CertificateError) as error:
        CertificateWatcher(volume.certificate, volume.key)
    assert all(word in str(error.value) for word in words)
    assert counted() == (reads + 1, errors + 1)


async def test_what_a_program_changes_in_the_context_holds_for_each_certificate(volume: Volume) -> None:
    seen: list[ssl.SSLContext] = []
    watcher = CertificateWatcher(volume.certificate, volume.key, configure=seen.append)
    assert seen == [watcher.context]
    volume.put(*NEW)
    watcher._look()
    assert len(seen) == 2
