"""Which CONNECT is which device, and how the others are refused (ThingsBoard contract 3.2, 3.3)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from tests.harness import MqttPeer, Profile, TestServer, login
from tests.integration.mqtt.probe import LEVELS, basic_device, connected, rest, token_device

from firstboot.devices import DeviceDraft
from firstboot.model import Credentials
from firstboot.sealed_credentials import credentials_digest, seal_credentials
from firstboot.sessions import SessionEnd, device_owner
from firstboot.storage import AuditEntry, Outcome, ReplaceCredentials, When
from firstboot_plugins.transports.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Pingreq,
    Pingresp,
    Property,
    Puback,
    Publish,
    Pubrec,
    Suback,
    Subscribe,
    Will,
)

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet_log")]

levels = pytest.mark.parametrize("level", LEVELS)
generations = pytest.mark.parametrize("level", [4, 5])

# What a CONNECT is refused with: levels 3 and 4, level 5.
WRONG = (5, 0x86)
UNKNOWN_ID = (2, 0x85)
NOTHING = (5, 0x87)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def devices(shared: TestServer, demo: Profile) -> AsyncIterator[TestServer]:
    """The devices of the contract's worked examples."""
    for name, token in (("T", "token-T"), ("X", "shared-u")):
        draft = DeviceDraft(name=f"token {name}", credentials=Credentials("ACCESS_TOKEN", token))
        await shared.core.devices.create(demo.profile, draft, actor="test")
    await basic_device(shared, demo, "c", c="only-c")
    await basic_device(shared, demo, "u", u="only-u")
    await basic_device(shared, demo, "up", u="up-u", p="up-p")
    await basic_device(shared, demo, "cu", c="cu-c", u="cu-u")
    await basic_device(shared, demo, "cup", c="cup-c", u="token-T", p="cup-p")
    await basic_device(shared, demo, "Y", c="y-c", u="shared-u")
    certificate = Credentials("X509_CERTIFICATE", "x509-hash", "MIIB")
    await shared.core.devices.create(demo.profile, DeviceDraft(name="x509", credentials=certificate), actor="test")
    yield shared


async def verdict(
    server: TestServer, level: int, client_id: str, username: str | None, password: str | None
) -> int:
    """Log in and leave; return the CONNACK's code."""
    bytes_ = None if password is None else password.encode()
    return await login(server, level=level, client_id=client_id, username=username, password=bytes_)


@levels
@pytest.mark.parametrize(
    ("client_id", "username", "password"),
    [
        # token T: any / T / any or none
        ("any", "token-T", None), ("any", "token-T", "any"), ("", "token-T", None),
        # Arduino SDK: client id = user name = token
        ("token-T", "token-T", None),
        # {c}: c / - / -
        ("only-c", None, None), ("only-c", "", None),
        # {c} with u that is itself a valid id
        ("only-c", "only-u", None), ("only-c", "token-T", "any"),
        # {u}: any / u / any or none
        ("any", "only-u", None), ("any", "only-u", "any"), ("", "only-u", None),
        # {u,p}: any / u / p
        ("any", "up-u", "up-p"), ("", "up-u", "up-p"),
        # {c,u}: c / u / any
        ("cu-c", "cu-u", None), ("cu-c", "cu-u", "any"),
        # {c,u,p}: c / u / p
        ("cup-c", "token-T", "cup-p"),
        # {c,u,p}: other / u / p tries id = u only, which is a token here
        ("other", "token-T", "cup-p"),
        # token = u on device X and {c,u} on device Y
        ("y-c", "shared-u", None),
    ],
)  # fmt: skip
async def test_au1_to_au4_is_accepted(
    devices: TestServer, level: int, client_id: str, username: str | None, password: str | None
) -> None:
    assert await verdict(devices, level, client_id, username, password) == 0


@levels
@pytest.mark.parametrize(
    ("client_id", "username", "password", "codes"),
    [
        # {c}: c / u / -
        ("only-c", "nobody", None, WRONG),
        # {u,p}: wrong or no password
        ("any", "up-u", "wrong", WRONG), ("any", "up-u", None, WRONG), ("any", "up-u", "", WRONG),
        ("any", "up-u", "up-P", WRONG), ("any", "up-u", "up-p ", WRONG),
        # {c,u}: another client id; the client id alone
        ("other", "cu-u", None, WRONG), ("cu-c", None, None, UNKNOWN_ID),
        # {c,u,p}: a wrong password, even if u is some device's access token (AU-2)
        ("cup-c", "token-T", "wrong", WRONG), ("cup-c", "token-T", None, WRONG),
        # AU-3: any other type
        ("any", "x509-hash", None, WRONG),
        # both given and wrong, or exactly one
        ("any", "nobody", "p", WRONG), ("any", "nobody", None, WRONG), ("", "nobody", None, WRONG),
        # the token in the wrong place
        ("token-T", None, None, UNKNOWN_ID), ("any", "Token-T", None, WRONG), ("any", " token-T", None, WRONG),
        # neither given: client id not blank, blank
        ("nobody", None, None, UNKNOWN_ID), ("nobody", "", "", UNKNOWN_ID),
        ("", None, None, NOTHING), ("  ", None, None, NOTHING), ("\t", "", None, NOTHING),
    ],
)  # fmt: skip
async def test_3_3_is_refused_with_the_code_of_the_version(
    devices: TestServer, level: int, client_id: str, username: str | None, password: str | None,
    codes: tuple[int, int],
) -> None:  # fmt: skip
    bytes_ = None if password is None else password.encode()
    peer = await devices.peer(Connect(level, client_id, username=username, password=bytes_))

    received = await rest(peer)

    if level < 5:
        assert received == b"\x20\x02\0" + bytes((codes[0],))
    else:  # DISCONNECT with the same code before the close
        assert received == b"\x20\x03\0%c\0\xe0\x01%c" % (codes[1], codes[1])


async def test_3_3_a_password_without_a_user_name_is_wrong(devices: TestServer) -> None:
    assert await login(devices, level=5, client_id="nobody", password=b"p") == 0x86
    # A stored login of a client id alone has no password that could be wrong.
    assert await login(devices, level=5, client_id="only-c", password=b"p") == 0


async def test_3_3_a_password_that_is_not_utf_8_is_wrong_for_a_password_and_any_for_a_token(
    devices: TestServer,
) -> None:
    assert await login(devices, client_id="any", username="up-u", password=b"up-p\xff") == 5
    assert await login(devices, client_id="any", username="up-u", password=b"\xed\xb3\xbf") == 5
    assert await login(devices, client_id="any", username="token-T", password=b"\xff\xfe") == 0


@pytest.mark.parametrize("level", [3, 4])
@pytest.mark.parametrize("username", [None, "token-T"])
async def test_mqtt_3_1_3_8_no_client_id_and_no_clean_session_is_refused_with_code_2(
    devices: TestServer, level: int, username: str | None
) -> None:
    peer = await devices.peer(Connect(level, "", False, 60, username=username))

    assert await rest(peer) == b"\x20\x02\0\x02"


async def test_a_version_5_client_without_id_is_told_one(devices: TestServer) -> None:
    ids = set()
    for _ in range(2):
        peer = await devices.peer(Connect(5, "", False, 60, username="token-T"))
        connack = await peer.expect(Connack)
        ids.add(connack.properties[Property.ASSIGNED_CLIENT_IDENTIFIER])
        await peer.close()

    assert len(ids) == 2
    assert all(ids)


async def test_a_version_5_client_is_told_the_limits(devices: TestServer) -> None:
    limits = {Property.RECEIVE_MAXIMUM: 20, Property.MAXIMUM_PACKET_SIZE: 65_536}
    not_offered = (Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE, Property.SHARED_SUBSCRIPTION_AVAILABLE)
    expiry = {Property.SESSION_EXPIRY_INTERVAL: 0xFFFFFFFF}
    peer = await devices.peer(Connect(5, "c", False, 60, username="token-T", properties=expiry))

    connack = await peer.expect(Connack)

    assert not connack.session_present
    # Nothing outlives the connection for longer than a day, and the client is told so.
    a_day = {Property.SESSION_EXPIRY_INTERVAL: 86_400}
    assert connack.properties == {**limits, **dict.fromkeys(not_offered, 0), **a_day}
    await peer.close()


@levels
async def test_session_present_is_set_for_who_comes_back_to_a_session_that_it_wanted_kept(
    devices: TestServer, level: int
) -> None:
    expiry = {Property.SESSION_EXPIRY_INTERVAL: 60} if level == 5 else {}
    present = []
    for clean in (True, False, False, True, False):
        kept = {} if clean else expiry
        peer = await devices.peer(Connect(level, f"c{level}", clean, 60, username="token-T", properties=kept))
        present.append((await peer.expect(Connack)).session_present)
        await peer.send(Disconnect())
        await rest(peer)

    assert present == [False, False, True, False, False]


async def test_enhanced_authentication_is_refused(devices: TestServer) -> None:
    properties = {Property.AUTHENTICATION_METHOD: "SCRAM-SHA-1"}
    peer = await devices.peer(Connect(5, "c", username="token-T", properties=properties))

    assert await rest(peer) == b"\x20\x03\0\x8c\0"

    peer = await connected(devices, Connect(5, "c", username="token-T"))
    await peer.send(Auth(0x19, properties))
    assert await peer.expect(Disconnect) == Disconnect(0x82)
    await rest(peer)


# -- what a device that has logged in may do -------------------------------------------------------


@levels
async def test_au7_what_follows_connect_waits_for_the_answer(devices: TestServer, level: int) -> None:
    connect = Connect(level, "c", username="token-T")
    peer = await MqttPeer.open(devices.mqtt_port)
    peer.level = level

    # 100 packets in the same segment, and more while the credentials are looked up.
    await peer.send(connect.encode(level) + Pingreq().encode(level) * 100)
    await peer.send(*[Pingreq()] * 50)

    assert (await peer.expect(Connack)).reason == 0
    for _ in range(150):
        await peer.expect(Pingresp)
    await peer.close()


@levels
async def test_au7_nothing_that_follows_a_refused_connect_is_served(devices: TestServer, level: int) -> None:
    peer = await MqttPeer.open(devices.mqtt_port)
    refused = Connect(level, "c", username="nobody").encode(level)
    accepted = Connect(level, "provision").encode(level)

    await peer.send(refused + Pingreq().encode(level) + accepted + Pingreq().encode(level))

    expected = b"\x20\x03\0\x86\0\xe0\x01\x86" if level == 5 else b"\x20\x02\0\x05"
    assert await rest(peer) == expected


@levels
async def test_a_device_may_stay_and_ping_and_its_messages_are_acknowledged(
    devices: TestServer, level: int
) -> None:
    peer = await connected(devices, Connect(level, "c", username="token-T"))

    await peer.send(Subscribe(1, [("a/b", 1), ("#", 0)]), Publish("a", b"x"), Publish("a", b"x", 1, packet_id=2))
    await peer.send(Publish("a", b"x", 2, packet_id=3), Pingreq())

    suback = await peer.expect(Suback)
    assert suback.reasons == [0x8F if level == 5 else 0x80] * 2
    received = [await peer.receive() for _ in range(3)]
    nobody_reads_it = 0x90 if level == 5 else 0
    assert Puback(2, nobody_reads_it) in received
    assert Pubrec(3, nobody_reads_it) in received
    assert Pingresp() in received
    await peer.send(Disconnect())
    assert await rest(peer) == b""


@levels
async def test_pm8_applies_to_provision_sessions_only_a_device_cannot_provision(
    devices: TestServer, demo: Profile, level: int
) -> None:
    peer = await connected(devices, Connect(level, "c", username="token-T"))
    payload = json.dumps(demo.request(f"by-device-{level}")).encode()

    await peer.send(Publish("/provision/request", payload, 1, packet_id=2))

    assert await peer.expect(Puback) == Puback(2, 0x90 if level == 5 else 0)
    assert await devices.device(f"by-device-{level}") is None
    await peer.close()


# -- the end of a session --------------------------------------------------------------------------


async def closing(peer: MqttPeer, level: int, reason: int) -> None:
    """Wait for the server's close; a version 5 client is told the reason first."""
    assert await rest(peer) == (b"\xe0\x01%c" % reason if level == 5 else b"")


@levels
async def test_au5_mq3_a_new_login_closes_the_old_session(devices: TestServer, level: int) -> None:
    old = await connected(devices, Connect(level, "one", username="only-u"))

    new = await connected(devices, Connect(4, "two", username="only-u"))

    await closing(old, level, 0x8E)
    await new.send(Pingreq())
    await new.expect(Pingresp)
    await new.close()


@generations
async def test_mq3_of_many_alternating_logins_the_last_is_served(devices: TestServer, level: int) -> None:
    peers = []
    for _ in range(20):
        peer = await connected(devices, Connect(level, "c", username="only-u"))
        await peer.send(Publish("a", b"x", 1, packet_id=1))
        await peer.expect(Puback)
        peers.append(peer)

    for peer in peers[:-1]:
        await closing(peer, level, 0x8E)
    await peers[-1].send(Pingreq())
    await peers[-1].expect(Pingresp)
    await peers[-1].close()


@generations
async def test_mq3_logins_at_the_same_moment_leave_one_session(devices: TestServer, level: int) -> None:
    before = len(devices.services.sessions)
    peers = await asyncio.gather(*(connected(devices, Connect(level, "c", username="only-u")) for _ in range(10)))

    assert len(devices.services.sessions) == before + 1
    for peer in peers:
        await peer.send(Disconnect())
        assert await rest(peer) in (b"", b"\xe0\x01\x8e")


@generations
@pytest.mark.parametrize(
    ("client_id", "username", "password"),
    [("victim", None, None), ("victim", "", None), ("victim", "nobody", None), ("victim", "up-u", b"wrong")],
)
@pytest.mark.parametrize("clean", [True, False])
async def test_mq1_a_refused_connect_with_the_client_id_of_a_device_changes_nothing(
    devices: TestServer, level: int, client_id: str, username: str | None, password: bytes | None, clean: bool
) -> None:
    async def attack() -> bytes:
        will = Will("a/b", b"gone", 1, True)
        return await rest(await devices.peer(Connect(level, client_id, clean, 60, username, password, will)))

    absent = await attack()
    victim = await connected(devices, Connect(level, "victim", False, 60, username="token-T"))
    live = await attack()

    # The same bytes whether or not there is such a session; Session Present is 0.
    assert live == absent
    assert absent[:3] == (b"\x20\x03\0" if level == 5 else b"\x20\x02\0")
    assert absent[3] != 0
    await victim.send(Pingreq())
    await victim.expect(Pingresp)
    await victim.close()


@generations
async def test_mq2_another_device_with_the_same_client_id_has_its_own_session(
    devices: TestServer, level: int
) -> None:
    victim = await connected(devices, Connect(level, f"same{level}", False, 60, username="token-T"))

    other = await devices.peer(Connect(level, f"same{level}", False, 60, username="only-u"))

    connack = await other.expect(Connack)
    assert (connack.reason, connack.session_present) == (0, False)
    for peer in (victim, other):
        await peer.send(Pingreq())
        await peer.expect(Pingresp)
        await peer.close()


@levels
async def test_au6_mq10_a_deleted_device_is_sent_away(shared: TestServer, demo: Profile, level: int) -> None:
    token = await token_device(shared, demo, f"deleted-{level}")
    peer = await connected(shared, Connect(level, "c", username=token))
    device = await shared.device(f"deleted-{level}")
    assert device is not None

    # Through the log of changes, as from another process.
    async with asyncio.timeout(1.0):
        await shared.core.devices.delete(device, actor="test")
        await closing(peer, level, 0x98)

    assert await login(shared, level=level, username=token) == (0x86 if level == 5 else 5)


@levels
@pytest.mark.parametrize("grace", [False, True])
async def test_au6_mq10_changed_credentials_end_the_session(
    shared: TestServer, demo: Profile, level: int, grace: bool
) -> None:
    name = f"changed-{level}-{grace}"
    token = await token_device(shared, demo, name)
    peer = await connected(shared, Connect(level, "c", username=token))
    device = await shared.device(name)
    assert device is not None
    keyring = shared.core.keyring
    now_ms = shared.services.clock.now_ms()

    async with asyncio.timeout(1.0):
        result = await shared.core.commits.submit(
            ReplaceCredentials(
                device_id=device.id,
                when=When.ALWAYS,
                replaces=credentials_digest(keyring, token),
                credentials=seal_credentials(
                    keyring, Credentials("ACCESS_TOKEN", f"new-{name}"), device.public_id.bytes
                ),
                keep_old_until_ms=now_ms + 60_000 if grace else None,
                at_ms=now_ms,
                provisioned=False,
                audit=AuditEntry(at_ms=now_ms, event="credentials-changed"),
            )
        )
        assert result.outcome is Outcome.DONE
        await closing(peer, level, 0x98)

    assert await login(shared, username=token) == (0 if grace else 5)
    assert await login(shared, username=f"new-{name}") == 0


async def test_a_login_that_was_judged_before_its_device_ended_is_not_accepted(
    shared: TestServer, demo: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = await token_device(shared, demo, "judged")
    device = await shared.device("judged")
    assert device is not None
    record = shared.services.logins.record

    async def ended_meanwhile(match: object) -> None:
        await record(match)  # type: ignore[arg-type]
        shared.services.sessions.end(device_owner(device.id), SessionEnd.CREDENTIALS_CHANGED)

    monkeypatch.setattr(shared.services.logins, "record", ended_meanwhile)

    assert await login(shared, username=token) == 5
