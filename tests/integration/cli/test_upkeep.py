"""The commands that look after an installation, and how every command ends."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.harness import firstboot
from tests.integration.cli.conftest import CommandLine

from firstboot import __version__


def test_version_is_printed(cli: CommandLine) -> None:
    assert cli("--version").out == f"firstboot {__version__}\n"


@pytest.mark.parametrize(
    "group", [[], ["profile"], ["device"], ["plugins"], ["audit"], ["key"], ["user"], ["tenant"], ["token"]]
)
def test_a_group_alone_prints_its_help_with_status_2(cli: CommandLine, group: list[str]) -> None:
    alone = cli.try_(*group)

    assert alone.status == 2
    assert alone.out + alone.err == cli(*group, "--help").out


@pytest.mark.parametrize("arguments", [["nope"], ["profile", "nope"], ["--nope"], ["serve", "--nope"]])
def test_an_unknown_word_is_wrong_use(cli: CommandLine, arguments: list[str]) -> None:
    refused = cli.try_(*arguments)

    assert (refused.status, refused.out) == (2, "")
    assert "nope" in refused.err


def test_help_names_every_command_with_a_whole_sentence(cli: CommandLine) -> None:
    for group in ([], ["profile"], ["device"], ["plugins"], ["audit"], ["key"], ["user"], ["tenant"], ["token"]):
        commands = cli(*group, "-h").out.partition("Commands:\n")[2].splitlines()
        assert commands
        assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


def test_plugins_list_says_where_each_stands(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTBOOT_PLUGINS__LOAD", '["no_such_module"]')
    monkeypatch.setenv("FIRSTBOOT_PLUGINS__DISABLE", '["http"]')

    listed = {row["name"]: row for row in cli("plugins", "list", "--json").json}

    assert (listed["mqtt"]["state"], listed["mqtt"]["api_version"]) == ("active", 1)
    assert listed["mqtt"]["source"] == f"firstboot {__version__}"
    assert listed["http"]["state"] == "off"
    assert listed["no_such_module"]["state"] == "failed"
    text = cli("plugins", "list").out
    assert "no_such_module is not installed" in text
    assert "firstboot_transports" in text


def test_check_config_finds_nothing_wrong_with_the_defaults_and_makes_nothing(
    cli: CommandLine, tmp_path: Path
) -> None:
    cli("check-config")

    assert list(tmp_path.iterdir()) == []


def test_check_config_reports_everything_that_is_wrong_at_once(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OP-13: what is wrong in the file and in the environment, each with its place and a remedy."""
    file = tmp_path / "firstboot.toml"
    file.write_text('[mqtt]\nbindd = "x"\n[server]\nkey = "not-a-key-but-secret"\n[htp]\nbind = 3\n')
    monkeypatch.setenv("FIRSTBOOT_HTTP__BIND", "everywhere")

    for command in (["check-config"], ["serve"], ["quickstart"], ["device", "list"]):
        refused = cli.try_(*command, "--config", str(file))
        assert (refused.status, refused.out) == (2, "")
        for expected in ("mqtt.bindd", "Did you mean bind?", "server.key", "[htp]", "FIRSTBOOT_HTTP__BIND"):
            assert expected in refused.err
        assert "not-a-key-but-secret" not in refused.err
        assert all(line.startswith("firstboot: ") for line in refused.err.splitlines())


@pytest.mark.parametrize("content", [None, b"[server", b"\xff", b"key = 3"])
def test_a_configuration_file_that_cannot_be_read_is_named(
    cli: CommandLine, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "firstboot.toml"
    if content is not None:
        file.write_bytes(content)

    refused = cli.try_("check-config", "-c", str(file))

    assert refused.status == 2
    assert "key" in refused.err if content == b"key = 3" else str(file) in refused.err


def test_the_defaults_are_a_folder_beside_and_the_usual_ports_on_loopback() -> None:
    """SE-9: nothing is open to the network until somebody opens it."""
    from firstboot.config import Address, ConfigSource
    from firstboot.core import lay_foundation
    from firstboot_plugins.transports.http.config import HttpConfig
    from firstboot_plugins.transports.mqtt.config import MqttConfig

    config = lay_foundation(ConfigSource.read(None, {})).config

    assert config.server.data_dir == Path("firstboot-data")
    assert config.storage_url.reveal() == "sqlite://firstboot-data/firstboot.db"
    assert config.section(MqttConfig).bind == Address("127.0.0.1", 1883)
    assert config.section(HttpConfig).bind == Address("127.0.0.1", 8080)


def test_audit_list_says_who_did_what(cli: CommandLine) -> None:
    """SE-7."""
    cli("profile", "create", "demo")
    cli("profile", "update", "demo", "--max-devices", "3")
    cli("profile", "rotate-secret", "demo")
    cli("profile", "disable", "demo")
    cli("profile", "enable", "demo")
    cli("device", "create", "m-1", "--profile", "demo")
    cli("device", "reopen", "m-1")
    cli("device", "delete", "m-1", "--yes")
    cli("profile", "delete", "demo")
    cli("key", "rotate")

    rows = cli("audit", "list", "--json").json

    assert [row["event"] for row in reversed(rows)] == [
        "profile-created", "profile-updated", "profile-secret-rotated", "profile-disabled", "profile-enabled",
        "device-created", "device-reopened", "device-deleted", "profile-deleted", "server-key-rotated",
    ]  # fmt: skip
    assert {row["actor"].partition(":")[0] for row in rows} == {"cli"}
    assert [row["id"] for row in cli("audit", "list", "--limit", "2", "--json").json] == [10, 9]
    assert cli("audit", "verify").out.startswith("10 rows")


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE audit SET entry = replace(entry, 'demo', 'dem0') WHERE id = 1",
        "UPDATE audit SET entry = 'nothing readable' WHERE id = 2",
        "UPDATE audit SET entry = '[1,2]' WHERE id = 2",
        "UPDATE audit SET entry = replace(entry, '[1', '[\"1') WHERE id = 2",
        "UPDATE audit SET link = x'00' WHERE id = 2",
        "DELETE FROM audit WHERE id = 1",
        "DELETE FROM audit WHERE id = 2",
        "INSERT INTO audit (at_ms, entry, link) SELECT at_ms, entry, link FROM audit WHERE id = 1",
        "UPDATE audit SET id = CASE id WHEN 1 THEN 12 WHEN 2 THEN 11 ELSE id + 20 END",
    ],
)
def test_audit_verify_finds_a_row_that_was_changed_removed_or_inserted(cli: CommandLine, tampering: str) -> None:
    """SE-7."""
    cli("profile", "create", "demo")
    cli("profile", "disable", "demo")
    cli("profile", "enable", "demo")
    assert cli("audit", "verify").out.startswith("3 rows")

    with closing(sqlite3.connect(cli.data_dir() / "firstboot.db", isolation_level=None)) as database:
        database.execute(tampering)

    refused = cli.try_("audit", "verify")
    assert refused.status == 1
    assert "broken at row" in refused.err
    cli("audit", "list")
    cli("audit", "list", "--json")


def test_a_backup_is_a_whole_installation_once_the_key_is_beside_it(
    cli: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SE-11: consistent, for its owner only, without the key; and the way back."""
    made = cli("device", "create", "m-1", "--profile", _demo(cli), "--json").json[0]
    copy = tmp_path / "copy.db"

    cli("backup", str(copy))

    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    key = (cli.data_dir() / "server.key").read_text().strip()
    assert key.encode() not in copy.read_bytes()
    assert bytes.fromhex(key) not in copy.read_bytes()
    restored = tmp_path / "restored"
    restored.mkdir(mode=0o700)
    copy.rename(restored / "firstboot.db")
    monkeypatch.setenv("FIRSTBOOT_SERVER__DATA_DIR", str(restored))
    refused = cli.try_("device", "list")
    assert refused.status == 2
    assert str(restored / "server.key") in refused.err
    (cli.data_dir() / "server.key").rename(restored / "server.key")
    shown = cli("device", "show", "m-1", "--show-credentials", "--json").json
    assert shown["credentials"] == made["credentials"]


@pytest.mark.parametrize("target", ["there", "no/such/folder/copy.db", "."])
def test_a_backup_never_overwrites(cli: CommandLine, tmp_path: Path, target: str) -> None:
    (tmp_path / "there").write_text("mine")
    _demo(cli)

    refused = cli.try_("backup", target)

    assert refused.status == 1
    assert target in refused.err
    assert (tmp_path / "there").read_text() == "mine"


def test_after_a_key_rotation_the_old_key_opens_nothing(cli: CommandLine) -> None:
    """SE-3."""
    made = cli("device", "create", "m-1", "--profile", _demo(cli), "--json").json[0]
    file = cli.data_dir() / "server.key"
    old = file.read_text()

    cli("key", "rotate")

    new = file.read_text()
    assert new != old
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    shown = cli("device", "show", "m-1", "--show-credentials", "--json").json
    assert shown["credentials"] == made["credentials"]
    file.write_text(old)
    refused = cli.try_("device", "list")
    assert refused.status == 2
    assert "does not belong" in refused.err


def test_a_key_from_the_configuration_is_not_rotated_behind_its_owners_back(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRSTBOOT_SERVER__KEY", "ab" * 32)
    _demo(cli)

    refused = cli.try_("key", "rotate")

    assert refused.status == 2
    assert "ab" * 32 not in refused.err
    assert not (cli.data_dir() / "server.key").exists()


def test_an_unexpected_error_is_one_line_without_its_text(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """SE-5: the text of an error may repeat what is secret; a traceback helps nobody who is not a developer."""
    from firstboot.cli import main

    def break_down() -> None:
        raise RuntimeError("a secret text")

    monkeypatch.setattr(sys.modules["firstboot.cli.main"], "_check_arguments", break_down)
    monkeypatch.setattr(sys, "argv", ["firstboot", "device", "list"])

    with pytest.raises(SystemExit) as end:
        main()

    out, err = capsys.readouterr()
    assert (end.value.code, out) == (1, "")
    assert "RuntimeError at test_upkeep.py" in err
    assert "a secret text" not in err
    assert err.count("\n") == 1


# -- as processes: what only a real standard output shows ------------------------------------------


def test_a_reader_that_leaves_early_causes_no_noise(cli: CommandLine) -> None:
    names = "\n".join(
        f"{number:0200}" for number in range(500)
    )  # more than fits a pipe: the end must meet its close
    cli("device", "create", "--profile", _demo(cli), "--from-file", "-", stdin=names)

    command = f"{sys.executable} -m firstboot device list --limit 500 | head -1"
    done = subprocess.run(["sh", "-c", command], env=cli.env, capture_output=True, text=True, check=True)

    assert done.stdout.startswith("number")
    assert done.stderr == ""


def test_a_full_disk_behind_the_output_is_one_line(cli: CommandLine) -> None:
    _demo(cli)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "firstboot", "profile", "list"],
            env=cli.env, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "firstboot: No space left on device\n"


def test_many_first_commands_at_once_make_one_installation(cli: CommandLine) -> None:
    """SE-3: such as a server and the script that makes its profiles."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "firstboot", "profile", "create", f"demo-{number}"],
            env=cli.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(6)
    ]  # fmt: skip
    errors = [process.communicate(timeout=60)[1] for process in processes]

    made = f"firstboot: {cli.data_dir()} was made just now: is this the right folder?\n"
    assert [process.returncode for process in processes] == [0] * 6
    assert set(errors) <= {"", made}
    for number in range(6):
        cli("profile", "show", f"demo-{number}", "--show-secret")


def test_names_are_printed_on_a_terminal_that_has_no_letters_for_them(cli: CommandLine) -> None:
    cli("device", "create", "ζ-1", "--profile", _demo(cli))
    env = {**cli.env, "PYTHONIOENCODING": "latin-1"}

    assert "\\u03b6-1" in firstboot(env, "device", "list").stdout
    assert json.loads(firstboot(env, "device", "list", "--json").stdout)[0]["name"] == "ζ-1"


def test_errors_of_a_process_are_on_standard_error_with_their_status(cli: CommandLine) -> None:
    missing = firstboot(cli.env, "profile", "show", "nope", check=False)
    refused = firstboot({**cli.env, "FIRSTBOOT_MQTT__BIND": "x"}, "serve", check=False)
    unreachable = {**cli.env, "FIRSTBOOT_STORAGE__URL": "postgres://u:the-password@127.0.0.1:1/x"}
    no_database = firstboot(unreachable, "device", "list", check=False)

    assert (missing.returncode, missing.stdout) == (1, "")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert (no_database.returncode, no_database.stdout) == (2, "")
    for done in (missing, refused, no_database):
        assert done.stderr.startswith("firstboot: ")
        assert "Traceback" not in done.stderr
        assert "the-password" not in done.stderr


def test_commands_leave_only_private_files_behind(cli: CommandLine) -> None:
    """SE-12."""
    old = os.umask(0)
    try:
        cli("profile", "create", "demo")
        cli("key", "rotate")
    finally:
        os.umask(old)

    assert stat.S_IMODE(cli.data_dir().stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in cli.data_dir().iterdir()} == {0o600}


def test_who_looks_for_a_device_in_the_wrong_folder_is_told_where_was_looked(cli: CommandLine) -> None:
    wrong_folder, mistyped = cli.try_("device", "show", "m-1"), cli.try_("device", "show", "m-1")

    assert "is this the right folder?" in wrong_folder.err
    assert str(cli.data_dir()) in wrong_folder.err
    assert "folder" not in mistyped.err


def _demo(cli: CommandLine) -> str:
    cli("profile", "create", "demo")
    return "demo"
