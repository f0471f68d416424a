"""``firstboot token``: secrets for programs, shown once (LG-9)."""

from __future__ import annotations

import re

from tests.integration.cli.conftest import CommandLine


def test_lg_9_a_token_is_printed_once(cli: CommandLine) -> None:
    made = cli(
        "token", "create", "dashboard", "--scope", "events", "--scope", "telemetry:read",
        "--expires", "2031-05-06", "--json",
    ).json  # fmt: skip

    assert re.fullmatch(r"fbt_[A-Za-z0-9_-]{43}", made["token"])
    assert (made["scopes"], made["expires"]) == (["events", "telemetry:read"], "2031-05-06T00:00:00Z")
    assert made["created_by"].startswith("cli:")
    for command in (("token", "list"), ("token", "list", "--json"), ("audit", "list", "--json")):
        assert made["token"] not in cli(*command).out


def test_lg_9_tokens_are_listed_with_scopes_and_last_use(cli: CommandLine) -> None:
    assert "No API token found" in cli("token", "list").err
    cli("token", "create", "dashboard", "--scope", "events", "--scope", "publish:cmd/#")

    (row,) = cli("token", "list", "--json").json
    assert (row["name"], row["scopes"], row["last_used"]) == ("dashboard", ["events", "publish:cmd/#"], None)
    assert cli("token", "list").out.splitlines()[1].endswith("events publish:cmd/#")


def test_lg_9_a_revoked_token_is_gone(cli: CommandLine) -> None:
    cli("token", "create", "dashboard", "--scope", "events")

    assert cli("token", "revoke", "dashboard").out == "token dashboard revoked\n"

    assert cli("token", "list", "--json").json == []
    assert "There is no such API token." in cli.try_("token", "revoke", "dashboard").err


def test_lg_9_a_token_needs_a_scope_that_exists(cli: CommandLine) -> None:
    assert cli.try_("token", "create", "dashboard").status == 2
    assert "Did you mean events?" in cli.try_("token", "create", "dashboard", "--scope", "event").err


def test_tn_1_tokens_belong_to_a_tenant(cli: CommandLine) -> None:
    cli("tenant", "create", "other")
    cli("token", "create", "dashboard", "--scope", "events", "--tenant", "other")

    assert cli("token", "list", "--json").json == []
    assert cli.try_("token", "revoke", "dashboard").status == 1
    assert "already" in cli.try_("token", "create", "dashboard", "--scope", "rpc", "--tenant", "other").err
