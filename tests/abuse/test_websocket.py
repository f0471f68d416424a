"""MQTT over WebSocket under attack (threat MQ-16), on the plain listener and on the one with TLS."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import WAIT_S, MqttPeer
from tests.integration.mqtt.probe import door_of, emptied, quiet_log, token_device
from tests.integration.tls.making import authority, issue
from tests.integration.tls.secured import Secured, secured
from websockets.frames import Close

from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Publish,
)

__all__ = ["quiet_log"]
pytestmark = pytest.mark.usefixtures("quiet_log")

CA = authority()
SERVER = issue("server", by=CA, hosts=["localhost"])
LISTENERS = ["mqttws", "mqttwss"]
every_listener = pytest.mark.parametrize("listener", LISTENERS)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
HELLO = Connect(4, "c", True, 60, "provision").encode(4)
WELCOME = Connack(False, 0).encode(4)


@contextlib.asynccontextmanager
async def live_server(tmp_path: Path, **mqtt: Any) -> AsyncIterator[Secured]:
    async with secured(tmp_path, CA, SERVER, mqtt=mqtt) as live:
        yield live


@pytest.fixture
async def live(tmp_path: Path) -> AsyncIterator[Secured]:
    async with live_server(tmp_path) as started:
        yield started


def frame(opcode: int, payload: bytes = b"", *, fin: bool = True, masked: bool = True, bits: int = 0) -> bytes:
    """Return a frame as a client sends it, or as none should."""
    head = bytes([(0x80 if fin else 0) | bits | opcode])
    mark = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([mark | len(payload)])
    elif len(payload) < 65_536:
        head += bytes([mark | 126]) + struct.pack("!H", len(payload))
    else:
        head += bytes([mark | 127]) + struct.pack("!Q", len(payload))
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def opening(path: str = "/mqtt", *, host: str = "localhost", protocol: str | None = "mqtt", **more: str) -> bytes:
    """Return a request that opens a connection; underscores in the names of further headers are hyphens."""
    headers = {
        "Host": host,
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode(),
        **({"Sec-WebSocket-Protocol": protocol} if protocol is not None else {}),
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode()


class Socket:
    """A WebSocket client that sends what it is told."""

    def __init__(self, peer: MqttPeer) -> None:
        self.peer = peer

    async def send(self, *pieces: bytes) -> None:
        self.peer.writer.write(b"".join(pieces))
        with contextlib.suppress(ConnectionError):
            await self.peer.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Return status and head of the answer to the opening request."""
        async with asyncio.timeout(WAIT_S):
            head = await self.peer.reader.readuntil(b"\r\n\r\n")
        return int(head.split()[1]), head

    async def frame(self) -> tuple[int, bytes] | None:
        """Return opcode and payload of the next frame; None when the server has closed."""
        async with asyncio.timeout(WAIT_S):
            try:
                first, length = await self.peer.reader.readexactly(2)
                if length == 126:
                    (length,) = struct.unpack("!H", await self.peer.reader.readexactly(2))
                elif length == 127:
                    (length,) = struct.unpack("!Q", await self.peer.reader.readexactly(8))
                return first & 0x0F, await self.peer.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError):
                return None

    async def close_code(self) -> int | None:
        """Wait until the server closes; return the code that it has said."""
        code = None
        while (got := await self.frame()) is not None:
            if got[0] == CLOSE:
                code = Close.parse(got[1]).code
        self.abort()
        return code

    def abort(self) -> None:
        self.peer.writer.transport.abort()


async def connect(live: Secured, listener: str) -> Socket:
    """Open the TCP connection, and TLS where it belongs to it."""
    if listener == "mqttws":
        return Socket(await MqttPeer.open(live.port(listener)))
    return Socket(await live.open(listener=listener))


async def opened(live: Secured, listener: str = "mqttws", **more: str) -> Socket:
    socket = await connect(live, listener)
    await socket.send(opening(**more))
    assert (await socket.answer())[0] == 101
    return socket


async def provisioning(live: Secured, listener: str = "mqttws") -> Socket:
    """Open a session."""
    socket = await opened(live, listener)
    await socket.send(frame(BINARY, HELLO))
    assert await socket.frame() == (BINARY, WELCOME)
    return socket


async def served(live: Secured) -> None:
    """Fail unless devices are served as ever, and nothing is left of anybody."""
    socket = await provisioning(live)
    await socket.send(frame(BINARY, Disconnect().encode(4)), frame(CLOSE))
    await socket.close_code()
    await emptied(live.server, door_of(live.server))


# -- opening ---------------------------------------------------------------------------------------


@every_listener
@pytest.mark.parametrize(("offered", "chosen"), [
    ("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"), ("mqttv3.1, mqtt", "mqtt"), ("chat, mqtt", "mqtt"),
])  # fmt: skip
async def test_mq_16_the_subprotocol_is_mqtt(live: Secured, listener: str, offered: str, chosen: str) -> None:
    socket = await connect(live, listener)
    await socket.send(
        opening(protocol=offered, Sec_WebSocket_Extensions="permessage-deflate; client_max_window_bits")
    )

    status, head = await socket.answer()

    assert status == 101
    assert f"sec-websocket-protocol: {chosen}\r\n".encode() in head.lower()
    assert b"sec-websocket-extensions" not in head.lower()  # a bomb could be in what is compressed
    socket.abort()
    await served(live)


NOT_OPENED: dict[str, tuple[bytes, int]] = {
    "no subprotocol": (opening(protocol=None), 400),
    "another subprotocol": (opening(protocol="chat"), 400),
    "an empty subprotocol": (opening(protocol=""), 400),
    "another path": (opening("/other"), 404),
    "no key": (opening(Sec_WebSocket_Key=""), 400),
    "a short key": (opening(Sec_WebSocket_Key="AAAA"), 400),
    "an old version": (opening(Sec_WebSocket_Version="8"), 400),
    "no upgrade": (b"GET /mqtt HTTP/1.1\r\nHost: localhost\r\n\r\n", 426),
    "no host": (opening().replace(b"Host: localhost\r\n", b""), 400),
    "two hosts": (opening().replace(b"Host: localhost\r\n", b"Host: localhost\r\nHost: other\r\n"), 400),
    "two origins": (opening(Origin="http://a").replace(b"Origin", b"Origin: http://b\r\nOrigin"), 400),
    "POST": (opening().replace(b"GET", b"POST", 1), 400),
    "HTTP/1.0": (opening().replace(b"HTTP/1.1", b"HTTP/1.0", 1), 400),
    "no HTTP": (b"hello\r\n\r\n", 400),
    "MQTT": (HELLO + b"\r\n", 400),
    "a line without end": (b"GET /" + b"a" * 9000, 400),
}  # fmt: skip


@every_listener
async def test_mq_16_what_asks_for_no_mqtt_is_answered_and_closed(
    live: Secured, listener: str, subtests: pytest.Subtests
) -> None:
    for what, (sent, expected) in NOT_OPENED.items():
        with subtests.test(what):
            socket = await connect(live, listener)

            await socket.send(sent)

            assert (await socket.answer())[0] == expected
            await socket.close_code()
    await served(live)


ORIGINS = [
    ("http://localhost:8080", "localhost:8083", 101),
    ("https://LOCALHOST", "localhost", 101),
    ("http://[::1]:3000", "[::1]:8083", 101),
    ("http://evil.example", "localhost:8083", 403),
    ("http://localhost.evil.example", "localhost", 403),
    ("http://evil.example/localhost", "localhost", 403),
    ("http://localhost@evil.example", "localhost", 403),
    ("null", "localhost", 403),
    ("", "localhost", 403),
    ("http://[::1", "localhost", 403),
    ("file://", "localhost", 403),
    ("null", "", 403),
]


async def test_mq_16_pages_of_other_hosts_may_not_connect(live: Secured, subtests: pytest.Subtests) -> None:
    for origin, host, status in ORIGINS:
        with subtests.test(origin, host=host):
            socket = await connect(live, "mqttws")

            await socket.send(opening(host=host, Origin=origin))

            assert (await socket.answer())[0] == status
            socket.abort()
    await served(live)


@pytest.mark.parametrize(("allowed", "origin", "status"), [
    (["https://iot.example.com"], "https://iot.example.com", 101),
    (["https://iot.example.com"], "https://iot.example.com:444", 403),
    (["https://iot.example.com"], "http://iot.example.com", 403),
    (["https://iot.example.com"], "http://localhost", 403),
    ([], "http://localhost", 403),
])  # fmt: skip
async def test_mq_16_op_15_a_list_of_origins_is_all_that_may_connect(
    tmp_path: Path, allowed: list[str], origin: str, status: int
) -> None:
    async with live_server(tmp_path, ws_origins=allowed) as live:
        socket = await connect(live, "mqttws")
        await socket.send(opening(Origin=origin))
        assert (await socket.answer())[0] == status
        socket.abort()
        await served(live)  # programs do not say where they come from


@every_listener
async def test_mq_4_who_does_not_open_is_dropped_in_time(tmp_path: Path, listener: str) -> None:
    async with live_server(tmp_path, connect_timeout="500ms") as live:
        socket = await connect(live, listener)
        await socket.send(opening()[:40])
        assert await socket.close_code() is None

        silent = await opened(live, listener)
        await silent.send(frame(PING), frame(BINARY))  # which is nothing of MQTT
        await silent.close_code()
        await emptied(live.server, door_of(live.server))


async def test_mq_4_headers_without_end_are_cut(live: Secured) -> None:
    socket = await connect(live, "mqttws")

    await socket.send(opening()[:-2], *[b"X-%d: %s\r\n" % (n, b"a" * 1000) for n in range(20)])

    assert await socket.close_code() is None
    await served(live)


async def test_frames_right_behind_the_request_are_read(live: Secured) -> None:
    """A client should wait, and nothing breaks where it does not."""
    socket = await connect(live, "mqttws")

    await socket.send(opening(), frame(BINARY, HELLO))

    assert (await socket.answer())[0] == 101
    assert await socket.frame() == (BINARY, WELCOME)
    socket.abort()


@pytest.mark.parametrize(
    "behind",
    [frame(CLOSE), frame(BINARY, HELLO, masked=False), b"\xff" * 100],
    ids=["a-close", "not-masked", "no-frame"],
)
async def test_nonsense_right_behind_the_request_ends_that_connection_only(live: Secured, behind: bytes) -> None:
    socket = await connect(live, "mqttws")

    await socket.send(opening(), behind)

    await socket.close_code()
    await served(live)


# -- frames ----------------------------------------------------------------------------------------


@every_listener
async def test_mq_16_packets_may_be_torn_and_joined_anywhere(live: Secured, listener: str) -> None:
    """MQTT 5, 6.0.0-2: the borders of frames mean nothing."""
    socket = await opened(live, listener)
    data = HELLO + Pingreq().encode(4)

    await socket.send(*[frame(BINARY, data[at : at + 1]) for at in range(len(data))])
    assert await socket.frame() == (BINARY, WELCOME)
    assert await socket.frame() == (BINARY, Pingresp().encode(4))
    await socket.send(frame(BINARY, Pingreq().encode(4) * 3))
    answers = b""
    while len(answers) < 6:
        got = await socket.frame()
        assert got is not None
        answers += got[1]

    assert answers == Pingresp().encode(4) * 3
    socket.abort()


async def test_a_message_in_fragments_with_a_ping_in_between(live: Secured) -> None:
    socket = await opened(live)

    await socket.send(
        frame(BINARY, HELLO[:5], fin=False), frame(PING, b"are you there"), frame(CONTINUATION, HELLO[5:])
    )  # fmt: skip

    assert sorted([await socket.frame() or (0, b""), await socket.frame() or (0, b"")]) == [
        (BINARY, WELCOME), (PONG, b"are you there"),
    ]  # fmt: skip
    socket.abort()


BROKEN: dict[str, tuple[bytes, int | None]] = {
    "a text frame": (frame(TEXT, b"hello"), 1003),
    "an empty text frame": (frame(TEXT), 1003),
    "text, and MQTT behind it": (frame(TEXT, b"x", fin=False) + frame(CONTINUATION, HELLO), 1003),
    "a frame without a mask": (frame(BINARY, HELLO, masked=False), 1002),
    "compressed": (frame(BINARY, HELLO, bits=0x40), 1002),
    "an unknown opcode": (frame(3, HELLO), 1002),
    "a continuation of nothing": (frame(CONTINUATION, HELLO), 1002),
    "a message in a message": (frame(BINARY, b"\x10", fin=False) + frame(BINARY, HELLO), 1002),
    "a ping in fragments": (frame(PING, fin=False), 1002),
    "a ping that is too long": (frame(PING, bytes(126)), 1002),
    "a close of one byte": (frame(CLOSE, b"\x03"), 1002),
    "a close with a forbidden code": (frame(CLOSE, b"\x03\xed"), 1002),
    "a close whose reason is no text": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "a message that is too long": (frame(BINARY, bytes(65_537)), 1009),
    "only the length of one": (b"\x82\xff\x7f" + b"\xff" * 7 + bytes(4), 1009),
    "too long in fragments": (frame(BINARY, bytes(60_000), fin=False) + frame(CONTINUATION, bytes(6000)), 1009),
    "no MQTT": (frame(BINARY, b"GET / HTTP/1.1\r\n\r\n"), 1000),
}  # fmt: skip


@every_listener
async def test_mq_16_what_breaks_the_protocol_ends_that_connection_only(
    live: Secured, listener: str, subtests: pytest.Subtests
) -> None:
    neighbour = await provisioning(live, listener)
    for what, (sent, code) in BROKEN.items():
        with subtests.test(what):
            socket = await opened(live, listener)

            await socket.send(sent)

            assert await socket.close_code() == code
            await neighbour.send(frame(BINARY, Pingreq().encode(4)))
            assert await neighbour.frame() == (BINARY, Pingresp().encode(4))
    neighbour.abort()
    await served(live)


@every_listener
async def test_mq_16_an_empty_frame_and_a_close_do_not_freeze_the_server(live: Secured, listener: str) -> None:
    """amqtt's own listener loops for ever over this, before any login."""
    socket = await opened(live, listener)

    await socket.send(frame(BINARY), frame(CLOSE))

    assert await socket.close_code() == 1005
    await served(live)


@every_listener
async def test_mq_16_a_close_in_the_middle_of_a_packet_delivers_nothing(live: Secured, listener: str) -> None:
    socket = await opened(live, listener)

    await socket.send(frame(BINARY, HELLO[:3]), frame(CLOSE, struct.pack("!H", 1000)))

    assert await socket.close_code() == 1000
    await served(live)


async def test_what_comes_right_before_the_close_counts(live: Secured) -> None:
    """A client may publish, take its leave and close in one piece."""
    token = await token_device(live.server, await live.server.profile(), "meter")
    socket = await opened(live)
    await socket.send(frame(BINARY, Connect(4, "m", True, 60, token).encode(4)))
    assert await socket.frame() == (BINARY, WELCOME)

    await socket.send(
        frame(BINARY, Publish("v1/devices/me/attributes", b'{"a":1}', 1, packet_id=9).encode(4)),
        frame(BINARY, Disconnect().encode(4)),
        frame(CLOSE),
    )

    await socket.close_code()
    await emptied(live.server, door_of(live.server))
    async with httpx2.AsyncClient() as client:
        answer = await client.get(f"{live.server.url}/api/v1/{token}/attributes", params={"clientKeys": "a"})
    assert answer.json() == {"client": {"a": 1}}


async def test_mq_17_frames_without_end_end_the_connection(tmp_path: Path) -> None:
    async with live_server(tmp_path, burst=20, messages_per_second=5) as live:
        for flood in (frame(BINARY), frame(PING), frame(PONG), frame(BINARY, b"\x10")):
            socket = await opened(live)
            await socket.send(flood * 2000)
            assert await socket.close_code() in (1000, 1008)
        await emptied(live.server, door_of(live.server))


async def test_mq_11_who_asks_for_pongs_and_does_not_read_them_is_dropped(tmp_path: Path) -> None:
    async with live_server(tmp_path, burst=1_000_000, max_write_buffer=65_536) as live:
        socket = await opened(live)
        socket.peer.writer.transport.pause_reading()

        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(WAIT_S):
                while not socket.peer.writer.transport.is_closing():
                    socket.peer.writer.write(frame(PING, bytes(125)) * 1000)
                    await socket.peer.writer.drain()

        socket.abort()
        await emptied(live.server, door_of(live.server))


@every_listener
async def test_mq_12_a_silent_client_is_closed_and_pings_of_websocket_do_not_help(
    live: Secured, listener: str
) -> None:
    door = door_of(live.server)
    socket = await provisioning(live, listener)
    await socket.send(frame(PING, b"1"))
    assert await socket.frame() == (PONG, b"1")

    moment = door.now() + 60 * 1.5 + 2
    door.now = lambda: moment

    assert await socket.close_code() == 1000
    await emptied(live.server, door)


@every_listener
async def test_a_device_of_a_session_that_ends_hears_a_close(live: Secured, listener: str) -> None:
    """MQ-3: the old connection is closed."""
    token = await token_device(live.server, await live.server.profile(), "meter")
    sockets = []
    for _ in range(2):
        socket = await opened(live, listener)
        await socket.send(frame(BINARY, Connect(4, "m", True, 60, token).encode(4)))
        assert await socket.frame() == (BINARY, WELCOME)
        sockets.append(socket)

    first, second = sockets
    assert await first.close_code() == 1000
    await second.send(frame(BINARY, Pingreq().encode(4)))
    assert await second.frame() == (BINARY, Pingresp().encode(4))
    second.abort()


async def test_a_peer_that_does_not_say_goodbye_does_not_hold_the_server_up(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        sockets = [await provisioning(live, listener) for listener in LISTENERS]

    for socket in sockets:
        assert await socket.close_code() == 1000
