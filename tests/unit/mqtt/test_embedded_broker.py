"""The embedded broker: what it takes from amqtt, and what not."""

from __future__ import annotations

import asyncio
import inspect
import logging
import subprocess
import sys
from collections.abc import AsyncIterator

import psutil
import pytest
from amqtt.broker import Broker
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.session import Session

from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.broker.amqtt_parts import InnerHandler, LeanSession
from firstboot_plugins.transports.mqtt.broker.embedded import EmbeddedBroker
from firstboot_plugins.transports.mqtt.broker.inner_session import BrokerGone
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage

ALICE, BOB = Owner("device", 1), Owner("device", 2)


@pytest.fixture
async def broker() -> AsyncIterator[EmbeddedBroker]:
    started = EmbeddedBroker(100, 100_000)
    await started.start()
    yield started
    await started.stop()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize(
    ("ours", "theirs"), [(EmbeddedBroker, Broker), (InnerHandler, BrokerProtocolHandler), (LeanSession, Session)]
)
def test_what_is_overridden_is_still_there_and_takes_the_same(ours: type, theirs: type) -> None:
    own = {"open_session", "publish", "forget", "retainer", "stop", "distribute"}
    for name, method in vars(ours).items():
        if inspect.isfunction(method) and name != "__init__" and name not in own:
            original = getattr(theirs, name)
            assert list(inspect.signature(method).parameters) == list(inspect.signature(original).parameters)
            assert inspect.iscoroutinefunction(method) == inspect.iscoroutinefunction(original)


async def test_it_listens_nowhere(broker: EmbeddedBroker) -> None:
    listening = [each for each in psutil.Process().net_connections() if each.status == psutil.CONN_LISTEN]

    assert listening == []
    assert [server.instance for server in broker._servers.values()] == [None]


async def test_messages_reach_whose_filters_match_and_amqtt_keeps_no_table(broker: EmbeddedBroker) -> None:
    heard: list[BrokerMessage] = []
    unheard: list[BrokerMessage] = []
    alice, bob = await broker.open_session(ALICE, heard.append), await broker.open_session(BOB, unheard.append)
    await alice.subscribe("1/#")
    await alice.subscribe("1/t")
    await bob.subscribe("2/#")
    message = BrokerMessage("1/t", b"x", 2, True, 5)

    await bob.publish(message)
    assert heard == [message]  # before the publisher is told so
    await alice.unsubscribe("1/#")
    broker.publish(message, BOB)
    assert heard == [message] * 2
    await alice.unsubscribe("1/t")
    await bob.publish(message)

    assert (len(heard), unheard, broker.subscriptions) == (2, [], {})
    assert broker.retained.matching("1/+") == [message]


async def test_a_receiver_that_fails_costs_the_others_nothing(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(message: BrokerMessage) -> None:
        raise ZeroDivisionError

    heard: list[BrokerMessage] = []
    for deliver in (fail, heard.append, fail, heard.append):
        await (await broker.open_session(ALICE, deliver)).subscribe("t")

    broker.publish(BrokerMessage("t", b"x"), ALICE)

    assert len(heard) == 2
    assert len(caplog.records) == 2


async def test_a_session_that_ends_is_gone_at_once_and_hears_nothing_more(broker: EmbeddedBroker) -> None:
    heard: list[BrokerMessage] = []
    session = await broker.open_session(ALICE, heard.append)
    await session.subscribe("t")

    session.close()
    session.close()
    broker.publish(BrokerMessage("t", b"x"), ALICE)

    assert heard == []
    with pytest.raises(BrokerGone):
        await session.subscribe("t")
    await ended(broker)
    assert len(broker._index) == 0


async def ended(broker: EmbeddedBroker) -> None:
    """Return when no session is left."""
    while broker._inner:
        await asyncio.wait(list(broker._inner.values()))
    assert broker.sessions == {}


@pytest.mark.parametrize("turns", range(6))
async def test_a_session_may_end_as_soon_as_it_has_begun(broker: EmbeddedBroker, turns: int) -> None:
    session = await broker.open_session(ALICE, lambda message: None)
    for _ in range(turns):
        await asyncio.sleep(0)

    session.close()

    async with asyncio.timeout(5):
        await ended(broker)


async def test_mq2_no_two_sessions_have_one_client_id(broker: EmbeddedBroker) -> None:
    for owner in (ALICE, ALICE, BOB):
        await broker.open_session(owner, lambda message: None)

    assert list(broker.sessions) == ["device/1/1", "device/1/2", "device/2/3"]


async def test_what_is_asked_when_the_broker_stops_fails() -> None:
    broker = EmbeddedBroker(100, 100_000)
    await broker.start()
    session = await broker.open_session(ALICE, lambda message: None)
    asked = asyncio.create_task(session.publish(BrokerMessage("t", b"x")))

    await broker.stop()

    assert asked.done()
    with pytest.raises(BrokerGone):
        await session.publish(BrokerMessage("t", b"x"))
    await asyncio.gather(asked, return_exceptions=True)


async def test_se5_amqtt_writes_no_line_for_a_packet(
    broker: EmbeddedBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    session = await broker.open_session(ALICE, lambda message: None)
    await session.publish(BrokerMessage("t", b"very secret"))

    assert [record for record in caplog.records if record.name.startswith(("amqtt", "transitions"))] == []
    assert "very secret" not in repr(BrokerMessage("t", b"very secret"))


def test_the_server_starts_without_importing_amqtt() -> None:
    script = (
        "import sys, firstboot_plugins.transports.mqtt.door, firstboot_plugins.transports.mqtt.rights\n"
        "print(any(name.split('.')[0] in ('amqtt', 'websockets', 'transitions') for name in sys.modules))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"
