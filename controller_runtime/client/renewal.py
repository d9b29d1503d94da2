"""Keeps the credential of a user fresh."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import structlog

from controller_runtime.client.config import Credential
from controller_runtime.client.errors import ConfigError
from controller_runtime.client.user_credentials import UserCredentials

log = structlog.get_logger(__name__)

_REFRESH_SECONDS = 30.0
"""How often files are read again, a pod's token among them; client-go does so each minute."""
_RETRY_SECONDS = 10.0
"""Shortest time between two renewals that fail, or that the server's 401 asks for."""


class RenewedCredentials:
    """Reads the user's credential again when it is due, in one task however many requests wait for it.

    Args:
        user: Where the credential comes from.
        first: What it gave first.
        origin: Who the user is, for the log.
    """

    def __init__(self, user: UserCredentials, first: Credential, origin: str) -> None:
        self._user = user
        self._credential = first
        self._origin = origin
        self._attempted = -_RETRY_SECONDS
        self._due = 0.0
        self._refresh: asyncio.Task[None] | None = None

    async def current(self) -> Credential:
        """The credential to use now. One that cannot be renewed is used on: the server's answer decides."""
        loop = asyncio.get_running_loop()
        if loop.time() >= self._due:
            if self._refresh is None:
                self._refresh = loop.create_task(self._renew(loop), name="refresh API credentials")
            # Shielded: the request that happened to come first may be cancelled, and a plugin run must not be with it.
            await asyncio.shield(self._refresh)
        return self._credential

    def reject(self, refused: Credential) -> None:
        """After a 401: renew before the next request, if the last renewal was not just now.

        Not for a credential that has been replaced since the request was sent: the new one may do, and another run of
        a plugin might ask a person to log in again.
        """
        if refused != self._credential:
            return
        self._user.forget()
        self._due = min(self._due, self._attempted + _RETRY_SECONDS)

    async def _renew(self, loop: asyncio.AbstractEventLoop) -> None:
        self._attempted = loop.time()
        try:
            self._credential = await self._user.read()
            self._due = loop.time() + self._seconds_until_refresh()
        except Exception as error:  # whatever a plugin or a provider makes of it, the old credential may still do
            self._due = loop.time() + _RETRY_SECONDS
            expected = isinstance(error, ConfigError | OSError | ValueError)
            log.warning(
                "cannot renew API credentials, using the old ones",
                origin=self._origin,
                error=str(error) or type(error).__name__,
                exc_info=None if expected else error,
            )
        finally:
            self._refresh = None

    def _seconds_until_refresh(self) -> float:
        if self._user.renew_at is None:
            return _REFRESH_SECONDS
        left = (self._user.renew_at - datetime.now(UTC)).total_seconds()
        return min(_REFRESH_SECONDS, max(left, 1.0))
