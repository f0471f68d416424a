"""Credentials of devices cannot be read back (contract 6.2, 12.4): not even with the server key."""

from __future__ import annotations

from pathlib import Path

from tests.integration.opened_database import opened_credentials, raw_bytes
from tests.integration.thinger.account import Account
from tests.integration.thinger.sessions import code_of

from firstboot_plugins.dialects.thinger.autoprovision import derived_password
from firstboot_plugins.dialects.thingsboard.login import match_of

CHOSEN, NEXT, REPLACED, SENT, FIRST = (
    f"a secret that was {how}" for how in ("chosen", "changed", "replaced", "ensured", "used first")
)
REFUSED = 4


async def test_tg_6_2_no_way_to_a_password_leads_to_one_that_can_be_read(thinger: Account, tmp_path: Path) -> None:
    token = await thinger.token()
    made = {"device": "made", "credentials": CHOSEN, "type": "MQTT"}
    sent = {"credentials": SENT, "type": "MQTT"}
    pool = {"pool": "meters", "strategy": "fifo", "template": {"type": "MQTT"}, "id_pattern": "meter-{seq}"}
    await thinger.call("POST", "/devices", token, made)
    await thinger.call("PUT", "/devices/made", token, {"credentials": NEXT})
    await thinger.call("POST", "/devices/sent/ensure", token, sent)
    await thinger.call("POST", "/devices/replaced/ensure", token, sent)
    replacing = {**sent, "credentials": REPLACED, "on_conflict": "replace"}
    await thinger.call("POST", "/devices/replaced/ensure", token, replacing)
    await thinger.call("POST", "/pools", token, pool)
    await thinger.call("POST", "/pools/meters/devices", token, {"count": 1, "id_pattern": "meter-{seq}"})
    claimed = (await thinger.call("POST", "/pools/meters/claim", token, {"hardware_id": "AA"})).json()
    passwords = {"made": NEXT, "sent": SENT, "replaced": REPLACED, claimed["device"]: claimed["credentials"]}

    for device_id, password in passwords.items():
        assert await code_of(thinger, device_id, password) == 0, device_id
        assert await code_of(thinger, device_id, password[:-1]) == REFUSED, device_id

    opened = await opened_credentials(thinger.server, thinger.tenant.id)
    assert len(opened) == len(passwords)
    for password in (CHOSEN, *passwords.values()):
        assert not [text for text in opened if password in text]
        assert password.encode() not in raw_bytes(tmp_path)


async def test_tg_12_2_a_device_that_is_made_as_it_connects_has_no_readable_password_either(
    sqlite_thinger: Account, tmp_path: Path
) -> None:
    rule = {
        "rule": "any",
        "config": {"mode": "pattern", "pattern": "^dev-"},
        "credential": "derived",
        "template": {"type": "MQTT"},
    }
    made = await sqlite_thinger.call("POST", "/autoprovisions", await sqlite_thinger.token(), rule)
    assert made.status_code == 200, made.text
    password = derived_password(made.json()["secret"], "dev-1")

    assert await code_of(sqlite_thinger, "dev-1", password) == 0
    assert await code_of(sqlite_thinger, "dev-1", password) == 0

    (opened,) = await opened_credentials(sqlite_thinger.server, sqlite_thinger.tenant.id)
    assert password not in opened
    assert password.encode() not in raw_bytes(tmp_path)


async def test_tg_12_4_a_claim_that_is_repeated_is_told_another_password(sqlite_thinger: Account) -> None:
    """The one before cannot be told again, because nobody knows it."""
    token = await sqlite_thinger.token()
    pool = {"pool": "meters", "strategy": "fifo", "template": {"type": "MQTT"}, "rebind": "until_confirmed"}
    await sqlite_thinger.call("POST", "/pools", token, pool)
    await sqlite_thinger.call("POST", "/pools/meters/devices", token, {"count": 1, "id_pattern": "m-{seq}"})

    first, second = [
        (await sqlite_thinger.call("POST", "/pools/meters/claim", token, {"hardware_id": "AA"})).json()
        for _ in range(2)
    ]

    assert first["device"] == second["device"]
    assert first["credentials"] != second["credentials"]
    assert await code_of(sqlite_thinger, first["device"], first["credentials"]) == REFUSED
    assert await code_of(sqlite_thinger, second["device"], second["credentials"]) == 0


async def test_a_thinger_device_is_no_thingsboard_device_whatever_it_presents(sqlite_thinger: Account) -> None:
    made = {"device": "made", "credentials": CHOSEN, "type": "MQTT"}
    await sqlite_thinger.call("POST", "/devices", await sqlite_thinger.token(), made)
    (opened,) = await opened_credentials(sqlite_thinger.server, sqlite_thinger.tenant.id)

    for presented in ("", "wrong", opened):
        assert await match_of(sqlite_thinger.server.services.logins, "made", "alice", presented) is None
        assert await code_of(sqlite_thinger, "made", presented) != 0
