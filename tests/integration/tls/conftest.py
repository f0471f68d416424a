"""A server that listens in every way, with certificates of a CA of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.tls.making import Identity, authority, issue
from tests.integration.tls.secured import Secured, secured


@pytest.fixture(scope="session")
def ca() -> Identity:
    """Return who vouches for the servers."""
    return authority()


@pytest.fixture
def identity(ca: Identity) -> Identity:
    """Return the server's certificate."""
    return issue("server", by=ca, hosts=["localhost"])


@pytest.fixture
async def live(tmp_path: Path, ca: Identity, identity: Identity) -> AsyncIterator[Secured]:
    """Run a server that asks its peers for certificates."""
    async with secured(tmp_path, ca, identity) as started:
        yield started
