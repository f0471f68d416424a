"""``firstboot thingstream``: profiles, tokens and Things on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.harness import TestServer, environment, firstboot, running
from tests.integration.cli.conftest import CommandLine, cli
from tests.integration.thingstream.fleet import IMEI, Fleet
from tests.integration.thingstream.rovers import assist

__all__ = ["cli"]

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PROFILE = ("thingstream", "profile")


def test_a_profile_is_made_with_its_options_and_its_token_is_printed_once(
    cli: CommandLine, tmp_path: Path
) -> None:
    codes = tmp_path / "codes.txt"
    codes.write_text(f"{IMEI}\n\n A \n")

    made = cli(
        *_PROFILE, "create", "trackers-eu", "--title", "Trackers EU", "--plan", "cl-dev", "--tag", "eu",
        "--tag", "b", "--no-auto-activate", "--hardware-code", "--hardware-codes", str(codes),
        "--old-thing", "on_first_connect", "--grace", "2h", "--max-things", "9", "--expires", "2031-05-06",
        "--json",
    ).json  # fmt: skip

    token = made.pop("token")
    assert re.fullmatch(UUID, token)
    (told,) = made.pop("tokens")
    assert (told["last4"], told["state"], told["expires"], told["uses"]) == (
        token[-4:], "active", "2031-05-06T00:00:00Z", 0,
    )  # fmt: skip
    assert made == {
        "profile": "trackers-eu", "title": "Trackers EU", "service": "CloudLocate", "format": None,
        "plan": "cl-dev", "tags": ["eu", "b"], "auto_activate": False, "hardware_code_mandatory": True,
        "hardware_codes": 2, "old_thing": "on_first_connect", "grace": "2h", "max_things": 9, "things": 0,
    }  # fmt: skip
    for command in ("list", "show trackers-eu", "show trackers-eu --json"):
        assert token not in cli(*_PROFILE, *command.split()).out
    assert cli(*_PROFILE, "list").out.splitlines()[1].split() == [
        "trackers-eu",
        "CloudLocate",
        "cl-dev",
        "no",
        "0",
    ]


def test_a_profile_is_changed_and_deleted(cli: CommandLine) -> None:
    cli(*_PROFILE, "create", "trackers-eu", "--max-things", "9")

    changed = cli(
        *_PROFILE, "update", "trackers-eu", "--plan", "big", "--max-things", "0", "--any-hardware", "--json"
    ).json
    deleted = cli(*_PROFILE, "delete", "trackers-eu").out

    assert (changed["plan"], changed["max_things"], changed["hardware_codes"]) == ("big", None, None)
    assert deleted == "profile trackers-eu deleted\n"
    assert "No Thingstream profile found" in cli(*_PROFILE, "list").err
    assert "no Thingstream profile named 'trackers-eu'" in cli.try_(*_PROFILE, "show", "trackers-eu").err


def test_a_profile_of_pointperfect_has_a_format(cli: CommandLine) -> None:
    create = (*_PROFILE, "create", "rovers", "--service", "PointPerfect", "--json")

    made = cli(*create).json
    changed = cli(*_PROFILE, "update", "rovers", "--format", "RTCM", "--json").json

    assert (made["service"], made["format"], changed["format"]) == ("PointPerfect", "SPARTN", "RTCM")


def test_tokens_are_rotated_disabled_and_deleted(cli: CommandLine) -> None:
    first = cli(*_PROFILE, "create", "trackers-eu", "--json").json["token"]

    second = cli(*_PROFILE, "token", "rotate", "trackers-eu", "--grace", "1h", "--json").json["token"]
    third = cli(*_PROFILE, "token", "rotate", "trackers-eu", "--grace", "0s").out.strip()
    assert cli(*_PROFILE, "token", "disable", "trackers-eu", third).out == f"token ...{third[-4:]} disabled\n"
    states = [each["state"] for each in cli(*_PROFILE, "show", "trackers-eu", "--json").json["tokens"]]
    assert cli(*_PROFILE, "token", "enable", "trackers-eu", third).out == f"token ...{third[-4:]} enabled\n"
    assert cli(*_PROFILE, "token", "delete", "trackers-eu", first).out == f"token ...{first[-4:]} deleted\n"

    left = cli(*_PROFILE, "show", "trackers-eu", "--json").json["tokens"]
    assert states == ["revoked", "revoked", "disabled"]
    assert [(each["last4"], each["state"]) for each in left] == [(second[-4:], "revoked"), (third[-4:], "active")]
    assert "no such token" in cli.try_(*_PROFILE, "token", "delete", "trackers-eu", first).err


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("profile", "create", "a b"), "The name of a profile has"),
        (("profile", "create", "a", "--tag", "x" * 65), "There are at most"),
        (("profile", "create", "a", "--hardware-codes", "nothing.txt"), "cannot be read"),
        (("profile", "create", "a", "--format", "RTCM"), "--format is for --service PointPerfect"),
        (("thing", "list", "--state", "gone"), "'gone' is not one of 'allocated'"),
        (("thing", "activate"), "give ids of Things, or --profile"),
        (("thing", "activate", "x", "--profile", "y"), "give ids of Things, or --profile"),
        (("thing", "activate", "device:x"), "There is no Thing"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(
    cli: CommandLine, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in cli.try_("thingstream", *arguments).err


async def _made(server: TestServer, tmp_path: Path) -> dict[str, str]:
    """Have a device make itself; the token was made on the command line, which the running server notices."""
    import httpx2

    env = environment(tmp_path)
    made = firstboot(env, *_PROFILE, "create", "trackers-eu", "--no-auto-activate")
    token = re.search(rf"^token +({UUID})$", made.stdout, re.MULTILINE)
    assert token is not None
    await server.services.changes.catch_up()
    async with httpx2.AsyncClient(base_url=server.url) as device:
        fleet = Fleet(server, device, device)
        return await fleet.get(token[1], hardwareId=IMEI, givenName="Torch")


async def test_a_compromised_chipcode_is_replaced_while_the_server_runs(tmp_path: Path) -> None:
    import httpx2

    env = environment(tmp_path)
    async with running(tmp_path) as server, httpx2.AsyncClient(base_url=server.url) as device:
        out = firstboot(env, *_PROFILE, "create", "receivers", "--service", "AssistNow", "--json").stdout
        await server.services.changes.catch_up()
        fleet, token = Fleet(server, device, device), json.loads(out)["token"]
        first = await assist(fleet, token)
        listed = firstboot(env, "thingstream", "thing", "list", "--json").stdout

        said = firstboot(env, "thingstream", "thing", "compromised", json.loads(listed)[0]["id"]).stdout

        assert said.endswith(" gets another chipcode\n")
        assert (await assist(fleet, token))["chipcode"] != first["chipcode"]


async def test_things_are_listed_activated_and_deactivated_while_the_server_runs(tmp_path: Path) -> None:
    import httpx2

    async with running(tmp_path) as server, httpx2.AsyncClient() as unused:
        told = await _made(server, tmp_path)
        env, fleet = environment(tmp_path), Fleet(server, unused, unused)

        listed = firstboot(env, "thingstream", "thing", "list", "--state", "allocated").stdout.splitlines()
        assert listed[1].split()[:5] == [told["clientId"], "Torch", IMEI, "trackers-eu", "default"]
        out = firstboot(env, "thingstream", "thing", "activate", "--profile", "trackers-eu").stdout
        assert out == "1 Things activated\n"
        session, code = await fleet.open(told)
        assert code == 0
        out = firstboot(env, "thingstream", "thing", "deactivate", told["clientId"]).stdout
        assert out == f"{told['clientId']} deactivated\n"
        await session.expect_closed()
        await session.close()
