"""Certificates in files, which whoever renews them replaces while the server runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import structlog

from controller_runtime import metrics
from controller_runtime.certificates import CertificateError, KeyPair, server_context

log = structlog.get_logger(__name__)

ConfigureTls: TypeAlias = Callable[[ssl.SSLContext], None]
"""Changes a context before it is used, for example its ciphers; called for each certificate."""

_POLL_SECONDS = 10.0  # the original's, which file events merely hurry; a Secret takes a minute to reach its volume


class CertificateWatcher:
    """The TLS context of a server whose certificate comes from two files; a Runnable that looks for changes.

    The files' contents count, not their times: a volume of a Secret swaps a symlink over both files at once. A
    certificate that cannot be used leaves the one before in place. New connections get the new one, open ones go on.

    Args:
        certificate: PEM, with the chain after it.
        key: PEM, not encrypted.
        configure: see `ConfigureTls`.

    Raises:
        CertificateError: the files cannot be read or used; the message names them.
    """

    needs_leader_election = False

    def __init__(self, certificate: Path, key: Path, *, configure: ConfigureTls | None = None) -> None:
        self._certificate = certificate
        self._key = key
        self._configure = configure
        self._complaint = ""
        self._pair: KeyPair | None = None
        self._newest: ssl.SSLContext
        self._read()
        self.context = self._newest
        """What the server shall be given, once: each handshake then takes the newest certificate."""
        self.context.sni_callback = self._hand_out

    async def start(self) -> None:
        """Looks every 10 s until cancelled."""
        while True:
            await asyncio.sleep(_POLL_SECONDS)
            self._look()

    def _look(self) -> None:
        """Takes a changed certificate over. A complaint is logged once, until it changes or all is well again."""
        try:
            changed = self._read()
        except CertificateError as error:
            if str(error) != self._complaint:
                log.error("a new certificate cannot be used, the one before stays in use", error=str(error))
            self._complaint = str(error)
            return
        self._complaint = ""
        if changed:
            log.info("a new certificate is in use", certificate=str(self._certificate))

    def _read(self) -> bool:
        """Whether the files held something new, which is in use now."""
        metrics.CERTIFICATE_READS.inc()
        try:
            pair = KeyPair(self._certificate.read_bytes(), self._key.read_bytes())
            if pair == self._pair:
                return False
            context = server_context(pair)
        except OSError as error:
            metrics.CERTIFICATE_READ_ERRORS.inc()
            raise CertificateError(f"cannot read the certificate: {error.filename}: {error.strerror}") from error
        except CertificateError as error:
            metrics.CERTIFICATE_READ_ERRORS.inc()
            raise CertificateError(f"cannot use {self._certificate} with {self._key}: {error}") from error
        if self._configure is not None:
            self._configure(context)
        self._pair, self._newest = pair, context
        return True

    def _hand_out(self, connection: ssl.SSLSocket | ssl.SSLObject, _name: str | None, _first: ssl.SSLContext) -> None:
        """Called in each handshake, whether the client names a server or not."""
        connection.context = self._newest
