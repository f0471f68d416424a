"""MQ-11: a gateway is sent a few messages at a time, however much is news."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from firstboot_plugins.dialects.thingsboard.gateway_pace import AT_A_TIME, Pace
from firstboot_plugins.transports.mqtt.dialect import Message


class Client:
    """Keeps what it is sent, and writes it when a test says so."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self._unwritten: list[Callable[[], None]] = []

    def send(self, message: Message) -> None:
        self.sent.append(message.payload)
        assert message.written is not None
        self._unwritten.append(message.written)

    async def write(self, count: int) -> None:
        for _ in range(count):
            self._unwritten.pop(0)()
        await asyncio.sleep(0)


def message(number: int) -> Message:
    return Message("t", b"%d" % number, 1)


async def test_no_more_than_a_few_wait_and_all_are_sent_in_order() -> None:
    client = Client()
    pace = Pace(client.send)

    for number in range(AT_A_TIME * 3):
        pace.put(number, lambda number=number: message(number))  # type: ignore[misc]
    assert (len(client.sent), len(pace)) == (AT_A_TIME, AT_A_TIME * 2)
    await client.write(1)
    assert len(client.sent) == AT_A_TIME + 1
    await client.write(AT_A_TIME)
    await client.write(AT_A_TIME)
    await client.write(AT_A_TIME - 1)

    assert client.sent == [b"%d" % number for number in range(AT_A_TIME * 3)]
    assert len(pace) == 0


async def test_what_has_nothing_to_say_any_more_takes_no_place() -> None:
    client = Client()
    pace = Pace(client.send)

    for number in range(AT_A_TIME):
        pace.put(number, lambda: None)
    pace.put("last", lambda: message(1))

    assert client.sent == [b"1"]


async def test_what_waits_already_is_not_put_in_twice() -> None:
    client = Client()
    pace = Pace(client.send)
    for number in range(AT_A_TIME):
        pace.put(number, lambda: message(0))

    pace.put("same", lambda: message(1))
    pace.put("same", lambda: message(2))

    assert len(pace) == 1
