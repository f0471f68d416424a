"""The end of a pipe in memory that amqtt writes to."""

from __future__ import annotations

import ssl
from collections.abc import Callable

from amqtt.adapters import WriterAdapter


class PipeWriter(WriterAdapter):
    """Hands each packet that amqtt writes to the other end at once; there is nothing to wait for."""

    def __init__(self, receive: Callable[[bytes], None], closed: Callable[[], None]) -> None:
        self._receive = receive
        self._closed = closed

    def write(self, data: bytes) -> None:
        self._receive(data)

    async def drain(self) -> None:
        pass

    def get_peer_info(self) -> tuple[str, int]:
        return "door", 0

    def get_ssl_info(self) -> ssl.SSLObject | None:
        return None

    async def close(self) -> None:
        self._closed()
