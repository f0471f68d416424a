"""The first administrator: no default credentials anywhere (LG-1)."""

from __future__ import annotations

import logging
import stat
from pathlib import Path

import pytest
from tests.integration.people.people import ACTOR, HOME, People

from firstboot.config import AdminConfig
from firstboot.errors import StartRefused
from firstboot.first_admin import FILE_NAME, ensure_administrator
from firstboot.model import Authority
from firstboot.secret import Secret
from firstboot.storage import PageQuery

CHOSEN = Secret("chosen by the operator")


async def start(people: People, data_dir: Path, config: AdminConfig | None = None) -> None:
    await ensure_administrator(people.storage, people.users, config or AdminConfig(), data_dir)


def kept(data_dir: Path) -> Secret:
    return Secret((data_dir / FILE_NAME).read_text().strip())


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def emails(people: People) -> list[str]:
    page = await people.users.page(people.tenant.id, PageQuery(sort="name"))
    return [user.email for user in page.rows]


async def test_lg_1_the_first_start_makes_an_administrator_with_a_password_of_its_own(
    people: People, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    await start(people, tmp_path)

    file = tmp_path / FILE_NAME
    password = kept(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(password) >= 22
    tokens = await people.log_in("admin@firstboot.local", password)
    who = await people.authentication.identify(tokens.token, HOME)
    assert (who.authority, who.tenant_id) == (Authority.TENANT_ADMIN, people.tenant.id)
    assert who.user is not None
    assert who.user.must_change
    told = [record for record in caplog.records if record.__dict__.get("password_in") == str(file)]
    assert [record.__dict__["email"] for record in told] == ["admin@firstboot.local"]
    assert password.reveal() not in caplog.text + repr([record.__dict__ for record in caplog.records])
    assert password.reveal() not in repr(await people.audit())


async def test_lg_1_the_second_start_makes_none_and_leaves_the_password(people: People, tmp_path: Path) -> None:
    await start(people, tmp_path)
    password = kept(tmp_path)

    await start(people, tmp_path, AdminConfig(email="other@example.com", password=CHOSEN))

    assert await emails(people) == ["admin@firstboot.local"]
    assert kept(tmp_path) == password
    assert await people.log_in("admin@firstboot.local", password)


async def test_lg_1_two_installations_have_different_passwords(people: People, tmp_path: Path) -> None:
    await start(people, tmp_path)
    first = kept(tmp_path)
    await people.users.delete(await people.users.by_email("admin@firstboot.local"), actor=ACTOR)

    await start(people, tmp_path)

    assert kept(tmp_path) != first


async def test_lg_1_a_password_of_the_configuration_is_taken_and_not_written_down(
    people: People, tmp_path: Path
) -> None:
    await start(people, tmp_path, AdminConfig(email="boss@example.com", password=CHOSEN))

    assert await people.log_in("boss@example.com", CHOSEN)
    assert not (await people.users.by_email("boss@example.com")).must_change
    assert names_in(tmp_path) == []


async def test_lg_1_an_administrator_who_is_there_is_enough_also_behind_many_others(
    people: People, tmp_path: Path
) -> None:
    acme = await people.customer()
    for number in range(101):
        await people.users.create(
            people.tenant.id,
            email=f"user{number}@example.com",
            authority=Authority.CUSTOMER_USER,
            customer_id=acme.id,
            actor=ACTOR,
        )
    people.time.advance(1)
    await people.admin()

    await start(people, tmp_path)

    assert names_in(tmp_path) == []


async def test_lg_1_administrators_of_other_tenants_do_not_count(people: People, tmp_path: Path) -> None:
    other = await people.tenants.create("other", actor=ACTOR)
    await people.users.create(other.id, email="x@example.com", authority=Authority.TENANT_ADMIN, actor=ACTOR)

    await start(people, tmp_path)

    assert await emails(people) == ["admin@firstboot.local"]


async def test_an_address_that_belongs_to_somebody_else_stops_the_start(people: People, tmp_path: Path) -> None:
    acme = await people.customer()
    await people.customer_user(acme, "admin@firstboot.local")

    with pytest.raises(StartRefused, match=r"admin\.email: admin@firstboot\.local"):
        await start(people, tmp_path)

    assert names_in(tmp_path) == []


async def test_a_password_that_cannot_be_kept_stops_the_start_and_makes_nobody(
    people: People, tmp_path: Path
) -> None:
    nowhere = tmp_path / "not there"

    with pytest.raises(StartRefused, match="FIRSTBOOT_ADMIN__PASSWORD"):
        await start(people, nowhere)

    assert await emails(people) == []


async def test_se_12_a_file_that_others_could_read_is_replaced(people: People, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("old")
    (tmp_path / FILE_NAME).chmod(0o644)

    await start(people, tmp_path)

    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert await people.log_in("admin@firstboot.local", kept(tmp_path))
