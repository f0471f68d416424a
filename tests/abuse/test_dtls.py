"""What strangers may try on the DTLS listener (threats CO-1, CO-2, CO-4, SE-10)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.bindings.openssl.binding import Binding
from tests.harness import WAIT_S
from tests.integration.coap.dtls_peer import DtlsPeer, dtls_peer, dtls_socket, listener_of
from tests.integration.coap.raw_coap import coap_peer, coap_request
from tests.integration.coap.test_dtls import CA, DTLS, SERVER
from tests.integration.mqtt.probe import quiet_log, until
from tests.integration.thingsboard_device.board import Board
from tests.integration.x509.fleet import Fleet, fleet_at

from firstboot_plugins.transports.coap.dtls import MAX_HANDSHAKES_OF_AN_ADDRESS, Dtls
from firstboot_plugins.transports.coap.dtls_hello import read_hello
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Pingreq, Pingresp

__all__ = ["quiet_log"]
pytestmark = pytest.mark.usefixtures("quiet_log")

EVERYTHING_GOES = {"messages_per_second": 1_000_000, "burst": 1_000_000}
SEED = 20_260_701


@pytest.fixture
async def fleet(tmp_path: Path) -> AsyncIterator[Fleet]:
    async with fleet_at(tmp_path, CA, SERVER, coap={**DTLS, **EVERYTHING_GOES}) as started:
        yield started


@pytest.fixture
def dtls(fleet: Fleet) -> Dtls:
    return listener_of(fleet.live).dtls


@pytest.fixture
def port(fleet: Fleet) -> int:
    return fleet.live.port("coaps")


@pytest.fixture
async def board(fleet: Fleet) -> Board:
    return await Board.make(fleet.server)


async def works(peer: DtlsPeer, board: Board) -> bool:
    return (await peer.post(f"api/v1/{board.token}/telemetry", {"t": 1})).code == Code.CREATED


# -- before the cookie -----------------------------------------------------------------------------


async def test_co_1_a_hello_without_a_cookie_costs_nothing_and_gets_less_than_it_has_sent(
    dtls: Dtls, port: int, board: Board
) -> None:
    async with dtls_socket(port) as stranger, dtls_peer(port) as device:
        hello, stranger.stops_after = stranger.hello(), 0
        for _ in range(40):
            stranger.stops_after = len(stranger.raw_sent) + 50
            for _ in range(50):
                stranger.send_raw(hello)
            answers = await stranger.heard(len(stranger.raw_sent))

        assert max(len(answer) for answer in answers) < len(hello)
        assert (len(dtls.handshakes), len(dtls.sessions)) == (0, 1)
        assert await works(device, board)


async def test_co_1_the_shortest_hello_gets_less_than_it_has_sent(port: int) -> None:
    body = b"\xfe\xfd" + bytes(32) + bytes(2)
    shortest = _hello(body)
    assert read_hello(shortest) is not None
    assert read_hello(_hello(body[:-1])) is None

    async with coap_peer(port) as stranger:
        stranger.send(shortest)

        assert len(await stranger.receive()) < len(shortest)


def _hello(body: bytes) -> bytes:
    length = len(body).to_bytes(3)
    message = b"\x01" + length + bytes(5) + length + body
    return b"\x16\xfe\xfd" + bytes(8) + len(message).to_bytes(2) + message


async def test_a_cookie_is_good_for_its_address_and_its_hello_alone(dtls: Dtls, port: int) -> None:
    async with dtls_socket(port) as asked, dtls_socket(port) as neighbour, coap_peer(port) as third:
        hello = await asked.hello_with_cookie()
        read = read_hello(hello)
        assert read is not None

        neighbour.stops_after = 1
        neighbour.send_raw(hello)
        third.send(hello.replace(read.random, random.Random(SEED).randbytes(32)))
        third.send(hello.replace(read.cookie, bytes(16)))

        answers = [(await neighbour.heard(1))[0], await third.receive(), await third.receive()]
        assert [answer[13] for answer in answers] == [3, 3, 3]  # HelloVerifyRequest
        assert len(dtls.handshakes) == 0


NO_HELLOS = {
    "CoAP": coap_request(Code.GET, "api/v1/x/attributes").encode(),
    "nothing": b"",
    "one byte": b"\x16",
    "zeros": bytes(500),
    "the largest datagram": b"\x16\xfe\xfd" + bytes(60_000),
    "data": b"\x17\xfe\xfd\x00\x01" + bytes(6) + b"\x00\x20" + bytes(32),
    "data that is not encrypted": b"\x17\xfe\xfd" + bytes(8) + b"\x00\x20" + bytes(32),
    "an alert": b"\x15\xfe\xfd" + bytes(8) + b"\x00\x02\x02\x28",
    "a hello of TLS": b"\x16\x03\x01\x00\x31\x01\x00\x00\x2d\x03\x03" + bytes(43),
    "a piece of a hello": _hello(b"\xfe\xfd" + bytes(60)).replace(b"\x01\x00\x00", b"\x01\x00\x01", 1),
    "another message": _hello(b"\xfe\xfd" + bytes(34)).replace(b"\x01\x00\x00\x24", b"\x10\x00\x00\x24", 1),
    "a cookie that is longer than the hello": _hello(b"\xfe\xfd" + bytes(32) + b"\x00\xff" + bytes(3)),
    "a session id that is longer than the hello": _hello(b"\xfe\xfd" + bytes(32) + b"\x20" + bytes(3)),
}  # fmt: skip


async def test_what_is_no_hello_gets_no_answer_from_whom_nobody_knows(port: int) -> None:
    async with dtls_socket(port) as stranger:
        hello = stranger.hello()
        for sent in NO_HELLOS.values():
            stranger._transport.sendto(sent)
        stranger.send_raw(hello)
        stranger.stops_after = 0

        (answer,) = await stranger.heard(1)
        assert answer[13] == 3


async def test_co_4_random_datagrams_do_no_harm(dtls: Dtls, port: int, board: Board) -> None:
    rng = random.Random(SEED)
    async with dtls_socket(port) as stranger, dtls_peer(port) as device:
        hello, stranger.stops_after = stranger.hello(), 0
        for number in range(3000):
            broken = bytearray(hello[: rng.choice([len(hello), rng.randrange(len(hello))])])
            for _ in range(rng.randint(1, 5)):
                if broken:
                    broken[rng.randrange(len(broken))] = rng.randrange(256)
            stranger._transport.sendto(bytes(broken))
            if number % 100 == 0:
                assert await works(device, board)
        assert (len(dtls.handshakes), len(dtls.sessions)) == (0, 1)


# -- after the cookie ------------------------------------------------------------------------------


async def test_a_broken_hello_with_a_cookie_that_fits_harms_no_other_connection(
    fleet: Fleet, dtls: Dtls, port: int, board: Board
) -> None:
    """What OpenSSL has against one peer must not be read out by the connection of the next one."""
    other = await fleet.live.open()
    await other.connect(Connect(4, "c", True, 60, username=board.token))
    assert (await other.expect(Connack)).reason == 0
    async with dtls_socket(port) as hostile, dtls_peer(port) as device, coap_peer(port) as fence:
        broken = bytearray(await hostile.hello_with_cookie())
        broken[17] = 1  # the number of the message in its handshake: 257
        for _ in range(5):
            hostile._transport.sendto(bytes(broken))
            fence.send(_hello(b"\xfe\xfd" + bytes(34)))
            await fence.receive()  # it has been read

            assert Binding().lib.ERR_peek_error() == 0
            await other.send(Pingreq())
            await other.expect(Pingresp)
        assert await works(device, board)
    await other.close()


async def test_messages_that_are_broken_in_a_handshake_harm_no_other_session(
    dtls: Dtls, port: int, board: Board
) -> None:
    rng = random.Random(SEED)
    async with dtls_peer(port) as device:
        for _ in range(60):
            async with dtls_socket(port) as hostile:
                hostile.stops_after = 2  # both hellos
                hostile._go_on()
                await hostile.heard(6)
                for each in hostile.unsent or [bytes(50)]:
                    broken = bytearray(each)
                    broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
                    hostile._transport.sendto(bytes(broken))
        assert await works(device, board)
        assert len(dtls.handshakes) <= MAX_HANDSHAKES_OF_AN_ADDRESS


async def test_handshakes_that_nobody_ends_give_way_to_others(dtls: Dtls, port: int, board: Board) -> None:
    async with AsyncExitStack() as stack:
        for _ in range(MAX_HANDSHAKES_OF_AN_ADDRESS + 5):
            idle = await stack.enter_async_context(dtls_socket(port))
            idle.stops_after = 2
            idle._go_on()
            await idle.heard(2)

        assert len(dtls.handshakes) == MAX_HANDSHAKES_OF_AN_ADDRESS
        async with dtls_peer(port) as device:
            assert await works(device, board)


@pytest.mark.parametrize(
    "limit", [{"dtls_max_sessions": 3}, {"dtls_max_sessions_per_address": 3}], ids=["in all", "of an address"]
)
async def test_of_too_many_sessions_the_quietest_ends(tmp_path: Path, limit: dict[str, Any]) -> None:
    async with fleet_at(tmp_path, CA, SERVER, coap={**DTLS, **limit}) as fleet, AsyncExitStack() as stack:
        board, port = await Board.make(fleet.server), fleet.live.port("coaps")
        first, second, third = [await stack.enter_async_context(dtls_peer(port)) for _ in range(3)]
        assert await works(first, board)

        fourth = await stack.enter_async_context(dtls_peer(port))

        async with asyncio.timeout(WAIT_S):
            assert await second.ended == "closed"
        assert [await works(peer, board) for peer in (first, third, fourth)] == [True] * 3


async def test_co_2_who_sends_too_much_is_not_heard_and_the_others_are(tmp_path: Path) -> None:
    async with fleet_at(tmp_path, CA, SERVER, coap=DTLS) as fleet:
        board, port = await Board.make(fleet.server), fleet.live.port("coaps")
        async with dtls_socket(port, source="127.0.0.2") as loud, dtls_peer(port) as device:
            hello = loud.hello()
            for _ in range(2000):
                loud._transport.sendto(hello)
            loud.stops_after = 0

            assert await works(device, board)
            assert len(loud.raw_heard) < 500


# -- in a session ----------------------------------------------------------------------------------


async def test_forged_records_from_the_address_of_a_device_do_its_session_no_harm(port: int, board: Board) -> None:
    rng = random.Random(SEED)
    async with dtls_peer(port) as device:
        for kind in (20, 21, 22, 23, 24, 99):
            for epoch in (0, 1, 2, 0xFFFF):
                size = rng.choice([0, 2, 16, 40, 300])
                header = bytes([kind]) + b"\xfe\xfd" + epoch.to_bytes(2) + rng.randbytes(6) + size.to_bytes(2)
                device._transport.sendto(header + rng.randbytes(size))
        for sent in NO_HELLOS.values():
            device._transport.sendto(sent)

        assert await works(device, board)


async def test_a_record_that_is_sent_again_by_somebody_is_not_read_again(port: int, board: Board) -> None:
    async with dtls_peer(port) as device:
        assert await works(device, board)
        for sent in list(device.raw_sent):
            device.send_raw(sent)
        await device.ping()

        assert device.unread() == []
        assert await works(device, board)


async def test_a_former_hello_with_its_cookie_ends_no_session(dtls: Dtls, port: int, board: Board) -> None:
    async with dtls_peer(port) as device:
        before = list(dtls.sessions)
        for hello in [sent for sent in device.raw_sent if read_hello(sent)]:
            device.send_raw(hello)

        assert await works(device, board)
        assert list(dtls.sessions) == before
        assert len(dtls.handshakes) == 0


async def test_a_new_handshake_that_is_not_ended_leaves_the_session_alone(
    dtls: Dtls, port: int, board: Board
) -> None:
    """RFC 6347, 4.2.8."""
    async with dtls_peer(port) as device:
        live = device.ssl
        device._begin()
        device.stops_after = len(device.raw_sent) + 2
        device._go_on()
        await until(lambda: len(dtls.handshakes) == 1)
        device.stops_after, device.ssl = None, live

        assert await works(device, board)


async def test_renegotiation_is_not_done(dtls: Dtls, port: int, board: Board) -> None:
    async with dtls_peer(port) as device, dtls_peer(port) as other:
        device.ssl.renegotiate()
        device._go_on()

        assert await works(other, board)
        assert len(dtls.handshakes) == 0
