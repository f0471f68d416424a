"""Answers that go out in blocks (RFC 7959, Block2), because they are large or their receiver is not known yet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import blake2b

from firstboot_plugins.transports.coap.kept import Kept
from firstboot_plugins.transports.coap.messages import Code, Message, Option
from firstboot_plugins.transports.coap.options import Block
from firstboot_plugins.transports.coap.peers import Peer, Verified
from firstboot_plugins.transports.coap.replies import Answered, Reply, RequestKey, request_key

LIFE_S = 60.0
MOST = 1024
MOST_BYTES = 16 * 1024 * 1024
_WHOLE = Block(0, False, 6)
LARGEST_BLOCK = _WHOLE.size


@dataclass(slots=True)
class _Download:
    reply: Reply
    allowance: int
    """Bytes that the peer may still be sent for those that it has sent, if it is not verified."""


class Downloads:
    """Answers of which a peer has got the first block."""

    def __init__(self, verified: Verified, monotonic: Callable[[], float]) -> None:
        self._verified = verified
        self._downloads: Kept[RequestKey, _Download] = Kept(
            monotonic, life_s=LIFE_S, most=MOST, most_bytes=MOST_BYTES
        )

    def __len__(self) -> int:
        return len(self._downloads)

    def further(self, message: Message, peer: Peer, most: int | None) -> Reply | None:
        """Return the block of an earlier answer that a request asks for; None when it asks for a new one.

        Raises: `Answered` for a block of an answer that is forgotten, or that would be too large.
        """
        wanted = _wanted(message)
        if wanted.number == 0:
            return None
        download = self._downloads.get(request_key(message, peer, with_tag=False))
        if download is not None:
            return self._part(download, wanted, message.token, peer, most)
        if message.code == Code.GET:
            return None  # asked again, it gives the same answer, unless it has changed
        raise Answered(Code.REQUEST_ENTITY_INCOMPLETE)

    def reply(self, message: Message, peer: Peer, reply: Reply, most: int | None) -> Reply:
        """Return a reply that has at most so many bytes as a message; None: as large as messages may be.

        Raises: `Answered`.
        """
        wanted = _wanted(message)
        if not reply.payload:
            return reply
        fits = most is None or reply.size(message.token) <= most
        if fits and wanted.number == 0 and len(reply.payload) <= wanted.size:
            return reply
        download = _Download(reply, 0)
        self._downloads.put(request_key(message, peer, with_tag=False), download, len(reply.payload))
        if wanted.number > 0:
            return self._part(download, wanted, message.token, peer, most)
        for exponent in range(wanted.size_exponent, -1, -1):
            part = self._cut(reply, Block(0, False, exponent))
            if most is None:
                return part
            part = part.with_option(Option.ECHO, self._verified.challenge(peer))
            if part.size(message.token) <= most:
                download.allowance = most - part.size(message.token)
                return part
        raise self._challenged(peer)

    def _part(self, download: _Download, wanted: Block, token: bytes, peer: Peer, most: int | None) -> Reply:
        if wanted.start >= len(download.reply.payload):
            raise Answered(Code.BAD_REQUEST)
        part = self._cut(download.reply, wanted)
        if most is not None:
            download.allowance += most - part.size(token)
            if download.allowance < 0:
                download.allowance = 0
                raise self._challenged(peer)
        return part

    def _cut(self, reply: Reply, wanted: Block) -> Reply:
        end = wanted.start + wanted.size
        more = end < len(reply.payload)
        part = replace(
            reply,
            payload=reply.payload[wanted.start : end],
            # Who asks for the last block has all the others.
            delivered=None if more else reply.delivered,
        )
        if wanted.number > 0:  # an observer has its number with the first block (RFC 7959, 2.6)
            part = part.without_option(Option.OBSERVE)
        if reply.code == Code.CONTENT:
            part = part.with_option(Option.ETAG, blake2b(reply.payload, digest_size=4).digest())
        return part.with_option(Option.BLOCK2, replace(wanted, more=more).encode())

    def _challenged(self, peer: Peer) -> Answered:
        return Answered(Code.UNAUTHORIZED, (Option.ECHO, self._verified.challenge(peer)))


def _wanted(message: Message) -> Block:
    value = message.first(Option.BLOCK2)
    if value is None:
        return _WHOLE
    block = Block.decode(value)
    if block is None:
        raise Answered(Code.BAD_OPTION)
    return block
