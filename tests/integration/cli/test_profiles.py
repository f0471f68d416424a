"""``firstboot profile``: what an operator does with kinds of devices."""

from __future__ import annotations

import pytest
from tests.integration.cli.conftest import CommandLine

SECRET = "chosen-secret-0123456789"


def test_create_prints_key_and_secret_of_128_bits(cli: CommandLine) -> None:
    """SE-1: 26 characters of 36 are 134 bits."""
    made = cli("profile", "create", "demo").fields

    assert made["name"] == "demo"
    assert made["strategy"] == "allow-create-new"
    assert len(made["provision key"]) == 20
    assert len(set(made["provision secret"])) > 5
    assert len(made["provision secret"]) == 26


def test_create_takes_every_setting(cli: CommandLine) -> None:
    made = cli(
        "profile", "create", "demo", "--strategy", "check-pre-provisioned", "--key", "my-key", "--secret", SECRET,
        "--reprovision", "rotate", "--retry-window", "5m", "--rotation-grace", "2h", "--max-devices", "7",
        "--max-per-minute", "3", "--expires", "2031-05-06T07:08:09Z", "--name-pattern", "m-.*",
        "--allow-network", "192.0.2.0/24", "--allow-network", "2001:db8::/32", "--description", "Meters, grün",
        "--json",
    ).json  # fmt: skip

    shown = cli("profile", "show", "demo", "--show-secret", "--json").json
    assert shown == made
    expected = {
        "name": "demo",
        "strategy": "check-pre-provisioned",
        "provision_key": "my-key",
        "provision_secret": SECRET,
        "state": "enabled",
        "reprovision": "rotate",
        "retry_window": "5m",
        "rotation_grace": "2h",
        "devices": 0,
        "max_devices": 7,
        "max_per_minute": 3,
        "expires": "2031-05-06T07:08:09Z",
        "name_pattern": "m-.*",
        "allowed_networks": "192.0.2.0/24, 2001:db8::/32",
        "description": "Meters, grün",
        "weak_secret": False,
    }
    assert {name: shown[name] for name in expected} == expected


def test_show_and_list_keep_the_secret_to_themselves(cli: CommandLine) -> None:
    """SE-5."""
    cli("profile", "create", "demo", "--secret", SECRET)

    for command in (("show", "demo"), ("show", "demo", "--json"), ("list",), ("list", "--json")):
        assert SECRET not in cli("profile", *command).out
    assert cli("profile", "show", "demo", "--show-secret").fields["provision secret"] == SECRET


def test_list_is_a_table_and_says_aside_when_it_is_empty(cli: CommandLine) -> None:
    empty = cli("profile", "list")
    assert empty.out.split() == ["name", "strategy", "provision", "key", "state", "reprovision", "devices"]
    assert str(cli.data_dir()) in empty.err

    cli("profile", "create", "a-long-name", "--key", "k1")
    cli("profile", "create", "b", "--key", "k2")

    lines = cli("profile", "list").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["a-long-name", "b"]
    assert {line.index(key) for line, key in zip(lines[1:], ("k1", "k2"), strict=True)} == {
        lines[0].index("provision key")
    }
    assert [row["name"] for row in cli("profile", "list", "--json").json] == ["a-long-name", "b"]


def test_update_changes_what_is_named_and_nothing_else(cli: CommandLine) -> None:
    cli("profile", "create", "demo", "--max-devices", "7", "--description", "old", "--name-pattern", "x.*")
    before = cli("profile", "show", "demo", "--show-secret", "--json").json

    cli(
        "profile", "update", "demo", "--max-devices", "9", "--expires", "2031-05-06", "--clear", "name-pattern",
        "--allow-network", "192.0.2.0/24",
    )  # fmt: skip

    after = cli("profile", "show", "demo", "--show-secret", "--json").json
    changes = {
        "max_devices": 9,
        "expires": "2031-05-06T00:00:00Z",
        "name_pattern": None,
        "allowed_networks": "192.0.2.0/24",
    }
    assert after == {**before, **changes}


def test_who_owns_devices_is_a_matter_of_their_profile(cli: CommandLine) -> None:
    cli("profile", "create", "demo", "--claim-with-gateway")
    cli("profile", "update", "demo", "--release-by-device")
    both = cli("profile", "show", "demo", "--json").json
    cli("profile", "update", "demo", "--no-claim-with-gateway", "--no-release-by-device")
    neither = cli("profile", "show", "demo", "--json").json

    assert (both["claim_with_gateway"], both["release_by_device"]) == (True, True)
    assert neither == {**both, "claim_with_gateway": False, "release_by_device": False}


def test_update_can_take_every_limit_away(cli: CommandLine) -> None:
    limits = ["max-devices", "max-per-minute", "expires", "name-pattern", "allow-network", "description"]
    values = ["7", "3", "2031-05-06", "m-.*", "192.0.2.0/24", "text"]
    cli("profile", "create", "demo")
    bare = cli("profile", "show", "demo", "--json").json
    cli("profile", "update", "demo", *[part for pair in zip(limits, values, strict=True) for part in
                                       (f"--{pair[0]}", pair[1])])  # fmt: skip

    cli("profile", "update", "demo", *[part for limit in limits for part in ("--clear", limit)])

    assert cli("profile", "show", "demo", "--json").json == bare


def test_update_without_a_change_is_refused(cli: CommandLine) -> None:
    cli("profile", "create", "demo", "--max-devices", "7")

    assert cli.try_("profile", "update", "demo").status == 1
    assert cli.try_("profile", "update", "demo", "--max-devices", "7").status == 1
    assert cli.try_("profile", "update", "demo", "--strategy", "nope").status == 1
    assert cli.try_("profile", "update", "other", "--max-devices", "7").status == 1


def test_rotate_secret_prints_another_secret_and_how_long_the_old_one_lives(cli: CommandLine) -> None:
    """PV-3."""
    old = cli("profile", "create", "demo").fields["provision secret"]

    drawn = cli("profile", "rotate-secret", "demo", "--grace", "1h").fields
    chosen = cli("profile", "rotate-secret", "demo", "--secret", SECRET, "--grace", "0s").fields

    assert drawn["provision secret"] not in (old, SECRET)
    assert drawn["old secret valid until"].endswith("Z")
    assert chosen["provision secret"] == SECRET
    assert chosen["old secret valid until"] == "-"


def test_disable_and_enable_switch_a_profile(cli: CommandLine) -> None:
    cli("profile", "create", "demo")

    cli("profile", "disable", "demo")
    assert cli("profile", "show", "demo").fields["state"] == "disabled"

    cli("profile", "enable", "demo")
    assert cli("profile", "show", "demo").fields["state"] == "enabled"


def test_delete_takes_an_empty_profile_only(cli: CommandLine) -> None:
    cli("profile", "create", "demo")
    cli("device", "create", "m-1", "--profile", "demo")

    assert cli.try_("profile", "delete", "demo").status == 1
    cli("device", "delete", "m-1", "--yes")
    cli("profile", "delete", "demo")

    assert cli.try_("profile", "show", "demo").status == 1


@pytest.mark.parametrize("command", ["show", "update", "rotate-secret", "disable", "enable", "delete"])
def test_a_profile_that_does_not_exist_is_named_with_status_1(cli: CommandLine, command: str) -> None:
    more = ["--max-devices", "1"] if command == "update" else []
    refused = cli.try_("profile", command, "nope", *more)

    assert (refused.status, refused.out) == (1, "")
    assert refused.err.startswith("firstboot: ")
    assert "'nope'" in refused.err


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["--secret", "short"], "16 characters"),  # PV-1
        (["--secret", ""], "16 characters"),
        (["--strategy", "nope"], "'nope'"),
        (["--name-pattern", "("], "missing ): ("),
        (["--name-pattern", r"(a)\1"], "regular expression"),  # PV-12: RE2 has no back references
        (["--allow-network", "foo"], "'foo'"),
        (["--allow-network", "192.0.2.1/24"], "host bits"),
        (["--max-devices", "0"], "max_devices"),
        (["--max-devices", "-1"], "max_devices"),
        (["--max-devices", "99999999999999999999"], "max_devices"),
        (["--max-per-minute", "0"], "max_per_minute"),
        (["--key", ""], "provision key"),
        (["--key", "a\tb"], "provision key"),
        (["--key", "k" * 256], "provision key"),
        (["--tenant", "nope"], "'nope'"),
    ],
)
def test_a_value_that_breaks_a_rule_is_refused_with_status_1(
    cli: CommandLine, options: list[str], reason: str
) -> None:
    refused = cli.try_("profile", "create", "demo", *options)

    assert (refused.status, refused.out) == (1, "")
    assert reason in refused.err
    assert "--json" not in refused.err
    assert cli("profile", "list", "--json").json == []


@pytest.mark.parametrize(
    "options",
    [
        ["--expires", "tomorrow"],
        ["--expires", "0001-01-01T00:00:00+23:59"],
        ["--retry-window", "soon"],
        ["--retry-window", "999999999d"],
        ["--rotation-grace", "-1h"],
        ["--reprovision", "sometimes"],
        ["--max-devices", "many"],
        ["--no-such-option"],
        ["a second name"],
    ],
)
def test_a_usage_error_has_status_2_and_makes_nothing(cli: CommandLine, options: list[str]) -> None:
    refused = cli.try_("profile", "create", "demo", *options)

    assert (refused.status, refused.out) == (2, "")
    assert not cli.data_dir().exists()


def test_names_and_keys_are_unique(cli: CommandLine) -> None:
    cli("profile", "create", "demo", "--key", "my-key")

    assert cli.try_("profile", "create", "demo").status == 1
    assert cli.try_("profile", "create", " demo ").status == 1
    assert cli.try_("profile", "create", "other", "--key", "my-key").status == 1
    assert [row["name"] for row in cli("profile", "list", "--json").json] == ["demo"]


def test_a_weak_secret_is_taken_where_the_configuration_allows_it_and_is_marked(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PV-1."""
    monkeypatch.setenv("FIRSTBOOT_PROVISIONING__ALLOW_WEAK_SECRETS", "true")

    assert cli("profile", "create", "demo", "--secret", "short").fields["weak secret"] == "yes"


def test_moments_beyond_the_calendar_are_printed_all_the_same() -> None:
    from firstboot.cli.common import moment

    assert moment(2**62) == f"{2**62} ms"
    assert moment(0) == "1970-01-01T00:00:00Z"
    assert moment(None) is None
