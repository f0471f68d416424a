"""CoAP (RFC 7252) of clients: a request as bytes, and a socket that sends one and waits for its answer."""

from __future__ import annotations

import asyncio

_POST = b"\x44\x02"
"""Confirmable, with a token of four bytes."""
_GET = b"\x54\x01"
"""The same, not to be confirmed."""
_PROVISION = b"\xb3api\x02v1\x09provision\xff"
_CONFIRMABLE = 0
_EMPTY = 0
_ACK = b"\x60\x00"


def post(number: int, payload: bytes) -> bytes:
    """Return the ``number``-th request of a load, for ``api/v1/provision``."""
    # The number of a message may come again: it means another request as soon as the bytes are others.
    return _POST + (number & 0xFFFF).to_bytes(2, "big") + number.to_bytes(4, "big") + _PROVISION + payload


def get_nothing(number: int) -> bytes:
    """Return a request for something that is not there."""
    return _GET + (number & 0xFFFF).to_bytes(2, "big") + number.to_bytes(4, "big") + b"\xb7nothing"


class CoapSocket(asyncio.DatagramProtocol):
    """A client's socket. It sends nothing a second time: on the loopback nothing is lost."""

    done: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.DatagramTransport = transport  # type: ignore[assignment]

    async def cycle(self, requests: tuple[bytes, ...], answers: tuple[bytes, ...]) -> None:
        """Raises: `RuntimeError` when the answer is not the one that was hoped for."""
        self.done = asyncio.get_running_loop().create_future()
        (self._request,), (self._answer,) = requests, answers
        self.send(self._request)
        await self.done

    def send(self, message: bytes) -> None:
        self._transport.sendto(message)

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[1] == _EMPTY:  # the answer comes by itself, when it is there
            return
        if data[0] >> 4 & 3 == _CONFIRMABLE:
            self.send(_ACK + data[2:4])
        if data[4:8] == self._request[4:8] and self._answer in data:
            self.done.set_result(None)
        else:
            self._fail(f"answer: {data[:200]!r}")

    def error_received(self, exc: Exception) -> None:
        self._fail(f"no server: {exc}")

    def _fail(self, what: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(what))
        self._transport.abort()
