"""Refusals in the exact words of contract section 10, and the limits of an address."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.thingstream.fleet import CLOUDLOCATE, IMEI, Fleet, fleet_of

from firstboot.hookspecs import Refuse, hookimpl
from firstboot_plugins.dialects.thingstream.settings import DeviceType

UNKNOWN = "5b1c8a3e-7c0d-4f57-9a54-0d5b6f5a9d10"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"token":5}',
        b'{"token":"T","givenName":7}',
        b'{"token":"T","hardwareId":7}',
        b'{"token":"T","tags":"eu"}',
        b'{"token":"T","tags":[1]}',
        b'{"token":"T","givenName":"' + b"n" * 51 + b'"}',
        b'{"token":"T","givenName":"a\\u0000b"}',
        b'{"token":"T","hardwareId":"' + b"4" * 65 + b'"}',
        b'{"token":"T","hardwareId":" "}',
        b'{"token":"T","tags":["' + b"t" * 65 + b'"]}',
        b'{"token":"T","tags":[' + b",".join(b'"t%d"' % number for number in range(51)) + b"]}",
    ],
)
async def test_a_body_that_is_not_as_it_should_be_is_an_invalid_request(fleet: Fleet, body: bytes) -> None:
    profile = await fleet.profile()

    refusal = await fleet.refused(body.replace(b'"T"', f'"{profile.token}"'.encode()))

    assert refusal == (400, "Invalid request")


@pytest.mark.parametrize("body", [{}, {"token": ""}, {"token": None}, {"givenName": "n"}])
async def test_a_request_without_a_token_is_told_so(fleet: Fleet, body: dict[str, object]) -> None:
    assert await fleet.refused(body) == (400, "Token is mandatory")


async def test_every_token_that_is_no_good_is_refused_with_one_text(fleet: Fleet, clock: FakeClock) -> None:
    profile = await fleet.profile("one", expires=clock.now_ms + 1000)
    disabled, off = await fleet.profile("two"), await fleet.profile("three")
    revoked, gone = await fleet.profile("four"), await fleet.profile("five")
    of_two = disabled.told["tokens"][0]["id"]
    await fleet.call("PUT", f"/profiles/two/tokens/{of_two}", {"state": "disabled"})
    await fleet.server.core.profiles.set_enabled(
        await fleet.server.core.profiles.get(1, "three"), False, actor="test"
    )
    await fleet.server.services.provisioning.reload_profiles()
    await fleet.call("POST", "/profiles/four/tokens/rotate", {"graceSeconds": 0})
    await fleet.call("DELETE", "/profiles/five", status=204)
    clock.advance(1.001)

    texts = {"unknown": UNKNOWN, "no uuid": "T", "quote": "'"}
    texts |= {each.name: each.token for each in (profile, disabled, off, revoked, gone)}
    refusals = {name: await fleet.refused({"token": text}) for name, text in texts.items()}

    assert refusals == dict.fromkeys(texts, (403, "Invalid token"))
    await fleet.call("PUT", f"/profiles/two/tokens/{of_two}", {"state": "active"})
    await fleet.get(disabled.token)


async def test_a_token_may_be_written_in_capitals(fleet: Fleet) -> None:
    profile = await fleet.profile()

    await fleet.get(profile.token.upper())


async def test_hardware_that_is_not_on_the_list_is_refused(fleet: Fleet) -> None:
    profile = await fleet.profile(hardwareCodes=[IMEI])

    await fleet.get(profile.token, hardwareId=IMEI)
    other = await fleet.refused({"token": profile.token, "hardwareId": "352656100000002"})
    none = await fleet.refused({"token": profile.token, "hardwareId": ""})

    assert (other, none) == (
        (403, "Device hardware code not whitelisted"),
        (400, "Hardware code is mandatory"),
    )


async def test_a_profile_makes_no_more_things_than_it_may(fleet: Fleet) -> None:
    profile = await fleet.profile(maxThings=1)
    await fleet.get(profile.token)

    assert await fleet.refused({"token": profile.token}) == (403, "Device limit reached")


async def test_hardware_whose_thing_is_deactivated_has_no_plan(fleet: Fleet) -> None:
    profile = await fleet.profile()
    told = await fleet.get(profile.token, hardwareId=IMEI)
    await fleet.call("POST", f"/things/{told['clientId']}/deactivate")

    refusal = await fleet.refused({"token": profile.token, "hardwareId": IMEI})

    assert refusal == (403, f"No plan for device {told['clientId']}")


async def test_a_refusal_is_plain_text_or_json_for_who_wants_that(fleet: Fleet) -> None:
    plain = await fleet.ask({"token": UNKNOWN})
    as_json = await fleet.ask({"token": UNKNOWN}, accept="application/json")

    assert (plain.headers["content-type"], plain.text) == ("text/plain; charset=utf-8", "Invalid token")
    assert (as_json.headers["content-type"], as_json.json()) == ("application/json", {"message": "Invalid token"})
    assert as_json.status_code == 403


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods_are_not_allowed(fleet: Fleet, method: str) -> None:
    answer = await fleet.device.request(method, CLOUDLOCATE)

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == ("" if method == "HEAD" else "Method Not Allowed")


@pytest.mark.parametrize("path", ["/ztp/nothing/credentials", "/ztp/cloudlocate", "/ztp/cloudlocate/credentials/"])
async def test_a_service_that_does_not_exist_is_not_found(fleet: Fleet, path: str) -> None:
    answer = await fleet.ask({"token": UNKNOWN}, path=path)

    assert (answer.status_code, answer.text) == (404, "Not Found")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


async def test_a_large_or_compressed_body_is_refused_unread(fleet: Fleet) -> None:
    large = await fleet.ask(b'{"token":"' + b"x" * 16_384)
    packed = await fleet.ask(b"{}", **{"content-encoding": "gzip"})

    assert (large.status_code, packed.status_code) == (413, 415)
    assert large.headers["content-type"] == packed.headers["content-type"] == "text/plain; charset=utf-8"


async def test_no_refusal_but_the_final_ones_has_words_that_clients_search_for() -> None:
    from firstboot_plugins.dialects.thingstream import errors

    final = (errors.ALREADY_REGISTERED, errors.NO_PLAN, errors.NOT_WHITELISTED)
    texts = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str)]
    others = [text for text in texts if text not in final]

    assert len(others) > 5
    for words in ("Device already registered", "No plan for device", "not whitelisted"):
        assert sum(words in text for text in final) == 1
        assert not [text for text in others if words in text]


# -- limits of an address --------------------------------------------------------------------------


@pytest.fixture
async def strict(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Fleet]:
    """Run a server with the limits that hold without settings."""
    async with fleet_of(tmp_path, clock=clock.clock, thingstream={}) as made:
        yield made


async def test_an_address_may_ask_thirty_times_a_minute(strict: Fleet, clock: FakeClock) -> None:
    profile = await strict.profile()
    for _ in range(30):
        await strict.get(profile.token)

    clock.advance(20)
    late = await strict.ask({"token": profile.token})

    assert (late.status_code, late.text, late.headers["retry-after"]) == (429, "Too many requests", "40")
    clock.advance(40)
    await strict.get(profile.token)


async def test_an_address_may_be_wrong_five_times_a_minute_and_good_tokens_are_taken_all_the_same(
    strict: Fleet, clock: FakeClock
) -> None:
    profile = await strict.profile()
    wrong = [await strict.refused({"token": UNKNOWN}) for _ in range(5)]

    late = await strict.ask({"token": UNKNOWN})

    assert wrong == [(403, "Invalid token")] * 5
    assert (late.status_code, late.text, late.headers["retry-after"]) == (429, "Too many requests", "60")
    await strict.get(profile.token)
    clock.advance(60)
    assert await strict.refused({"token": UNKNOWN}) == (403, "Invalid token")


# -- what operators see ----------------------------------------------------------------------------


class _Vetoes:
    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_device_provisioning(self, request: object, proposal: object) -> Refuse:
        return Refuse("not today")


async def test_a_plugin_may_refuse_and_its_reason_is_not_told(tmp_path: Path) -> None:
    async with fleet_of(tmp_path, plugins={"vetoes": _Vetoes()}) as fleet:
        profile = await fleet.profile()

        assert await fleet.refused({"token": profile.token}) == (403, "Not allowed")
        assert [
            row.entry.code for row in await fleet.server.audit() if row.entry.event == "provisioning-refused"
        ] == ["vetoed"]


async def test_each_refusal_is_in_the_audit_log_and_no_token_is(
    fleet: Fleet, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    profile = await fleet.profile(hardwareCodeMandatory=True)
    await fleet.refused({"token": UNKNOWN})
    await fleet.refused({"token": profile.token})
    told = await fleet.get(profile.token, hardwareId=IMEI)

    rows = [row.entry for row in await fleet.server.audit()]

    assert [(row.code, row.profile) for row in rows if row.event == "provisioning-refused"] == [
        ("unknown-key", None),
        ("no-hardware-id", profile.name),
    ]
    (made,) = (row for row in rows if row.event == "device-provisioned")
    assert (made.device, made.dialect, made.transport) == (told["clientId"], "thingstream", "http")
    kept = json.dumps([str(row) for row in rows]) + caplog.text
    kept += str((await fleet.server.core.profiles.get(1, profile.name)).details)
    for secret in (UNKNOWN, profile.token, told["password"], told["userName"]):
        assert secret not in kept


async def test_a_token_of_another_service_is_invalid(fleet: Fleet) -> None:
    """There is one service as yet; its profiles' tokens are not those of another."""
    from firstboot.errors import ProfileNotProven
    from firstboot.secret import Secret
    from firstboot_plugins.dialects.thingstream.services import Thingstream

    profile = await fleet.profile()
    tokens = Thingstream.of(fleet.server.services).tokens

    with pytest.raises(ProfileNotProven):
        tokens.prove(Secret(profile.token), "AssistNow")  # type: ignore[arg-type]
    assert tokens.prove(Secret(profile.token), DeviceType.CLOUDLOCATE).profile.name == profile.name
