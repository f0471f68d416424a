"""Devices over MQTT (contract 6.1): who may log in, and on which topics they talk."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path

import pytest
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import SECRET, account_on, code_of, device, opened, subscribed
from tests.services import require_tool

from firstboot.model import DIALECT
from firstboot_plugins.transports.mqtt.packets import Puback, Publish, Will

REFUSED, DISABLED = 4, 5


async def test_tg_6_1_a_device_logs_in_with_account_id_and_credential(thinger: Account) -> None:
    peer = await device(thinger)

    shown = (await thinger.call("GET", "/devices/meter1", await thinger.token())).json()

    assert shown["connection"]["active"] is True
    await peer.close()


@pytest.mark.parametrize("level", [3, 4, 5])
async def test_tg_6_1_each_version_of_mqtt_will_do(sqlite_thinger: Account, level: int) -> None:
    await (await device(sqlite_thinger)).close()

    assert await code_of(sqlite_thinger, "meter1", SECRET, level=level) == 0
    assert await code_of(sqlite_thinger, "meter1", "wrong", level=level) == (0x86 if level == 5 else REFUSED)


@pytest.mark.parametrize(
    ("client_id", "password"),
    [("meter1", "wrong"), ("meter2", SECRET), ("meter2", "wrong"), ("METER1", SECRET), ("meter1", SECRET[:-1])],
)
async def test_tg_6_1_unknown_devices_and_wrong_credentials_are_refused_alike(
    sqlite_thinger: Account, client_id: str, password: str
) -> None:
    await (await device(sqlite_thinger)).close()

    assert await code_of(sqlite_thinger, client_id, password) == REFUSED


async def test_tg_6_1_a_refusal_is_counted_once_though_several_dialects_look(
    sqlite_thinger: Account, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "firstboot.logins"):
        assert await code_of(sqlite_thinger, "meter1", "wrong") == REFUSED

    (line,) = [record for record in caplog.records if record.message == "login refused"]
    assert "no device of the account" in line.__dict__["reason"]


async def test_tg_6_1_another_accounts_name_opens_nothing(sqlite_thinger: Account) -> None:
    await (await device(sqlite_thinger)).close()
    await sqlite_thinger.server.services.tenants.create("bob", actor="test")

    assert await code_of(sqlite_thinger, "meter1", SECRET, username="bob") == REFUSED


async def test_tg_6_1_a_disabled_device_is_told_so_if_it_knows_its_credential(thinger: Account) -> None:
    peer = await device(thinger)
    token = await thinger.token()

    await thinger.call("PUT", "/devices/meter1", token, {"enabled": False})

    await peer.expect_closed()
    await peer.close()
    assert await code_of(thinger, "meter1", SECRET) == DISABLED
    assert await code_of(thinger, "meter1", SECRET, level=5) == 0x87
    assert await code_of(thinger, "meter1", "wrong") == REFUSED


async def test_tg_4_4_another_credential_ends_the_session_and_is_needed_then(thinger: Account) -> None:
    peer = await device(thinger)

    await thinger.call("PUT", "/devices/meter1", await thinger.token(), {"credentials": "the next secret"})

    await peer.expect_closed()
    await peer.close()
    assert await code_of(thinger, "meter1", SECRET) == REFUSED
    assert await code_of(thinger, "meter1", "the next secret") == 0


async def test_tg_6_1_a_device_of_another_dialect_gets_no_account_by_credentials_of_this_form(
    sqlite_thinger: Account,
) -> None:
    """Credentials that a device has chosen say nothing about its rights."""
    server = sqlite_thinger.server
    demo = await server.profile()
    await server.post(
        demo.request("alice", credentialsType="MQTT_BASIC", username="alice", clientId="spy", password="p" * 20)
    )

    spy = await opened(sqlite_thinger, "spy", "p" * 20)

    assert await subscribed(spy, "#") == 0x80
    assert await subscribed(spy, "thinger/#") == 0x80
    await spy.close()


async def test_a_device_of_this_dialect_has_no_thingsboard_session(sqlite_thinger: Account) -> None:
    peer = await device(sqlite_thinger)

    assert await subscribed(peer, "v1/devices/me/attributes") == 0
    await peer.send(Publish("v1/devices/me/attributes", b'{"a":1}'))

    assert (await peer.expect(Publish)).payload == b'{"a":1}'  # an ordinary message, that the server did not take
    profile = next(
        each for each in sqlite_thinger.server.services.profile_directory.all() if each.name == "thinger"
    )
    assert profile.details[DIALECT] == "thinger"
    await peer.close()


# -- topics ----------------------------------------------------------------------------------------


async def test_tg_6_1_topics_are_shared_within_an_account_and_never_across(thinger: Account) -> None:
    reader, writer = await device(thinger, "reader"), await device(thinger, "writer")
    bob = await thinger.server.services.tenants.create("bob", actor="test")
    stranger = await device(Account(thinger.server, bob, thinger.client), "reader")
    for peer in (reader, stranger):
        assert await subscribed(peer, "#", 1) == 1

    await writer.send(Publish("telemetry", b'{"temperature":5}', 1, packet_id=3))
    assert (await writer.expect(Puback)).packet_id == 3
    message = await reader.expect(Publish)
    await stranger.send(Publish("telemetry", b"bob's"))

    assert (message.topic, message.payload) == ("telemetry", b'{"temperature":5}')
    assert (await stranger.expect(Publish)).payload == b"bob's"  # and nothing before it
    for peer in (reader, writer, stranger):
        await peer.close()


@pytest.mark.parametrize("topic", ["$SYS/broker", "$firstboot/events/x", "$share/g/x"])
async def test_tg_6_1_topics_of_the_server_are_refused(sqlite_thinger: Account, topic: str) -> None:
    peer = await device(sqlite_thinger)

    assert await subscribed(peer, topic) == 0x80

    await peer.close()


@pytest.mark.parametrize(
    "topic_filter", ["#", "+/state", "telemetry", "other/state", "meter1", "meter12/state", "/meter1/state"]
)
async def test_with_private_topics_a_device_sees_nothing_but_what_is_below_its_id(
    tmp_path: Path, topic_filter: str
) -> None:
    async with account_on(tmp_path, shared_topics=False) as account:
        peer = await device(account)

        assert await subscribed(peer, topic_filter) == 0x80
        assert await subscribed(peer, "meter1/#") == 0
        await peer.close()


async def test_with_private_topics_a_device_speaks_below_its_id_alone(tmp_path: Path) -> None:
    async with account_on(tmp_path, shared_topics=False) as account:
        peer = await device(account)
        await peer.close()
        peer = await opened(account, "meter1", SECRET, level=5)

        await peer.send(
            Publish("other/state", b"1", 1, packet_id=1), Publish("meter1/state", b"1", 1, packet_id=2)
        )

        answers = [await peer.expect(Puback), await peer.expect(Puback)]
        assert [(each.packet_id, each.reason) for each in answers] == [(1, 0x90), (2, 0)]
        await peer.close()


async def test_applications_of_the_tenant_reach_the_topics_below_thinger(thinger: Account) -> None:
    peer = await device(thinger)
    _, secret = await thinger.server.services.api_tokens.create(
        thinger.tenant.id, "app", ["subscribe:thinger/#", "publish:thinger/#"], actor="test"
    )
    app = await opened(thinger, "app", secret.reveal(), username="app")
    assert await subscribed(app, "thinger/#") == 0
    assert await subscribed(peer, "commands/#") == 0

    await peer.send(Publish("telemetry", b"up"))
    up = await app.expect(Publish)
    await app.send(Publish("thinger/commands/open", b"down"))
    down = await peer.expect(Publish)

    assert [(each.topic, each.payload) for each in (up, down)] == [
        ("thinger/telemetry", b"up"), ("commands/open", b"down"),
    ]  # fmt: skip
    for each in (peer, app):
        await each.close()


async def test_a_will_is_published_within_the_account(sqlite_thinger: Account) -> None:
    reader = await device(sqlite_thinger, "reader")
    await subscribed(reader, "state/+")
    await (await device(sqlite_thinger)).close()
    dying = await opened(sqlite_thinger, "meter1", SECRET, will=Will("state/meter1", b"gone", 0, False))

    dying.writer.transport.abort()
    await dying.close()

    message = await reader.expect(Publish)
    assert (message.topic, message.payload) == ("state/meter1", b"gone")
    await reader.close()


async def test_a_will_on_a_topic_of_the_server_is_refused(sqlite_thinger: Account) -> None:
    await (await device(sqlite_thinger)).close()

    assert await code_of(sqlite_thinger, "meter1", SECRET, will=Will("$SYS/x", b"", 0, False)) == DISABLED


async def test_nothing_that_a_device_says_outlives_it_as_a_retained_message(sqlite_thinger: Account) -> None:
    peer = await device(sqlite_thinger)
    await peer.send(Publish("state", b"on", 1, True, packet_id=1))
    await peer.expect(Puback)
    await subscribed(peer, "state")

    await peer.send(Publish("state", b"next"))

    assert (await peer.expect(Publish)).payload == b"next"
    await peer.close()


async def test_tg_8_a_bucket_has_a_message_before_it_is_acknowledged(thinger: Account) -> None:
    peer = await device(thinger)
    token = await thinger.token()
    bucket = {
        "bucket": "b1", "name": "b", "enabled": True,
        "config": {"source": "mqtt", "topic": "meters/+/data"},
    }  # fmt: skip
    assert (await thinger.call("POST", "/buckets", token, bucket)).status_code == 200

    await peer.send(Publish("meters/meter1/data", b'{"t":21.5}', 1, packet_id=1))
    await peer.expect(Puback)
    rows = (await thinger.call("GET", "/buckets/b1/data", token)).json()

    assert [row["val"] for row in rows] == [{"t": 21.5}]
    await peer.close()


async def test_tg_6_1_the_check_by_hand_works_with_mosquitto(thinger: Account) -> None:
    reader = await device(thinger, "reader")
    await subscribed(reader, "telemetry")
    await (await device(thinger)).close()

    process = await asyncio.create_subprocess_exec(
        require_tool("mosquitto_pub"), "-h", "127.0.0.1", "-p", str(thinger.server.mqtt_port), "-i", "meter1",
        "-u", "alice", "-P", SECRET, "-t", "telemetry", "-m", '{"temperature":5}',
    )  # fmt: skip

    assert json.loads((await reader.expect(Publish)).payload) == {"temperature": 5}
    assert await process.wait() == 0
    await reader.close()
