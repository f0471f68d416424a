"""``firstboot claim``: administrators open, close, release and look back; secrets are told once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.conftest import CommandLine

from firstboot.claim_secrets import ALPHABET, claim_digest
from firstboot.clock import Clock
from firstboot.config import ConfigSource
from firstboot.core import Core, lay_foundation, open_core
from firstboot.secret import Secret

SECRET = "a-secret-of-somebody"


@pytest.fixture(autouse=True)
def _device(cli: CommandLine) -> None:
    cli("profile", "create", "meters")
    cli("device", "create", "m-1", "--profile", "meters")


def shown(cli: CommandLine) -> Any:
    return cli("claim", "show", "m-1", "--json").json


def opens(cli: CommandLine, secret: str) -> bool:
    """Return whether this secret is that of the device's only window."""

    async def compare(core: Core) -> bool:
        device = await core.devices.get(1, "m-1")
        (window,) = await core.claim_windows.list(device)
        return window.secret_digest == claim_digest(core.keyring, device.public_id, Secret(secret))

    return bool(asyncio.run(_with_core(cli, compare)))


def sell(cli: CommandLine) -> None:
    """Give the device to the customer c1."""

    async def make(core: Core) -> None:
        await core.customers.create(1, "c1", actor="test")

    asyncio.run(_with_core(cli, make))
    cli("device", "assign", "m-1", "c1")


async def _with_core(cli: CommandLine, work: Any) -> Any:
    async with open_core(lay_foundation(ConfigSource.read(None, cli.env)), Clock()) as core:
        return await work(core)


def test_open_makes_a_secret_that_people_can_read_and_prints_it_once(cli: CommandLine) -> None:
    """CM-1: 80 bits."""
    made = cli("claim", "open", "m-1", "--json").json

    assert len(made["secret"]) == 16
    assert set(made["secret"]) <= set(ALPHABET)
    assert opens(cli, made["secret"])
    later = [
        cli("claim", *words, "m-1", *more).out for words in (["show"], ["history"]) for more in ([], ["--json"])
    ]
    assert not any(made["secret"] in text for text in later)


@pytest.mark.parametrize("how", ["file", "standard input"])
def test_open_takes_a_secret_that_no_other_process_sees_and_does_not_repeat_it(cli: CommandLine, how: str) -> None:
    """SE-5."""
    Path("secret.txt").write_text(f"{SECRET}\nsecond line\n")

    done = cli(
        "claim", "open", "m-1", "--secret-file", "secret.txt" if how == "file" else "-", stdin=f"{SECRET}\r\n"
    )

    assert opens(cli, SECRET)
    assert SECRET not in done.out + done.err + cli("audit", "list", "--json").out


def test_open_takes_the_last_moment(cli: CommandLine) -> None:
    done = cli("claim", "open", "m-1", "--until", "2090-01-31", "--json")

    (window,) = shown(cli)["windows"]
    assert done.json["open_until"] == window["until"] == "2090-01-31T00:00:00Z"
    assert window["state"] == "open"


def test_open_takes_a_duration(cli: CommandLine) -> None:
    cli("claim", "open", "m-1", "--for", "30d")

    (window,) = shown(cli)["windows"]
    assert (window["opened_by"], window["state"]) == ("administrator", "open")


def test_a_moment_that_is_over_opens_nothing(cli: CommandLine) -> None:
    done = cli.try_("claim", "open", "m-1", "--until", "2001-01-31T12:00:00Z")

    assert (done.status, done.out) == (1, "")
    assert "That moment is over" in done.err
    assert shown(cli)["windows"] == []


def test_opening_again_replaces_the_secret(cli: CommandLine) -> None:
    first = cli("claim", "open", "m-1", "--json").json["secret"]
    second = cli("claim", "open", "m-1", "--json").json["secret"]

    assert not opens(cli, first)
    assert opens(cli, second)


@pytest.mark.parametrize(
    "options",
    [
        ["--until", "2030-01-31", "--for", "1d"],
        ["--until", "soon"],
        ["--for", "-1d"],
        ["--secret", SECRET],
    ],
)
def test_open_refuses_wrong_use_with_status_2(cli: CommandLine, options: list[str]) -> None:
    assert cli.try_("claim", "open", "m-1", *options).status == 2
    assert shown(cli)["windows"] == []


@pytest.mark.parametrize("typed", [b"", b"\n", b"\xff\n", b"x" * 256 + b"\n"])
def test_open_refuses_what_is_no_secret(cli: CommandLine, typed: bytes) -> None:
    Path("secret.txt").write_bytes(typed)

    refused = cli.try_("claim", "open", "m-1", "--secret-file", "secret.txt")

    assert (refused.status, refused.out) == (1, "")
    assert shown(cli)["windows"] == []


def test_close_closes_whatever_is_open(cli: CommandLine) -> None:
    cli("claim", "open", "m-1")

    cli("claim", "close", "m-1")

    assert shown(cli) == {"name": "m-1", "owner": None, "windows": []}


def test_show_prints_a_table(cli: CommandLine) -> None:
    Path("secret.txt").write_text("1234\n")
    cli("claim", "open", "m-1", "--secret-file", "secret.txt", "--until", "2090-01-31")

    *_, head, row = cli("claim", "show", "m-1").out.splitlines()

    assert head.split() == ["opened", "by", "opened", "until", "state", "weak", "secret"]
    assert row.split()[0] == "administrator"
    assert row.split()[2:] == ["2090-01-31T00:00:00Z", "open", "yes"]


def test_a_device_that_is_sold_is_not_opened(cli: CommandLine) -> None:
    sell(cli)

    done = cli.try_("claim", "open", "m-1")

    assert (done.status, done.out) == (1, "")
    assert "release it first" in done.err


def test_release_asks_and_takes_the_device_from_its_customer(cli: CommandLine) -> None:
    """CN-5."""
    sell(cli)
    assert cli.try_("claim", "release", "m-1", stdin="\n").status == 1
    assert shown(cli)["owner"] == "c1"

    cli("claim", "release", "m-1", stdin="y\n")

    assert shown(cli)["owner"] is None
    assert "belongs to no customer" in cli("claim", "release", "m-1").out


def test_history_says_who_did_what_newest_first(cli: CommandLine) -> None:
    """SE-7."""
    until = cli("claim", "open", "m-1", "--json").json["open_until"]
    sell(cli)
    cli("claim", "release", "m-1", "--yes")
    cli("device", "disable", "m-1")

    rows = cli("claim", "history", "m-1", "--json").json

    assert [row["event"] for row in rows] == ["device-unassigned", "device-assigned", "claim-window-opened"]
    assert all(row["actor"].startswith("cli:") for row in rows)
    assert rows[-1]["detail"] == f"until {until}"
    assert [row["event"] for row in cli("claim", "history", "m-1", "--limit", "1", "--json").json] == [
        "device-unassigned"
    ]
    assert len(cli("claim", "history", "m-1").out.splitlines()) == 4


@pytest.mark.parametrize("command", ["open", "close", "show", "release", "history"])
def test_a_device_that_is_not_there_is_named_with_status_1(cli: CommandLine, command: str) -> None:
    refused = cli.try_("claim", command, "nope")

    assert (refused.status, refused.out) == (1, "")
    assert "'nope'" in refused.err
