"""``firstboot device enable|disable|assign|attributes`` and ``firstboot profile set-default``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.integration.cli.conftest import CommandLine

from firstboot.clock import Clock
from firstboot.config import ConfigSource
from firstboot.core import Core, lay_foundation, open_core
from firstboot.model import Scope
from firstboot.storage import SaveAttributes


@pytest.fixture(autouse=True)
def device(cli: CommandLine) -> None:
    cli("profile", "create", "demo")
    cli("device", "create", "meter", "--profile", "demo")


def meanwhile(cli: CommandLine, work: Callable[[Core], Awaitable[object]]) -> None:
    """Do what no command does."""

    async def main() -> None:
        async with open_core(lay_foundation(ConfigSource.read(None, cli.env)), Clock()) as core:
            await work(core)

    asyncio.run(main())


def shown(cli: CommandLine) -> dict[str, object]:
    fields: dict[str, object] = cli("device", "show", "meter", "--json").json
    return fields


def test_a_device_is_switched_off_and_on(cli: CommandLine) -> None:
    assert cli("device", "disable", "meter").out == "device meter disabled\n"
    assert (shown(cli)["enabled"], shown(cli)["state"]) == (False, "disabled")
    assert "disabled" in cli("device", "list").out

    assert cli("device", "enable", "meter").out == "device meter enabled\n"
    assert (shown(cli)["enabled"], shown(cli)["state"]) == (True, "waiting")
    events = [row["event"] for row in cli("audit", "list", "--json").json]
    assert events[:2] == ["device-enabled", "device-disabled"]


@pytest.mark.parametrize("command", ["enable", "disable", "attributes", "assign"])
def test_a_device_that_does_not_exist_is_named(cli: CommandLine, command: str) -> None:
    refused = cli.try_("device", command, "nope")

    assert (refused.status, refused.out) == (1, "")
    assert "'nope'" in refused.err


def test_a_device_is_not_given_to_a_customer_that_does_not_exist(cli: CommandLine) -> None:
    meanwhile(cli, lambda core: core.customers.create(1, "Nobody else", {}, actor="test"))
    refused = cli.try_("device", "assign", "meter", "Nobody")

    assert refused.status == 1
    assert "'Nobody'" in refused.err
    assert cli("device", "assign", "meter").out == "device meter belongs to no customer\n"


def test_a_device_is_given_to_a_customer_by_title_and_taken_back(cli: CommandLine) -> None:
    meanwhile(cli, lambda core: core.customers.create(1, "Acme", {}, actor="test"))

    assert cli("device", "assign", "meter", "Acme").out == "device meter belongs to Acme\n"
    assert cli("device", "assign", "meter").out == "device meter belongs to no customer\n"


def test_the_attributes_of_a_device_are_listed(cli: CommandLine) -> None:
    empty = cli("device", "attributes", "meter")
    assert empty.out.split() == ["scope", "key", "value", "updated"]
    assert cli("device", "attributes", "meter", "--json").json == []

    async def set_attributes(core: Core) -> None:
        device = await core.devices.get(1, "meter")
        values = {"limits": {"high": 5}, "name": "line\nbreak"}
        write = SaveAttributes(device_id=device.id, scope=Scope.SHARED, values=values, at_ms=0)
        await core.commits.submit(write)

    meanwhile(cli, set_attributes)
    assert cli("device", "attributes", "meter", "--json").json == [
        {"scope": "shared", "key": "limits", "value": {"high": 5}, "updated": "1970-01-01T00:00:00Z"},
        {"scope": "shared", "key": "name", "value": "line\nbreak", "updated": "1970-01-01T00:00:00Z"},
    ]
    _, limits, name = cli("device", "attributes", "meter").out.splitlines()
    assert limits.split() == ["shared", "limits", '{"high":', "5}", "1970-01-01T00:00:00Z"]
    assert '"line\\nbreak"' in name


def test_the_table_of_attributes_cuts_what_is_long_and_json_does_not(cli: CommandLine) -> None:
    long = "x" * 5000

    async def set_attributes(core: Core) -> None:
        device = await core.devices.get(1, "meter")
        write = SaveAttributes(device_id=device.id, scope=Scope.SHARED, values={"firmware": long}, at_ms=0)
        await core.commits.submit(write)

    meanwhile(cli, set_attributes)

    _, row = cli("device", "attributes", "meter").out.splitlines()
    assert row.split() == ["shared", "firmware", f'"{"x" * 98}…', "1970-01-01T00:00:00Z"]
    assert cli("device", "attributes", "meter", "--json").json[0]["value"] == long


def test_a_profile_becomes_the_default_one(cli: CommandLine) -> None:
    cli("profile", "create", "other")
    cli("profile", "set-default", "demo")
    cli("profile", "set-default", "other")

    defaults = {row["name"]: row["default"] for row in cli("profile", "list", "--json").json}
    assert defaults == {"demo": False, "other": True}
    refused = cli.try_("profile", "delete", "other")
    assert (refused.status, refused.err) == (1, "firstboot: Deletion of Default Device Profile is prohibited!\n")
