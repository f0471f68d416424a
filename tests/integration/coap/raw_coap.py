"""A bare CoAP client that sends what it is told, broken datagrams too, and hides nothing of what comes back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from tests.harness import WAIT_S

from firstboot_plugins.transports.coap.messages import Code, Message, Option, Type, decode, empty, is_request
from firstboot_plugins.transports.coap.options import Block, uint

PROVISION = "api/v1/provision"


def coap_request(
    code: Code,
    path: str,
    payload: bytes = b"",
    *,
    type_: Type = Type.CON,
    message_id: int = 1,
    token: bytes = b"t",
    query: tuple[str, ...] = (),
    options: tuple[tuple[int, bytes], ...] = (),
) -> Message:
    """Return a request; the numbers of its options are put in order."""
    all_options = [
        *((Option.URI_PATH, segment.encode()) for segment in path.split("/")),
        *((Option.URI_QUERY, each.encode()) for each in query),
        *options,
    ]
    ordered = tuple(sorted(((int(number), value) for number, value in all_options), key=lambda each: each[0]))
    return Message(type_, code, message_id, token, ordered, payload)


class CoapPeer(asyncio.DatagramProtocol):
    """A socket of a device."""

    def __init__(self) -> None:
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport
        self._message_id = 1000
        self._closed = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received.put_nowait(data)

    def send(self, what: Message | bytes) -> int:
        """Send; return how many bytes that were."""
        data = what if isinstance(what, bytes) else what.encode()
        self._transport.sendto(data)
        return len(data)

    async def receive(self) -> bytes:
        async with asyncio.timeout(WAIT_S):
            return await self._received.get()

    async def hear(self) -> Message:
        """Return the next message."""
        return decode(await self.receive())

    def next_id(self) -> int:
        self._message_id += 1
        return self._message_id

    async def ask(self, code: Code, path: str, payload: bytes = b"", **more: Any) -> Message:
        """Send a request under a number of its own; return its answer, whichever message it is in."""
        message_id = self.next_id()
        token = message_id.to_bytes(2)
        self.send(coap_request(code, path, payload, message_id=message_id, token=token, **more))
        return await self.answer(token)

    async def answer(self, token: bytes) -> Message:
        """Return the answer with this token; acknowledge what wants it, and give signs of life."""
        while True:
            message = await self.hear()
            if message.type is Type.CON and message.code == Code.EMPTY:
                self.send(empty(Type.RST, message.id))
            elif message.code != Code.EMPTY and not is_request(message.code) and message.token == token:
                if message.type is Type.CON:
                    self.send(empty(Type.ACK, message.id))
                return message

    async def post(self, path: str, body: Any, **more: Any) -> Message:
        """Send a JSON value."""
        return await self.ask(Code.POST, path, json.dumps(body).encode(), **more)

    async def provision(self, request: Mapping[str, Any], **more: Any) -> Message:
        return await self.post(PROVISION, request, **more)

    async def ping(self) -> None:
        """Wait until everything that was sent before has been read: the answer to this one comes after it."""
        message_id = self.next_id()
        self.send(empty(Type.CON, message_id))
        while (message := await self.hear()).type is not Type.RST or message.id != message_id:
            pass

    def unread(self) -> list[Message]:
        """Return what has come and was not looked at."""
        messages = []
        while not self._received.empty():
            messages.append(decode(self._received.get_nowait()))
        return messages

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()

    async def close(self) -> None:
        self._transport.close()
        await self._closed.wait()


@asynccontextmanager
async def coap_peer(port: int) -> AsyncIterator[CoapPeer]:
    """Open a socket to a server on this machine."""
    _, peer = await asyncio.get_running_loop().create_datagram_endpoint(CoapPeer, remote_addr=("127.0.0.1", port))
    try:
        yield peer
    finally:
        await peer.close()


def block(number: int, more: bool, exponent: int) -> bytes:
    return Block(number, more, exponent).encode()


def block2_of(message: Message) -> Block | None:
    value = message.first(Option.BLOCK2)
    return None if value is None else Block.decode(value)


async def whole(peer: CoapPeer, where: str, **more: Any) -> tuple[int, bytes]:
    """Get all blocks of a resource, knowing nothing of Echo; return its code and payload."""
    answer = await peer.ask(Code.GET, where, **more)
    payload = answer.payload
    while (part := block2_of(answer)) is not None and part.more:
        further = ((Option.BLOCK2, block(part.number + 1, False, part.size_exponent)),)
        answer = await peer.ask(Code.GET, where, options=further, **more)
        payload += answer.payload
    return answer.code, payload


OBSERVE = ((Option.OBSERVE, uint(0)),)
STOP_OBSERVING = ((Option.OBSERVE, uint(1)),)


def observe_number(message: Message) -> int | None:
    value = message.first(Option.OBSERVE)
    return None if value is None else int.from_bytes(value)
