"""Buckets collect what devices publish (contract section 8, source ``mqtt``)."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import MqttPeer, running
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import SECRET, account_on, device, opened

from firstboot.storage import RowQuery
from firstboot_plugins.transports.mqtt.packets import Puback, Publish

KEY = "5" * 64
"""Of both servers on a database."""


async def bucket(account: Account, token: str, id_: str, topic: str, **fields: Any) -> None:
    body = {"bucket": id_, "name": id_, "enabled": True, "config": {"source": "mqtt", "topic": topic}, **fields}
    answer = await account.call("POST", "/buckets", token, body)
    assert answer.status_code == 200, answer.text


async def publish(peer: MqttPeer, topic: str, payload: Any) -> None:
    """Publish with QoS 1, and wait for the acknowledgement."""
    sent = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    await peer.send(Publish(topic, sent, 1, packet_id=7))
    assert (await peer.expect(Puback)).packet_id == 7


async def collected(account: Account, token: str, id_: str) -> list[Any]:
    """Return what a bucket has, the oldest first."""
    answer = await account.call("GET", f"/buckets/{id_}/data", token, params={"sort": "asc", "items": "1000"})
    return [row["val"] for row in answer.json()]


async def test_tg_8_every_bucket_that_listens_has_the_message_when_it_is_acknowledged(thinger: Account) -> None:
    token = await thinger.token()
    topics = {
        "same": "site/a/t", "one": "site/+/t", "rest": "site/#", "above": "site/a/t/#", "all": "#",
        "twice": "site/a/t", "other": "site/b/t", "shorter": "site/+", "longer": "site/a/t/+",
    }  # fmt: skip
    for id_, topic in topics.items():
        await bucket(thinger, token, id_, topic)
    peer = await device(thinger)

    await publish(peer, "site/a/t", {"t": 1})

    found = {id_ for id_ in topics if await collected(thinger, token, id_) == [{"t": 1}]}
    assert found == {"same", "one", "rest", "above", "all", "twice"}
    assert await collected(thinger, token, "other") == []
    await peer.close()


async def test_tg_8_messages_stay_in_their_order_and_in_their_account(thinger: Account) -> None:
    tenant = await thinger.server.services.tenants.create("bob", actor="test")
    bob = Account(thinger.server, tenant, thinger.client)
    alices, bobs = await thinger.token(), await bob.token(name="bobs")
    await bucket(thinger, alices, "b1", "t")
    await bucket(bob, bobs, "b1", "#")
    peer = await device(thinger)

    for number in range(20):
        await publish(peer, "t", number)

    assert await collected(thinger, alices, "b1") == list(range(20))
    assert await collected(bob, bobs, "b1") == []
    await peer.close()


async def test_tg_8_messages_of_qos_0_are_collected_as_well(sqlite_thinger: Account) -> None:
    token = await sqlite_thinger.token()
    await bucket(sqlite_thinger, token, "b1", "t")
    peer = await device(sqlite_thinger)

    await peer.send(Publish("t", b'"quietly"'))
    await publish(peer, "t", "aloud")

    assert await collected(sqlite_thinger, token, "b1") == ["quietly", "aloud"]
    await peer.close()


@pytest.mark.parametrize("payload", [b"", b"text", b"null", b"{", b"NaN", b"\xff", b'"' + b"x" * 17_000 + b'"'])
async def test_tg_8_what_is_no_row_is_passed_on_not_collected_and_logged_once(
    sqlite_thinger: Account, payload: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    token = await sqlite_thinger.token()
    await bucket(sqlite_thinger, token, "b1", "t")
    peer = await device(sqlite_thinger)

    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            await publish(peer, "t", payload)
        await publish(peer, "t", 1)

    assert await collected(sqlite_thinger, token, "b1") == [1]
    told = [record for record in caplog.records if record.getMessage() == "a message was not collected"]
    assert [record.__dict__["bucket"] for record in told] == ["b1"]
    assert "xxx" not in caplog.text
    await peer.close()


async def test_tg_8_a_change_of_the_topic_counts_from_the_next_message_on(thinger: Account) -> None:
    token = await thinger.token()
    await bucket(thinger, token, "b1", "old")
    peer = await device(thinger)

    async def change(**fields: Any) -> None:
        assert (await thinger.call("PUT", "/buckets/b1", token, fields)).status_code == 200
        await publish(peer, "old", "old")
        await publish(peer, "new", "new")

    await change()
    assert await collected(thinger, token, "b1") == ["old"]
    await change(config={"source": "mqtt", "topic": "new"})
    assert await collected(thinger, token, "b1") == ["old", "new"]
    await change(enabled=False)
    assert await collected(thinger, token, "b1") == ["old", "new"]
    await change(enabled=True)
    assert await collected(thinger, token, "b1") == ["old", "new", "new"]
    await change(config={"source": "api"})
    assert await collected(thinger, token, "b1") == ["old", "new", "new"]
    await thinger.call("DELETE", "/buckets/b1", token)
    await publish(peer, "new", "new")
    await bucket(thinger, token, "b1", "#")
    await publish(peer, "new", "again")
    assert await collected(thinger, token, "b1") == ["again"]
    await peer.close()


async def test_tg_8_buckets_that_were_there_before_the_server_started_collect(tmp_path: Path) -> None:
    async with account_on(tmp_path) as account:
        await bucket(account, await account.token(), "b1", "t")
        await (await device(account)).close()

    async with running(tmp_path) as server:
        again = Account(server, account.tenant, account.client)
        peer = await opened(again, "meter1", SECRET)
        await publish(peer, "t", 1)
        await peer.close()
        resources = server.services.resources
        found = await resources.get(account.tenant.id, "thinger-bucket", "b1")
        assert [row.value for row in await resources.rows(RowQuery(resource_id=found.id))] == [1]


async def test_tg_8_one_message_goes_into_so_many_buckets_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with account_on(tmp_path, max_collecting=2) as account:
        token = await account.token()
        for id_ in ("c", "a", "b"):
            await bucket(account, token, id_, "#")
        peer = await device(account)

        await publish(peer, "t", 1)
        await publish(peer, "t", 2)

        assert [await collected(account, token, id_) for id_ in ("c", "a", "b")] == [[1, 2], [1, 2], []]
        assert caplog.messages.count("a message was not collected") == 1
        await peer.close()


async def test_tg_8_a_change_reaches_the_other_servers_on_a_database(
    tmp_path: Path, postgres_database: str
) -> None:
    async with (
        running(tmp_path / "one", database=postgres_database, server={"key": KEY}) as one,
        running(tmp_path / "two", database=postgres_database, server={"key": KEY}) as two,
        httpx2.AsyncClient() as client,
    ):
        account = Account(one, await one.services.tenants.create("alice", actor="test"), client)
        elsewhere = Account(two, account.tenant, account.client)
        token = await account.token()
        await bucket(account, token, "b1", "old")
        await (await device(account)).close()
        await two.services.changes.catch_up()
        peer = await opened(elsewhere, "meter1", SECRET)

        await account.call("PUT", "/buckets/b1", token, {"config": {"source": "mqtt", "topic": "new"}})
        async with asyncio.timeout(10):
            while not await collected(account, token, "b1"):
                await publish(peer, "new", "new")
        await publish(peer, "old", "old")

        assert set(await collected(account, token, "b1")) == {"new"}
        await peer.close()
