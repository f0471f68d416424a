"""``firstboot tenant``."""

from __future__ import annotations

from tests.integration.cli.conftest import CommandLine


def test_a_tenant_is_made_and_listed(cli: CommandLine) -> None:
    made = cli("tenant", "create", "other", "--json").json

    rows = {row["name"]: row for row in cli("tenant", "list", "--json").json}
    assert set(rows) == {"default", "other"}
    assert rows["other"] == made
    assert cli("tenant", "list").out.splitlines()[0].split() == ["name", "id", "created"]


def test_tn_2_a_tenants_name_is_taken_once_and_has_to_be_a_name(cli: CommandLine) -> None:
    cli("tenant", "create", "other")

    assert "'other'" in cli.try_("tenant", "create", "other").err
    assert cli.try_("tenant", "create", " ").status == 1
