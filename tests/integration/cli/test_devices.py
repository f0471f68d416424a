"""``firstboot device``: devices that are made beforehand, and what became of them."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.integration.cli.conftest import CommandLine

PASSWORD = "password-of-the-meter-9384"


@pytest.fixture(autouse=True)
def _profile(cli: CommandLine) -> None:
    cli("profile", "create", "demo", "--strategy", "check-pre-provisioned")


def names(cli: CommandLine, *options: str) -> list[str]:
    return [row["name"] for row in cli("device", "list", "--json", *options).json]


def pem_certificate() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "meter")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_create_makes_several_devices_each_with_a_token_of_its_own(cli: CommandLine) -> None:
    made = cli("device", "create", "m-1", "m-2", "--profile", "demo", "--json").json

    assert [row["name"] for row in made] == ["m-1", "m-2"]
    assert {row["credentials_type"] for row in made} == {"ACCESS_TOKEN"}
    assert len({row["credentials"] for row in made}) == 2
    assert all(len(row["credentials"]) == 20 for row in made)
    for row in made:
        shown = cli("device", "show", row["name"], "--show-credentials", "--json").json
        assert (shown["credentials"], shown["state"], shown["profile"]) == (row["credentials"], "waiting", "demo")


def test_create_reads_names_from_a_file_as_spreadsheets_write_it(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffzähler-1\r\n  m-2  \r\n\r\nm-3".encode())

    cli("device", "create", "m-0", "--profile", "demo", "--from-file", str(file))

    assert names(cli) == ["m-0", "zähler-1", "m-2", "m-3"]


def test_create_reads_names_from_standard_input(cli: CommandLine) -> None:
    cli("device", "create", "--profile", "demo", "--from-file", "-", stdin="m-1\nm-2\n")

    assert names(cli) == ["m-1", "m-2"]


def test_create_makes_the_rest_when_some_fail_and_names_those(cli: CommandLine) -> None:
    cli("device", "create", "m-2", "--profile", "demo")

    partly = cli.try_("device", "create", "m-1", "m-2", "bad\tname", "m-3", "m-3", "--profile", "demo", "--json")

    assert partly.status == 1
    assert [row["name"] for row in partly.json] == ["m-1", "m-3"]
    assert names(cli) == ["m-2", "m-1", "m-3"]
    lines = partly.err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["m-2", "bad\\tname", "m-3", "firstboot"]
    assert "3 of 5" in lines[-1]


def test_create_stops_at_the_profiles_limit(cli: CommandLine) -> None:
    """PV-3."""
    cli("profile", "update", "demo", "--max-devices", "2")

    partly = cli.try_("device", "create", "a", "b", "c", "--profile", "demo")

    assert partly.status == 1
    assert names(cli) == ["a", "b"]


def test_create_takes_a_token(cli: CommandLine) -> None:
    cli("device", "create", "m-1", "--profile", "demo", "--token", "chosen-token", "--label", "roof", "--gateway")

    shown = cli("device", "show", "m-1", "--show-credentials", "--json").json
    assert (shown["credentials"], shown["credentials_type"]) == ("chosen-token", "ACCESS_TOKEN")
    assert (shown["label"], shown["gateway"]) == ("roof", True)


@pytest.mark.parametrize(
    ("options", "credentials"),
    [
        (["--client-id", "c", "--username", "u", "--password", PASSWORD], ("c", "u", PASSWORD)),
        (["--username", "u", "--password", PASSWORD], ("", "u", PASSWORD)),
        (["--client-id", "c"], ("c", "", "")),
    ],
)
def test_create_takes_mqtt_credentials_whole_and_in_part(
    cli: CommandLine, options: list[str], credentials: tuple[str, str, str]
) -> None:
    cli("device", "create", "m-1", "--profile", "demo", *options)

    shown = cli("device", "show", "m-1", "--show-credentials", "--json").json
    assert shown["credentials_type"] == "MQTT_BASIC"
    value = json.loads(shown["credentials"])
    assert tuple(value.get(name) or "" for name in ("clientId", "userName", "password")) == credentials


def test_create_takes_a_certificate_and_prints_its_hash(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "meter.pem"
    file.write_text(pem_certificate())

    made = cli("device", "create", "m-1", "--profile", "demo", "--certificate", str(file), "--json").json[0]

    assert made["credentials_type"] == "X509_CERTIFICATE"
    assert len(bytes.fromhex(made["credentials"])) == 32


@pytest.mark.parametrize("content", [b"root:x:0:0", b"\xff\xfe", b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_create_refuses_a_file_that_is_no_certificate(cli: CommandLine, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "meter.pem"
    file.write_bytes(content)

    refused = cli.try_("device", "create", "m-1", "--profile", "demo", "--certificate", str(file))

    assert (refused.status, refused.out) == (2, "")
    assert names(cli) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["m-1", "m-2", "--token", "one-token"],
        ["m-1", "--token", "t", "--username", "u"],
        ["m-1", "--token", "", "--username", "u"],
        ["m-1", "--certificate", "/does/not/exist"],
        ["--from-file", "/does/not/exist"],
        ["--from-file", "/"],
    ],
)
def test_create_refuses_wrong_use_with_status_2(cli: CommandLine, arguments: list[str]) -> None:
    refused = cli.try_("device", "create", "--profile", "demo", *arguments)

    assert (refused.status, refused.out) == (2, "")
    assert names(cli) == []


def test_create_refuses_names_that_are_not_text(cli: CommandLine) -> None:
    assert cli.try_("device", "create", "--profile", "demo", "--from-file", "-", stdin=b"\xff\xfe\n").status == 2
    assert cli.try_("device", "create", "m-\udcff", "--profile", "demo").status == 2
    assert cli.try_("device", "list", "--text", "\udcff").status == 2


def test_create_refuses_credentials_that_another_device_has(cli: CommandLine) -> None:
    """PV-5."""
    cli("device", "create", "m-1", "--profile", "demo", "--token", "one-token")

    refused = cli.try_("device", "create", "m-2", "--profile", "demo", "--token", "one-token")

    assert refused.status == 1
    assert "one-token" not in refused.err
    assert names(cli) == ["m-1"]


def test_create_names_a_profile_that_does_not_exist(cli: CommandLine) -> None:
    refused = cli.try_("device", "create", "m-1", "--profile", "nope")

    assert refused.status == 1
    assert "'nope'" in refused.err


def test_create_without_a_profile_is_wrong_use(cli: CommandLine) -> None:
    refused = cli.try_("device", "create", "m-1")

    assert refused.status == 2
    assert "--profile" in refused.err


def test_what_the_database_cannot_keep_is_not_reported_as_made(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that the storage rejects had passed for a success."""
    monkeypatch.setattr(sys.modules["firstboot.cli.main"], "_check_arguments", lambda: None)

    refused = cli.try_("device", "create", "m-1", "--profile", "demo", "--label", "\udcff")

    assert (refused.status, refused.out) == (1, "")
    assert names(cli) == []


def test_list_filters_and_goes_on_page_by_page(cli: CommandLine) -> None:
    cli("profile", "create", "other")
    cli("device", "create", "meter-a", "meter-b", "sensor-c", "--profile", "demo")
    cli("device", "create", "meter-d", "--profile", "other")

    assert names(cli, "--profile", "other") == ["meter-d"]
    assert names(cli, "--text", "METER") == ["meter-a", "meter-b", "meter-d"]
    first = cli("device", "list", "--limit", "2", "--json")
    assert [row["name"] for row in first.json] == ["meter-a", "meter-b"]
    after = str(first.json[-1]["number"])
    assert f"--after {after}" in cli("device", "list", "--limit", "2").err
    assert names(cli, "--after", after) == ["sensor-c", "meter-d"]


def test_list_prints_a_table_and_says_aside_when_it_is_empty(cli: CommandLine) -> None:
    empty = cli("device", "list")
    assert len(empty.out.splitlines()) == 1
    assert str(cli.data_dir()) in empty.err
    cli("device", "create", "a", "a-long-name", "--profile", "demo")

    head, *rows = cli("device", "list").out.splitlines()

    assert [row.split()[1:4] for row in rows] == [["a", "demo", "waiting"], ["a-long-name", "demo", "waiting"]]
    assert all(row.index("waiting") == head.index("state") for row in rows)


@pytest.mark.parametrize("options", [["--limit", "0"], ["--limit", "x"], ["--after", "-1"], ["--after", "9" * 30]])
def test_list_refuses_wrong_use_with_status_2(cli: CommandLine, options: list[str]) -> None:
    assert cli.try_("device", "list", *options).status == 2


def test_show_keeps_credentials_to_itself_unless_asked(cli: CommandLine) -> None:
    """SE-5."""
    cli("device", "create", "m-1", "--profile", "demo", "--username", "u", "--password", PASSWORD)

    assert PASSWORD not in cli("device", "show", "m-1").out
    assert PASSWORD not in cli("device", "show", "m-1", "--json").out
    assert PASSWORD not in cli("device", "list", "--json").out
    assert PASSWORD in cli("device", "show", "m-1", "--show-credentials").out


def test_delete_asks_and_no_is_the_default(cli: CommandLine) -> None:
    cli("device", "create", "m-1", "--profile", "demo")

    assert cli.try_("device", "delete", "m-1", stdin="\n").status == 1
    assert cli.try_("device", "delete", "m-1", stdin="").status == 1
    assert names(cli) == ["m-1"]

    cli("device", "delete", "m-1", stdin="y\n")
    assert names(cli) == []


def test_a_deleted_device_leaves_its_name_and_token_free(cli: CommandLine) -> None:
    cli("device", "create", "m-1", "--profile", "demo", "--token", "one-token")
    cli("device", "delete", "m-1", "--yes")

    cli("device", "create", "m-1", "--profile", "demo", "--token", "one-token")

    assert names(cli) == ["m-1"]


def test_reopen_is_recorded(cli: CommandLine) -> None:
    """PV-6, SE-7."""
    cli("device", "create", "m-1", "--profile", "demo")

    cli("device", "reopen", "m-1")

    assert cli("audit", "list", "--limit", "1", "--json").json[0]["event"] == "device-reopened"


@pytest.mark.parametrize("command", [["show"], ["reopen"], ["delete", "--yes"]])
def test_a_device_that_does_not_exist_is_named_with_status_1(cli: CommandLine, command: list[str]) -> None:
    refused = cli.try_("device", *command, "nope")

    assert (refused.status, refused.out) == (1, "")
    assert refused.err == "firstboot: There is no device named 'nope'.\n"
