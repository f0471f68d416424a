"""``firstboot user``: people, and their passwords that never stand in an argument."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, running
from tests.integration.cli.conftest import CommandLine

from firstboot.config import ConfigSource
from firstboot.core import lay_foundation, open_core
from firstboot.errors import NotAuthenticated
from firstboot.model import Authority
from firstboot.secret import Secret

PASSWORD = "a right password"
ANN = "ann@example.com"
HOME = "192.0.2.1"


def create(cli: CommandLine, *arguments: str, email: str = ANN) -> dict[str, object]:
    made: dict[str, object] = cli("user", "create", email, *arguments, "--json", stdin=f"{PASSWORD}\n").json
    return made


def listed(cli: CommandLine, *arguments: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = cli("user", "list", *arguments, "--json").json
    return rows


def test_a_user_is_made_with_a_password_from_standard_input_and_listed(cli: CommandLine) -> None:
    made = create(cli, "--first-name", "Ann", "--last-name", "Lee", email="Ann@Example.com")

    expected = {
        "email": ANN,
        "authority": "TENANT_ADMIN",
        "state": "active",
        "name": "Ann Lee",
        "must_change_password": False,
    }
    assert {name: made[name] for name in expected} == expected
    assert listed(cli) == [made]
    lines = cli("user", "list").out.splitlines()
    assert lines[0].split() == ["email", "authority", "state", "name", "created"]
    assert lines[1].split()[:2] == [ANN, "TENANT_ADMIN"]


def test_se_5_no_command_prints_the_password(cli: CommandLine) -> None:
    create(cli)

    for command in (("user", "list", "--json"), ("user", "list"), ("audit", "list", "--json")):
        result = cli(*command)
        assert PASSWORD not in result.out + result.err
        assert "argon2" not in result.out


def test_a_password_comes_from_the_first_line_of_a_file(cli: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{PASSWORD}\nanother line\n")

    cli("user", "create", ANN, "--password-file", str(file))

    assert asyncio.run(opens(cli, PASSWORD))


async def opens(cli: CommandLine, password: str, email: str = ANN) -> bool:
    """Say whether the password is the user's, in a process without a server."""
    foundation = lay_foundation(ConfigSource.read(None, cli.env))
    from firstboot.clock import Clock

    async with open_core(foundation, Clock()) as core:
        user = await core.users.by_email(email)
        return await core.passwords.verify(user.password_hash, Secret(password))


@pytest.mark.parametrize("typed", ["", "\n", "12345\n", f"{'x' * 73}\n"])
def test_no_password_or_a_bad_one_makes_nobody(cli: CommandLine, typed: str) -> None:
    refused = cli.try_("user", "create", ANN, stdin=typed)

    assert refused.status == 1
    assert listed(cli) == []


def test_a_password_file_that_is_not_there_or_no_text_is_refused(cli: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\xff")

    assert "No such file" in cli.try_("user", "create", ANN, "--password-file", str(tmp_path / "none")).err
    assert "UTF-8" in cli.try_("user", "create", ANN, "--password-file", str(tmp_path / "binary")).err


def test_se_5_a_password_cannot_be_given_as_an_argument(cli: CommandLine) -> None:
    for command in (("create", ANN, "--password", PASSWORD), ("set-password", ANN, PASSWORD)):
        assert cli.try_("user", *command).status == 2


def test_at_a_terminal_the_password_is_asked_for_twice_and_not_shown(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, object]] = []

    def prompt(text: str, **more: object) -> str:
        asked.append({"text": text, **more})
        return PASSWORD

    monkeypatch.setattr("firstboot.cli.passwords.sys", Terminal())
    monkeypatch.setattr("typer.prompt", prompt)

    cli("user", "create", ANN)

    assert asked == [{"text": "Password", "hide_input": True, "confirmation_prompt": True}]
    assert asyncio.run(opens(cli, PASSWORD))


class Terminal:
    """A `sys` whose standard input is a terminal."""

    class stdin:
        @staticmethod
        def isatty() -> bool:
            return True


def test_a_system_administrator_belongs_to_no_tenant(cli: CommandLine) -> None:
    create(cli, "--authority", "SYS_ADMIN")

    assert listed(cli) == []
    assert [row["email"] for row in listed(cli, "--sys-admins")] == [ANN]


def test_a_customer_user_needs_a_customer_that_is_there(cli: CommandLine) -> None:
    without = cli.try_("user", "create", ANN, "--authority", "CUSTOMER_USER", stdin=PASSWORD)
    unknown = cli.try_("user", "create", ANN, "--authority", "customer_user", "--customer", "Acme", stdin=PASSWORD)

    assert "belongs to a customer" in without.err
    assert "There is no customer 'Acme'." in unknown.err


def test_a_user_of_another_tenant_is_listed_there(cli: CommandLine) -> None:
    cli("tenant", "create", "other")
    create(cli, "--tenant", "other")

    assert listed(cli) == []
    assert [row["email"] for row in listed(cli, "--tenant", "other")] == [ANN]
    assert cli.try_("user", "list", "--tenant", "third").status == 1


def test_tn_2_an_address_is_taken_once(cli: CommandLine) -> None:
    create(cli)

    refused = cli.try_("user", "create", "ANN@example.com", stdin=PASSWORD)

    assert "already present" in refused.err


def test_set_password_gives_another_one(cli: CommandLine) -> None:
    create(cli)

    cli("user", "set-password", ANN, "--must-change", stdin="another password\n")

    assert asyncio.run(opens(cli, "another password"))
    assert not asyncio.run(opens(cli, PASSWORD))
    assert listed(cli)[0]["must_change_password"] is True


def test_a_user_is_disabled_enabled_unlocked_and_deleted(cli: CommandLine) -> None:
    create(cli)

    assert cli("user", "disable", ANN).out == f"user {ANN} disabled\n"
    assert listed(cli)[0]["state"] == "disabled"
    assert cli("user", "enable", ANN).out == f"user {ANN} enabled\n"
    assert listed(cli)[0]["state"] == "active"
    assert cli("user", "unlock", ANN).out == f"user {ANN} unlocked\n"
    refused = cli.try_("user", "delete", ANN, stdin="n\n")
    assert (refused.status, refused.out) == (1, f"Delete user {ANN}? [y/N]: ")
    assert cli("user", "delete", ANN, "--yes").out == f"user {ANN} deleted\n"
    assert listed(cli) == []
    events = [row["event"] for row in cli("audit", "list", "--json").json]
    assert {"user-disabled", "user-enabled", "user-unlocked", "user-deleted"} <= set(events)


@pytest.mark.parametrize("command", ["set-password", "disable", "enable", "unlock", "delete"])
def test_a_user_who_is_not_there_is_named(cli: CommandLine, command: str) -> None:
    refused = cli.try_("user", command, "nobody@example.com", stdin=PASSWORD)

    assert refused.status == 1
    assert "There is no user 'nobody@example.com'." in refused.err


async def test_lg_2_lg_7_a_running_server_obeys_the_command_line(tmp_path: Path) -> None:
    """The command line can always unlock an account, and ends every login of a user."""
    env = environment(tmp_path)

    async with running(tmp_path) as server:
        await server.services.users.create(
            1, email=ANN, authority=Authority.TENANT_ADMIN, password=Secret(PASSWORD), actor="test"
        )
        log_in = server.services.authentication.log_in
        for _ in range(5):
            with pytest.raises(NotAuthenticated):
                await log_in(ANN, Secret("wrong"), HOME)
        with pytest.raises(NotAuthenticated, match="locked"):
            await log_in(ANN, Secret(PASSWORD), HOME)

        await asyncio.to_thread(firstboot, env, "user", "unlock", ANN)
        tokens = await log_in(ANN, Secret(PASSWORD), HOME)
        await server.services.authentication.identify(tokens.token, HOME)

        await asyncio.to_thread(firstboot, env, "user", "disable", ANN)
        with pytest.raises(NotAuthenticated):
            await server.services.authentication.identify(tokens.token, HOME)


def test_lg_5_the_signing_key_is_replaced_and_that_is_audited(cli: CommandLine) -> None:
    assert cli("user", "rotate-signing-key").out == "signing key rotated\n"
    assert cli("user", "rotate-signing-key", "--overlap", "0s").out == "signing key rotated\n"

    rows = [row for row in cli("audit", "list", "--json").json if row["event"] == "signing-key-rotated"]
    assert sorted(str(row["detail"]) for row in rows) == ["overlap 0s", "overlap 7d"]
