"""A server with a fleet of devices that have certificates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.x509.fleet import Fleet, fleet_at


@pytest.fixture(scope="session")
def ca() -> Identity:
    """Return who vouches for the server."""
    return authority()


@pytest.fixture(scope="session")
def identity(ca: Identity) -> Identity:
    """Return the server's certificate."""
    return issue("server", by=ca, hosts=["localhost"])


@pytest.fixture
async def fleet(tmp_path: Path, ca: Identity, identity: Identity) -> AsyncIterator[Fleet]:
    async with fleet_at(tmp_path, ca, identity) as started:
        yield started
