"""Requests that come in blocks (RFC 7959, Block1), within bounds (threat CO-3)."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass, field

from firstboot.throttle import source_of
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.kept import Kept
from firstboot_plugins.transports.coap.messages import Code, Message, Option
from firstboot_plugins.transports.coap.options import Block, uint
from firstboot_plugins.transports.coap.peers import Peer
from firstboot_plugins.transports.coap.replies import Answered, RequestKey, request_key

RETRY_AFTER_S = 5


@dataclass(slots=True)
class _Upload:
    body: bytearray = field(default_factory=bytearray)
    received: int = 0


class Uploads:
    """Bodies of which some blocks are there."""

    def __init__(self, config: CoapConfig, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._uploads: Kept[RequestKey, _Upload] = Kept(
            monotonic, life_s=config.upload_timeout.total_seconds(), most=config.max_uploads
        )

    def __len__(self) -> int:
        return len(self._uploads)

    @property
    def are_full(self) -> bool:
        self._uploads.forget()
        return len(self._uploads) >= self._config.max_uploads

    def take(self, message: Message, peer: Peer, size: int, heard: Container[Peer] = ()) -> tuple[bytes, int]:
        """Return the complete body, and how many bytes in all the peer has sent for it.

        ``heard``: peers for which those make room that may not be where their datagrams say.

        Raises: `Answered` when more is to come, or when this does not fit to what came before.
        """
        value = message.first(Option.BLOCK1)
        if value is None:
            self._check_size(len(message.payload))
            return message.payload, size
        block = Block.decode(value)
        if block is None:
            raise Answered(Code.BAD_OPTION)
        key = request_key(message, peer, with_tag=True)
        upload = self._begin(key, message, heard) if block.number == 0 else self._uploads.get(key)
        if upload is None:
            raise Answered(Code.REQUEST_ENTITY_INCOMPLETE)
        try:
            self._append(upload, block, message.payload)
        except Answered:
            self._uploads.drop(key)
            raise
        upload.received += size
        if block.more:
            raise Answered(Code.CONTINUE, (Option.BLOCK1, value))
        self._uploads.drop(key)
        return bytes(upload.body), upload.received

    def _begin(self, key: RequestKey, message: Message, heard: Container[Peer]) -> _Upload:
        self._check_size(int.from_bytes(message.first(Option.SIZE1) or b""))
        self._uploads.drop(key)
        self._uploads.forget()
        source = source_of(key[0].address)
        neighbours = [other for other in self._uploads if source_of(other[0].address) == source]
        if len(neighbours) >= self._config.max_uploads_per_address:
            self._uploads.drop(neighbours[0])
        elif self.are_full:
            strangers = (other for other in self._uploads if other[0] not in heard)
            stranger = next(strangers, None) if key[0] in heard else None
            if stranger is None:
                raise Answered(Code.SERVICE_UNAVAILABLE, (Option.MAX_AGE, uint(RETRY_AFTER_S)))
            self._uploads.drop(stranger)
        upload = _Upload()
        self._uploads.put(key, upload)
        return upload

    def _append(self, upload: _Upload, block: Block, payload: bytes) -> None:
        if len(payload) > block.size or (block.more and len(payload) != block.size):
            raise Answered(Code.BAD_REQUEST)
        end = block.start + len(payload)
        self._check_size(end)
        if block.start == len(upload.body):
            upload.body += payload
        elif bytes(upload.body[block.start : end]) != payload:  # a block that came before may come again
            raise Answered(Code.REQUEST_ENTITY_INCOMPLETE)

    def _check_size(self, size: int) -> None:
        if size > self._config.max_body:
            raise Answered(Code.REQUEST_ENTITY_TOO_LARGE, (Option.SIZE1, uint(self._config.max_body)))
