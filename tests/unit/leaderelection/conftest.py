"""The API server and a maker of replicas, all of which are stopped in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.unit.leaderelection.lease_api import LeaseApi
from tests.unit.leaderelection.replica import Replica


@pytest.fixture
def api() -> LeaseApi:
    return LeaseApi()


@pytest.fixture
async def replica(api: LeaseApi) -> AsyncIterator[Callable[..., Replica]]:
    made: list[Replica] = []

    def make(identity: str, **options: Any) -> Replica:
        made.append(Replica(api, identity, **options))
        return made[-1]

    yield make
    for one in made:
        await one.kill()
