"""MQ-4: client certificates whose signatures take long to check, as a stranger may make them."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.integration.tls.making import Identity, authority, costly_key, issue
from tests.integration.tls.secured import Secured, secured
from tests.integration.x509.fleet import chain_of

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Secured]:
    async with secured(tmp_path, CA, SERVER) as started:
        yield started


async def outcome(live: Secured, who: Identity) -> str:
    """Return what becomes of a login with this certificate."""
    try:
        peer = await live.open(live.client(who))
        reason = await live.connack(peer)
    except (ssl.SSLError, ConnectionError, AssertionError, EOFError):
        return "no handshake"
    await peer.close()
    return f"refused with {reason}"


async def test_mq_4_keys_that_cost_too_much_end_the_handshake(live: Secured) -> None:
    key = costly_key()
    above = issue("maker", key=key, is_ca=True)
    between = issue("shift", by=issue("maker", is_ca=True), key=key, is_ca=True)

    assert await outcome(live, issue("device", key=key)) == "no handshake"
    assert await outcome(live, chain_of(issue("device", by=above), above)) == "no handshake"
    assert await outcome(live, chain_of(issue("device", by=between), between)) == "no handshake"


@pytest.mark.parametrize("bits", [2048, 4096])
async def test_keys_as_everybody_has_them_are_looked_at(live: Secured, bits: int) -> None:
    key = rsa.generate_private_key(65537, bits)

    assert await outcome(live, issue("device", key=key)) == "refused with 5"
