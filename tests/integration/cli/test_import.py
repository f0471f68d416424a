"""``firstboot import``: delivery lists become devices, whatever stands in them."""

from __future__ import annotations

import asyncio
import csv
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from tests.integration.cli.conftest import CommandLine, Result

from firstboot import device_import
from firstboot.claim_secrets import ALPHABET
from firstboot.clock import Clock
from firstboot.config import ConfigSource
from firstboot.core import lay_foundation, open_core

SECRET = "a-secret-of-somebody"


@pytest.fixture(autouse=True)
def _profile(cli: CommandLine) -> None:
    cli("profile", "create", "meters", "--strategy", "check-pre-provisioned")


def given(text: str | bytes, name: str = "list.csv") -> str:
    """Write a list; return its name."""
    Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    return name


def imported(cli: CommandLine, text: str | bytes, *options: str) -> Result:
    """Import a list with the profile meters."""
    return cli.try_("import", given(text), "--profile", "meters", *options)


def counts(result: Result) -> tuple[int, ...]:
    """Return how many were created, updated, left alone, and how many failed."""
    return tuple(int(result.fields[name]) for name in ("created", "updated", "left alone", "failed"))


def names(cli: CommandLine) -> list[str]:
    return [row["name"] for row in cli("device", "list", "--json").json]


def device(cli: CommandLine, name: str) -> Any:
    return cli("device", "show", name, "--show-credentials", "--json").json


def attributes(cli: CommandLine, name: str) -> dict[str, Any]:
    return {
        f"{row['scope']}:{row['key']}": row["value"] for row in cli("device", "attributes", name, "--json").json
    }


def windows(cli: CommandLine, name: str) -> list[Any]:
    found: list[Any] = cli("claim", "show", name, "--json").json["windows"]
    return found


def secrets_of(path: str) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_every_column_reaches_the_device(cli: CommandLine) -> None:
    cli("profile", "create", "gateways")
    text = (
        "name,label,profile,description,gateway,token,secret,claim-until,server:site,shared:unit\n"
        f"m-1,Cellar,,,,token-of-m-1,{SECRET},2090-01-31,7,kWh\n"
        "g-1,,gateways,Behind the door,yes,,,,,\n"
    )

    done = imported(cli, text)

    assert (done.status, counts(done)) == (0, (2, 0, 0, 0))
    first, gateway = device(cli, "m-1"), device(cli, "g-1")
    assert (first["profile"], first["label"], first["credentials"]) == ("meters", "Cellar", "token-of-m-1")
    assert attributes(cli, "m-1") == {
        "server:claimingData": {"secretKey": "***", "expirationTime": 3_789_504_000_000},
        "server:site": 7,
        "shared:unit": "kWh",
    }
    (window,) = windows(cli, "m-1")
    assert (window["until"], window["state"]) == ("2090-01-31T00:00:00Z", "open")
    assert (gateway["profile"], gateway["gateway"], len(gateway["credentials"])) == ("gateways", True, 20)
    assert windows(cli, "g-1") == []


def test_devices_may_bring_each_kind_of_credentials(cli: CommandLine) -> None:
    text = "name;client-id;username;password\na;c;;\nb;c;u;p\n"

    assert counts(imported(cli, text)) == (2, 0, 0, 0)

    assert {device(cli, name)["credentials_type"] for name in ("a", "b")} == {"MQTT_BASIC"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_lists_are_read_as_spreadsheets_write_them(cli: CommandLine, delimiter: str) -> None:
    lines = [delimiter.join(cells) for cells in (("Name", "Label"), ("zähler-1", '"a,b;c"'), ("",))]

    assert counts(imported(cli, "\ufeff" + "\r\n".join(lines))) == (1, 0, 0, 0)

    assert device(cli, "zähler-1")["label"] == "a,b;c"


def test_a_list_of_serial_numbers_needs_no_other_titles(cli: CommandLine) -> None:
    text = "DevEUI,AppKey\n70B3D57ED0051234,00112233\n0000000000000007,x\n"

    assert counts(imported(cli, text, "--name-column", "DevEUI", "--ignore", "appkey")) == (2, 0, 0, 0)

    assert names(cli) == ["70B3D57ED0051234", "0000000000000007"]


def test_standard_input_is_read(cli: CommandLine) -> None:
    cli("import", "-", "--profile", "meters", stdin="name\nm-1\n")

    assert names(cli) == ["m-1"]


def test_each_bad_line_is_named_and_the_rest_is_imported(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HT-8."""
    monkeypatch.setattr(device_import, "ROWS_AT_A_TIME", 3)
    lines = [
        b"name,label,profile,token,secret",
        b"m-1,,,one-token,",
        b"\xff\xfe,,,,",
        b'm-3"x,"y"z,,,',
        b"m-4,,nope,,",
        b"m-5,,,one-token,",
        b"<script>alert(1)</script>,,,,",
        b"m-7,,,,,,,too,many",
        b",,,," + SECRET.encode(),
        b"m-1,,,,",
        b"m-10,,,," + SECRET.encode() * 20,
        b"x" * 70_000,
        b"m-12,\x00,,,",
        b"m-13,ok,,,",
    ]

    partly = imported(cli, b"\n".join(lines))

    assert (partly.status, counts(partly)) == (1, (2, 0, 0, 11))
    *named, last = partly.err.splitlines()
    assert sorted(int(line.split(":")[0].removeprefix("line ")) for line in named) == list(range(3, 14))
    assert "11 of 13" in last
    assert SECRET not in partly.err
    assert "one-token" not in partly.err
    assert any("stands in line 2 already" in line for line in named if line.startswith("line 10:"))
    assert names(cli) == ["m-1", "m-13"]


def test_json_beyond_the_bounds_stays_a_text(cli: CommandLine) -> None:
    """HT-2."""
    deep = "[" * 40 + "]" * 40

    partly = imported(cli, f'name,server:a\nm-1,"{deep}"\nm-2,{"x" * 65_000}\nm-3,"{{""a"":{deep}}}"\n')

    assert partly.status == 0
    assert attributes(cli, "m-1") == {"server:a": deep}


def test_a_quote_that_is_not_closed_costs_one_row(cli: CommandLine) -> None:
    """HT-8."""
    partly = imported(cli, 'name,label\nm-1,"open\nm-2,\nm-3,\n')

    assert counts(partly) == (2, 0, 0, 1)
    assert names(cli) == ["m-2", "m-3"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("name,colour\nm-1,red\n", "'colour'"),
        ("label\nm-1\n", "'name'"),
        ("name\nm-1\n".encode("utf-16"), "UTF-8"),
    ],
)
def test_a_list_that_cannot_be_followed_changes_nothing(cli: CommandLine, text: str | bytes, message: str) -> None:
    refused = imported(cli, text)

    assert (refused.status, refused.out) == (1, "")
    assert message in refused.err
    assert names(cli) == []


@pytest.mark.parametrize(
    "options",
    [
        ["nowhere.csv"],
        [".", "--profile", "meters"],
        ["list.csv", "--generate-secrets"],
        ["list.csv", "--generate-secrets", "--secrets", "s.csv", "--customer", "c"],
        ["list.csv", "--claim-until", "2030-01-31", "--claim-for", "1d"],
        ["list.csv", "--claim-for", "soon"],
    ],
)
def test_wrong_use_is_refused_with_status_2(cli: CommandLine, options: list[str]) -> None:
    given("name\nm-1\n")

    assert cli.try_("import", *options).status == 2
    assert names(cli) == []
    assert not Path("s.csv").exists()


def test_rows_that_name_no_profile_get_the_default_one(cli: CommandLine) -> None:
    result = cli.try_("import", given("name,profile\nm-1,\nm-2,meters\n"))

    assert (result.status, counts(result)) == (0, (2, 0, 0, 0))
    assert [device(cli, name)["profile"] for name in ("m-1", "m-2")] == ["default", "meters"]


def test_a_profile_s_limit_holds(cli: CommandLine) -> None:
    """PV-3."""
    cli("profile", "update", "meters", "--max-devices", "2")

    partly = imported(cli, "name\na\nb\nc\n")

    assert (partly.status, names(cli)) == (1, ["a", "b"])


def test_generated_secrets_are_handed_out_once_and_open_the_devices(cli: CommandLine) -> None:
    """CM-1: 80 bits."""
    done = imported(cli, f"name,secret\n=1+1,\nm-2,{SECRET}\n", "--generate-secrets", "--secrets", "s.csv")

    assert done.status == 0
    assert Path("s.csv").stat().st_mode & 0o777 == 0o600
    header, first, second = secrets_of("s.csv")
    assert header == ["name", "secret", "claim-until"]
    assert first[0] == "'=1+1", "no formula (HT-8)"
    assert len(first[1]) == 16
    assert set(first[1]) <= set(ALPHABET)
    assert second[:2] == ["m-2", SECRET]
    (window,) = windows(cli, "=1+1")
    assert window["until"] == first[2]
    shown = done.out + done.err + cli("claim", "show", "m-2").out + cli("audit", "list", "--json").out
    assert first[1] not in shown
    assert SECRET not in shown


def test_importing_again_leaves_alone_what_is_there(cli: CommandLine) -> None:
    options = ("--generate-secrets", "--secrets")
    imported(cli, "name,label\nm-1,old\n", *options, "s1.csv")
    before = (device(cli, "m-1"), windows(cli, "m-1"))

    again = imported(cli, "name,label\nm-1,new\nm-2,new\n", *options, "s2.csv")

    assert counts(again) == (1, 0, 1, 0)
    assert (device(cli, "m-1"), windows(cli, "m-1")) == before
    assert [name for name, *_ in secrets_of("s2.csv")] == ["name", "m-2"]


def test_a_secrets_file_is_never_overwritten(cli: CommandLine) -> None:
    given("precious", "s.csv")

    refused = imported(cli, "name\nm-1\n", "--generate-secrets", "--secrets", "s.csv")

    assert (refused.status, names(cli)) == (1, [])
    assert Path("s.csv").read_text() == "precious"


def test_update_changes_devices_and_keeps_their_secrets(cli: CommandLine) -> None:
    cli("profile", "create", "other")
    imported(
        cli,
        "name,label,token,shared:a,shared:b\nm-1,old,token-1,1,1\n",
        "--generate-secrets",
        "--secrets",
        "s.csv",
    )
    window = windows(cli, "m-1")

    done = imported(
        cli,
        f"name,label,profile,token,secret,shared:a,gateway\nm-1,new,other,token-2,{SECRET},2,yes\n",
        "--update",
    )

    assert counts(done) == (0, 1, 0, 0)
    changed = device(cli, "m-1")
    assert (changed["label"], changed["profile"], changed["credentials"], changed["gateway"]) == (
        "new", "other", "token-2", True,
    )  # fmt: skip
    assert {key: value for key, value in attributes(cli, "m-1").items() if "shared" in key} == {
        "shared:a": 2, "shared:b": 1,
    }  # fmt: skip
    assert windows(cli, "m-1") == window


def test_update_fails_alone_where_another_device_has_the_token(cli: CommandLine) -> None:
    imported(cli, "name,token\nm-1,token-1\nm-2,token-2\n")

    partly = imported(cli, "name,label,token\nm-1,new,token-2\nm-2,new,\n", "--update")

    assert (partly.status, counts(partly)) == (1, (0, 1, 0, 1))
    assert device(cli, "m-1")["credentials"] == "token-1"


def test_secrets_are_replaced_only_when_that_is_wished(cli: CommandLine) -> None:
    imported(cli, "name\nm-1\n", "--generate-secrets", "--secrets", "s1.csv")

    done = imported(cli, "name\nm-1\nm-2\n", "--generate-secrets", "--replace-secrets", "--secrets", "s2.csv")

    assert counts(done) == (1, 1, 0, 0)
    (_, first), (_, second, _) = secrets_of("s1.csv"), secrets_of("s2.csv")
    assert {name for name, *_ in secrets_of("s2.csv")[1:]} == {"m-1", "m-2"}
    assert first[1] != second[1]


def test_the_secret_of_a_customer_s_device_is_not_replaced(cli: CommandLine) -> None:
    """CM-6: whoever reads the labels of a sold device cannot take it."""
    imported(cli, "name\nm-1\n")
    customer(cli)
    cli("device", "assign", "m-1", "c1")

    partly = imported(cli, "name\nm-1\n", "--generate-secrets", "--replace-secrets", "--secrets", "s.csv")

    assert (partly.status, counts(partly)) == (1, (0, 0, 0, 1))
    assert windows(cli, "m-1") == []
    assert not Path("s.csv").exists()


def test_devices_may_be_made_for_a_customer_and_then_have_no_secret(cli: CommandLine) -> None:
    customer(cli)

    partly = imported(cli, f"name,secret\nm-1,\nm-2,{SECRET}\n", "--customer", "c1")

    assert counts(partly) == (1, 0, 0, 1)
    assert cli("claim", "show", "m-1", "--json").json["owner"] == "c1"


def test_a_dry_run_finds_what_is_wrong_and_changes_nothing(cli: CommandLine) -> None:
    imported(cli, "name\nm-1\n")
    rows = len(cli("audit", "list", "--json").json)

    partly = imported(
        cli,
        "name,gateway\nm-1,\nm-2,\nm-3,perhaps\nm-2,\n",
        "--dry-run",
        "--generate-secrets",
        "--secrets",
        "s.csv",
    )

    assert (partly.status, counts(partly)) == (1, (1, 0, 1, 2))
    assert names(cli) == ["m-1"]
    assert len(cli("audit", "list", "--json").json) == rows
    assert not Path("s.csv").exists()


def test_programs_get_json(cli: CommandLine) -> None:
    done = imported(cli, "name\nm-1\n", "--json", "--generate-secrets", "--secrets", "s.csv")

    assert done.json == {"created": 1, "updated": 0, "left_alone": 0, "failed": 0, "secrets": "s.csv"}


def test_an_import_and_each_of_its_devices_are_recorded(cli: CommandLine) -> None:
    """SE-7."""
    imported(cli, "name\nm-1\n")

    events = [(row["event"], row["detail"]) for row in cli("audit", "list", "--json").json]
    assert events[0] == ("devices-imported", "1 created, 0 updated, 0 left alone, 0 failed")
    assert ("device-created", "imported") in events
    cli("audit", "verify")


def test_a_long_list_takes_no_more_memory_than_a_short_one(cli: CommandLine) -> None:
    """HT-8: streaming, bounded. What is kept of a row is a number or two."""
    rows = 12_000
    with open("long.csv", "w", encoding="utf-8") as file:
        file.write("name,description\n")
        file.writelines(f"m-{number},{'x' * 2000}\n" for number in range(rows))
    tracemalloc.start()
    try:
        done = cli("import", "long.csv", "--profile", "meters", "--dry-run")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert int(done.fields["created"]) == rows
    assert peak < Path("long.csv").stat().st_size / 2


def customer(cli: CommandLine) -> None:
    """Make the customer c1."""

    async def make() -> None:
        foundation = lay_foundation(ConfigSource.read(None, cli.env))
        async with open_core(foundation, Clock()) as core:
            await core.customers.create((await core.tenant("default")).id, "c1", actor="test")

    asyncio.run(make())
