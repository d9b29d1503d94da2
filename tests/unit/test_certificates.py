"""Certificates of servers: what is made, and what is refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from controller_runtime.certificates import CertificateError, KeyPair, self_signed, server_context

PAIR = self_signed(("localhost", "127.0.0.1"), common_name="test")
OTHER = self_signed(("localhost",), common_name="other")


def encrypted(pem: bytes, form: serialization.PrivateFormat) -> bytes:
    key = serialization.load_pem_private_key(pem, None)
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.BestAvailableEncryption(b"secret"))


def test_a_self_signed_certificate_is_good_for_its_hosts() -> None:
    certificate = x509.load_pem_x509_certificate(PAIR.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1"]


def test_a_context_speaks_tls_from_1_2_on() -> None:
    assert server_context(PAIR).minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_context_leaves_no_file_open() -> None:
    directory = Path("/proc/self/fd")
    before = len(list(directory.iterdir()))
    assert all(server_context(PAIR) for _ in range(3))
    assert len(list(directory.iterdir())) == before


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        pytest.param(KeyPair(PAIR.certificate, OTHER.key), "the key is not that of the certificate", id="another key"),
        pytest.param(KeyPair(b"", b""), "certificate or key is not valid PEM", id="empty"),
        pytest.param(KeyPair(PAIR.certificate, b""), "certificate or key is not valid PEM", id="no key"),
        pytest.param(KeyPair(b"junk", PAIR.key), "certificate or key is not valid PEM", id="no certificate"),
        pytest.param(
            KeyPair(PAIR.certificate, encrypted(PAIR.key, serialization.PrivateFormat.PKCS8)),
            "the key is encrypted; store it without a passphrase",
            id="encrypted",
        ),
        pytest.param(
            KeyPair(PAIR.certificate, encrypted(PAIR.key, serialization.PrivateFormat.TraditionalOpenSSL)),
            "the key is encrypted; store it without a passphrase",
            id="encrypted in the old form",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(pair: KeyPair, reason: str) -> None:
    with pytest.raises(CertificateError) as error:
        server_context(pair)
    assert str(error.value) == reason


def test_a_key_does_not_show_in_text() -> None:
    assert b"PRIVATE" in PAIR.key
    assert "PRIVATE" not in f"{PAIR} {PAIR!r}"
