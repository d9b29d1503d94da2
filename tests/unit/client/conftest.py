"""Settings and fixtures of these tests."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.client.loopback import Certificates

# pytest-asyncio 1.5 asks for the current event loop before its own is made; Python then creates one that nobody closes,
# and the warning fails whichever test runs when it is collected. Once the loop has been set to None, none is created.
asyncio.set_event_loop(None)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return a CA with a certificate for a server on loopback and one for a client."""
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.make_ca()
    made.sign("server", "api", "localhost", "kubernetes.default.svc", "127.0.0.1")
    made.sign("client", "alice")
    return made
