"""Messages that must be acknowledged, and what an address is sent that is not verified (threat CO-1)."""

from __future__ import annotations

import asyncio

import pytest
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot_plugins.transports.coap import deliveries as module
from firstboot_plugins.transports.coap.deliveries import Deliveries
from firstboot_plugins.transports.coap.messages import Code, Message, Type, decode
from firstboot_plugins.transports.coap.peers import Heard, Peer
from firstboot_plugins.transports.coap.replies import Reply

HERE = Peer("192.0.2.1", 5683)
REPLY = Reply(Code.CONTENT, payload=b"x" * 50)


class Line:
    """Deliveries whose datagrams are only written down."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.heard = Heard(FakeClock().clock.monotonic)
        self.deliveries = Deliveries(
            lambda data, peer: self.sent.append(decode(data)), self.heard, FakeClock().clock.monotonic
        )

    async def deliver(self, budget: int | None) -> bool:
        ended: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.deliveries.send(REPLY, HERE, b"t", budget, ended.set_result)
        async with asyncio.timeout(5):
            return await ended


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    monkeypatch.setattr(module, "ACK_TIMEOUT_S", 0.001)
    return Line()


async def test_what_nobody_acknowledges_is_sent_five_times_and_given_up(line: Line) -> None:
    arrived = await line.deliver(None)

    assert (arrived, len(line.sent), len(set(line.sent)), len(line.deliveries)) == (False, 5, 1, 0)
    assert line.sent[0].type is Type.CON
    assert HERE not in line.heard


@pytest.mark.parametrize(("budget", "times"), [(0, 0), (55, 0), (56, 1), (130, 2), (1000, 5)])
async def test_co_1_an_address_is_sent_no_more_than_its_budget(line: Line, budget: int, times: int) -> None:
    assert len(REPLY.message(Type.CON, 1, b"t").encode()) == 56

    arrived = await line.deliver(budget)

    assert (arrived, len(line.sent)) == (False, times)


@pytest.mark.parametrize(("type_", "arrived"), [(Type.ACK, True), (Type.RST, False)])
async def test_whoever_acknowledges_a_message_has_got_it_and_whoever_rejects_it_is_there_too(
    line: Line, type_: Type, arrived: bool
) -> None:
    delivering = asyncio.create_task(line.deliver(None))
    await asyncio.sleep(0)

    line.deliveries.answered(Message(type_, Code.EMPTY, line.sent[0].id), HERE)

    assert await delivering is arrived
    assert (HERE in line.heard, len(line.deliveries)) == (True, 0)


async def test_co_1_other_numbers_and_other_peers_answer_nothing(line: Line) -> None:
    delivering = asyncio.create_task(line.deliver(None))
    await asyncio.sleep(0)
    number = line.sent[0].id

    line.deliveries.answered(Message(Type.ACK, Code.EMPTY, (number + 1) % 65536), HERE)
    line.deliveries.answered(Message(Type.ACK, Code.EMPTY, number), Peer("192.0.2.1", 5684))

    assert HERE not in line.heard
    assert await delivering is False


async def test_numbers_of_one_peer_follow_each_other_from_one_that_is_drawn(line: Line) -> None:
    firsts = {line.deliveries.next_id(Peer("192.0.2.1", port)) for port in range(100)}
    one, two = line.deliveries.next_id(HERE), line.deliveries.next_id(HERE)

    assert len(firsts) > 50
    assert two == (one + 1) % 65536


async def test_more_than_may_be_on_their_way_are_not_sent(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 0)

    assert await line.deliver(None) is False
    assert line.sent == []
