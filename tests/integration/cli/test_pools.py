"""``firstboot pool``."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.integration.cli.conftest import CommandLine


@pytest.fixture
def pool(cli: CommandLine) -> str:
    """Make a pool; return its name."""
    cli("pool", "create", "meters", "--id-pattern", "m-{seq:03d}")
    return "meters"


def test_a_pool_is_made_with_all_its_options_and_shown(cli: CommandLine) -> None:
    options = [
        "--order", "lowest", "--lease", "2h", "--on-empty", "create", "--id-pattern", "m-{seq}",
        "--rebind", "always",
    ]  # fmt: skip

    made = cli("pool", "create", "meters", *options, "--key", "a-key", "--json").json

    assert made["provision_key"] == "a-key"
    assert len(made.pop("provision_secret")) >= 26
    assert {name: made[name] for name in ("order", "lease", "on_empty", "id_pattern", "rebind", "hardware")} == {
        "order": "lowest", "lease": "2h", "on_empty": "create", "id_pattern": "m-{seq}", "rebind": "always",
        "hardware": "any",
    }  # fmt: skip
    assert cli("pool", "show", "meters", "--json").json == made
    assert cli("pool", "list", "--json").json == [made]
    assert cli("profile", "show", "meters", "--json").json["strategy"] == "pool"


def test_the_list_says_where_it_has_looked_when_there_is_none(cli: CommandLine) -> None:
    cli("profile", "create", "other")

    assert "No pool found" in cli("pool", "list").err


def test_a_profile_becomes_a_pool_and_options_change_one_by_one(cli: CommandLine) -> None:
    cli("profile", "create", "meters")

    assert "has no pool" in cli.try_("pool", "show", "meters").err
    cli("pool", "update", "meters", "--lease", "0s")
    changed = cli("pool", "update", "meters", "--rebind", "never", "--json").json

    assert (changed["lease"], changed["rebind"]) == (None, "never")
    assert "Nothing to change" in cli.try_("pool", "update", "meters").err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--on-empty", "create"], "id_pattern"),
        (["--id-pattern", "m"], "makes no names"),
        (["--order", "x"], "order"),
    ],
)
def test_options_that_make_no_pool_are_refused(cli: CommandLine, options: list[str], message: str) -> None:
    refused = cli.try_("pool", "create", "meters", *options)

    assert refused.status != 0
    assert message in refused.err
    assert cli("profile", "list", "--json").json == []


def test_a_pool_is_filled_by_count_by_name_and_from_a_file(cli: CommandLine, pool: str, tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text("m-a, AABBCC\n\nm-b\n")

    assert "2 devices added to pool meters; 2 are ready" in cli("pool", "fill", pool, "--count", "2").out
    assert cli("pool", "fill", pool, "x", "y", "--json").json == {"added": 2, "ready": 4}
    cli("pool", "fill", pool, "--from-file", str(file))
    cli("pool", "fill", pool, "--from-file", "-", stdin="m-c\n")

    rows = cli("pool", "members", pool, "--json").json
    assert [(row["name"], row["hardware"], row["reserved"]) for row in rows] == [
        ("m-001", None, False), ("m-002", None, False), ("x", None, False), ("y", None, False),
        ("m-a", "AABBCC", True), ("m-b", None, False), ("m-c", None, False),
    ]  # fmt: skip
    assert {row["state"] for row in rows} == {"ready"}
    assert cli("device", "show", "m-a", "--json").json["state"] == "disabled"


def test_what_cannot_be_added_is_said_and_the_others_are_added(cli: CommandLine, pool: str) -> None:
    cli("device", "create", "taken", "--profile", pool)

    filled = cli.try_("pool", "fill", pool, "taken", "free")

    assert filled.status == 1
    assert "taken: Device with such name already exists!" in filled.err
    assert "1 devices added" in filled.out


def test_numbers_that_are_taken_are_passed_over(cli: CommandLine, pool: str) -> None:
    cli("profile", "create", "other")
    cli("device", "create", "m-002", "--profile", "other")

    cli("pool", "fill", pool, "--count", "3")

    names = [row["name"] for row in cli("pool", "members", pool, "--json").json]
    assert names == ["m-001", "m-003", "m-004"]


def test_a_limit_of_the_profile_ends_a_filling_and_is_said(cli: CommandLine, pool: str) -> None:
    cli("profile", "update", pool, "--max-devices", "3")

    filled = cli.try_("pool", "fill", pool, "--count", "5")

    assert filled.status == 1
    assert "as many devices as it may have" in filled.err
    assert "3 devices added to pool meters; 3 are ready" in filled.out


@pytest.mark.parametrize("arguments", [[], ["x", "--count", "1"], ["--count", "1", "--id-pattern", "m-{hw}"]])
def test_a_filling_needs_names_or_a_number(cli: CommandLine, pool: str, arguments: list[str]) -> None:
    assert cli.try_("pool", "fill", pool, *arguments).status != 0


def test_members_are_listed_in_parts(cli: CommandLine, pool: str) -> None:
    cli("pool", "fill", pool, "--count", "3")

    first = cli("pool", "members", pool, "--limit", "2")

    assert "--after 2" in first.err
    assert [row["name"] for row in cli("pool", "members", pool, "--after", "2", "--json").json] == ["m-003"]
    assert first.out.split()[:4] == ["number", "name", "state", "hardware"]


def test_a_member_is_released_and_another_device_is_not(cli: CommandLine, pool: str) -> None:
    cli("pool", "fill", pool, "x")
    cli("pool", "create", "other")
    cli("device", "create", "plain", "--profile", pool)

    assert "device x is ready" in cli("pool", "release", pool, "x").out
    assert "not of pool 'other'" in cli.try_("pool", "release", "other", "x").err
    assert "is in no pool" in cli.try_("pool", "release", pool, "plain").err


def test_hardware_that_may_ask_is_set_and_shown(cli: CommandLine, pool: str, tmp_path: Path) -> None:
    file = tmp_path / "ids"
    file.write_text("B\nC\n")

    assert cli("pool", "hardware", pool).out == "any\n"
    assert cli("pool", "hardware", pool, "A", "--from-file", str(file)).out == "A\nB\nC\n"
    assert cli("pool", "hardware", pool, "--json").json == ["A", "B", "C"]
    assert cli("pool", "show", pool).fields["hardware"] == "3 on the list"
    assert cli("pool", "hardware", pool, "--any").out == "any\n"
    assert cli.try_("pool", "hardware", pool, "A", "--any").status == 2
    assert "visible characters" in cli.try_("pool", "hardware", pool, "x" * 65).err


def test_a_pool_is_deleted_with_what_is_ready(cli: CommandLine, pool: str) -> None:
    cli("pool", "fill", pool, "--count", "3")
    cli("device", "create", "plain", "--profile", pool)

    assert "1 devices of meters are not ready" in cli.try_("pool", "delete", pool, "--yes").err
    assert cli("profile", "show", pool, "--json").json["state"] == "enabled"
    cli("device", "delete", "plain", "--yes")
    assert cli.try_("pool", "delete", pool, stdin="n\n").status != 0
    assert "deleted, with 3 devices" in cli("pool", "delete", pool, "--yes").out

    assert cli("device", "list", "--json").json == []
    assert cli("profile", "list", "--json").json == []
