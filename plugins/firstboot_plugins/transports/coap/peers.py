"""Whom a datagram is from, and whether it really came from there (threat CO-1)."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from hashlib import blake2b
from typing import NamedTuple

from firstboot_plugins.transports.coap.kept import Kept

VERIFIED_S = 600.0
MAX_VERIFIED = 65_536
ECHO_S = 120
_TIME_BYTES = 4
_PROOF_BYTES = 12


class Peer(NamedTuple):
    """An address and port, and our own address that it knows, in the form that the socket takes."""

    address: str
    port: int
    scope: int = 0
    local: bytes = b""
    session: int = 0
    """Of DTLS, never given twice; 0 without encryption. Whoever has one has shown at its beginning who it is."""

    @property
    def host(self) -> str:
        """The address as people write it; a socket for both kinds spells those of IPv4 in another way."""
        return self.address.removeprefix("::ffff:") if "." in self.address else self.address


class Heard:
    """The peers that have answered a message of ours, whose number nobody else can know: somebody is there.

    Whether it wants what is sent to it is another question. Whoever speaks CoAP rejects an empty message, and some
    acknowledge what they have not asked for.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._peers: Kept[Peer, bool] = Kept(monotonic, life_s=VERIFIED_S, most=MAX_VERIFIED)

    def __contains__(self, peer: object) -> bool:
        return isinstance(peer, Peer) and (peer.session != 0 or self._peers.get(peer) is not None)

    def add(self, peer: Peer) -> None:
        self._peers.put(peer, True)


class Verified(Heard):
    """The peers that want what is sent to them: they have sent back the value of an Echo option (RFC 9175)."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__(monotonic)
        self._monotonic = monotonic
        self._key = secrets.token_bytes(32)

    def challenge(self, peer: Peer) -> bytes:
        """Return a value that only the peer can send back; nothing is kept of it."""
        at = int(self._monotonic()).to_bytes(8)[-_TIME_BYTES:]
        return at + self._proof(at, peer)

    def check(self, peer: Peer, value: bytes) -> bool:
        """Say whether this is a challenge that the peer got of late; if so it is verified from now on."""
        at, proof = value[:_TIME_BYTES], value[_TIME_BYTES:]
        age = (int(self._monotonic()) - int.from_bytes(at)) % (1 << 8 * _TIME_BYTES)
        if age > ECHO_S or not hmac.compare_digest(proof, self._proof(at, peer)):
            return False
        self.add(peer)
        return True

    def _proof(self, at: bytes, peer: Peer) -> bytes:
        where = f"{peer.address} {peer.port} ".encode()
        return blake2b(where + at, key=self._key, digest_size=_PROOF_BYTES).digest()
