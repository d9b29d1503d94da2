"""Certificates: self-signed ones for servers that have been given none, and what `ssl` makes of any.

cryptography, which takes 8 MB, is imported where a certificate is made and no sooner.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509

_LIFETIME = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)  # clients whose clocks are behind


class KeyPair(NamedTuple):
    """A certificate and its key, both in PEM."""

    certificate: bytes
    """The chain after it, where there is one, belongs here too."""
    key: bytes

    def __repr__(self) -> str:
        return f"KeyPair({self.certificate!r}, key=...)"


class CertificateError(ValueError):
    """A certificate cannot be used with its key; the message says why."""


def self_signed(hosts: Iterable[str], *, common_name: str) -> KeyPair:
    """A certificate that is its own authority, valid for a year.

    Args:
        hosts: DNS names and IP addresses that it is good for.
        common_name: what it is called.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def server_context(pair: KeyPair) -> ssl.SSLContext:
    """The context of a server with that certificate: TLS 1.2 and later, HTTP/1.1 as its only protocol (ALPN).

    Raises:
        CertificateError: it is no certificate, the key is not its key, or the key is encrypted.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    load_key_pair(context, pair)
    return context


def load_key_pair(context: ssl.SSLContext, pair: KeyPair) -> None:
    """Give a context the certificate that it shows.

    Raises:
        CertificateError: it is no certificate, the key is not its key, or the key is encrypted.
    """
    # ssl reads certificates from files alone. A memory file has no name in any directory, is on no disk, and is gone
    # once it is closed, however this process ends.
    with os.fdopen(os.memfd_create("certificate"), "wb") as file:
        file.write(pair.certificate + b"\n" + pair.key)
        file.flush()
        try:
            # Without the empty password OpenSSL would ask for that of an encrypted key on the terminal, and wait.
            context.load_cert_chain(f"/proc/self/fd/{file.fileno()}", password="")
        except OSError as error:  # ssl.SSLError is one
            raise CertificateError(_reason(pair, error)) from error


def _reason(pair: KeyPair, error: OSError) -> str:
    if b"ENCRYPTED" in pair.key:
        return "the key is encrypted; store it without a passphrase"
    if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
        return "the key is not that of the certificate"
    return "certificate or key is not valid PEM"


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
