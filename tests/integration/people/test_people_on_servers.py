"""People and programs on real servers, with each database."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import WAIT_S, TestServer, running
from tests.integration.people.people import ACTOR, CAFE, HOME, PASSWORD, WRONG

from firstboot.access_tokens import TokenPair
from firstboot.errors import InvalidValue, NotAuthenticated
from firstboot.first_admin import FILE_NAME
from firstboot.model import Authority, User
from firstboot.secret import Secret
from firstboot.sessions import LiveSession, Owner, SessionEnd

ANN = "ann@example.com"


def settings(tmp_path: Path, name: str) -> dict[str, dict[str, object]]:
    """Return what a second server on the same database needs: a data directory of its own, the same key."""
    return {"server": {"data_dir": tmp_path / name, "key": "0123456789abcdef" * 4}}


async def make_admin(server: TestServer, email: str = ANN) -> User:
    return await server.services.users.create(
        1, email=email, authority=Authority.TENANT_ADMIN, password=PASSWORD, actor=ACTOR
    )


async def log_in(server: TestServer, email: str = ANN, password: Secret = PASSWORD) -> TokenPair:
    return await server.services.authentication.log_in(email, password, HOME)


async def is_open(server: TestServer, token: Secret) -> bool:
    try:
        await server.services.authentication.identify(token, HOME)
    except NotAuthenticated:
        return False
    return True


class Watched(LiveSession):
    """A live session of a person or a program, such as a stream of events."""

    def __init__(self) -> None:
        self.ended: asyncio.Future[SessionEnd] = asyncio.get_running_loop().create_future()

    def end(self, why: SessionEnd) -> None:
        self.ended.set_result(why)


async def test_lg_1_the_first_start_makes_an_administrator_and_the_second_does_not(
    tmp_path: Path, database: str | None
) -> None:
    async with running(tmp_path, database=database) as server:
        password = Secret((tmp_path / "data" / FILE_NAME).read_text().strip())
        assert await log_in(server, "admin@firstboot.local", password)

    async with running(tmp_path, database=database) as server:
        assert (tmp_path / "data" / FILE_NAME).read_text().strip() == password.reveal()
        assert await log_in(server, "admin@firstboot.local", password)


async def test_lg_1_two_servers_that_start_on_an_empty_database_let_the_operator_in(
    tmp_path: Path, postgres_database: str
) -> None:
    # One after another: each has its own data directory, and only one has the password.
    async with (
        running(tmp_path, database=postgres_database, **settings(tmp_path, "one")) as one,
        running(tmp_path, database=postgres_database, **settings(tmp_path, "two")) as two,
    ):
        kept = [name for name in ("one", "two") if (tmp_path / name / FILE_NAME).exists()]
        assert kept == ["one"]
        password = Secret((tmp_path / "one" / FILE_NAME).read_text().strip())
        tokens = await log_in(one, "admin@firstboot.local", password)
        assert await is_open(two, tokens.token)


async def test_lg_6_lg_7_a_session_is_renewed_once_and_ends_with_its_user(
    tmp_path: Path, database: str | None
) -> None:
    async with running(tmp_path, database=database) as server:
        ann = await make_admin(server)
        first, other = await log_in(server), await log_in(server)
        second = await server.services.authentication.refresh(first.refresh_token, HOME)

        with pytest.raises(NotAuthenticated):
            await server.services.authentication.refresh(first.refresh_token, CAFE)
        assert [await is_open(server, each.token) for each in (first, second, other)] == [False, False, True]

        await server.services.users.disable(ann, actor=ACTOR)
        assert not await is_open(server, other.token)


async def test_an_activation_token_used_at_the_same_time_is_good_once(
    tmp_path: Path, database: str | None
) -> None:
    async with running(tmp_path, database=database) as server:
        users = server.services.users
        invited = await users.create(1, email=ANN, authority=Authority.TENANT_ADMIN, actor=ACTOR)
        token = await users.activation_token(invited, actor=ACTOR)

        results = await asyncio.gather(
            *(users.activate(token, PASSWORD) for _ in range(5)), return_exceptions=True
        )

        assert sorted(isinstance(result, InvalidValue) for result in results) == [False, True, True, True, True]
        assert await log_in(server)


async def test_lg_2_lg_7_what_one_server_changes_counts_on_the_other(
    tmp_path: Path, postgres_database: str
) -> None:
    async with (
        running(tmp_path, database=postgres_database, **settings(tmp_path, "one")) as one,
        running(tmp_path, database=postgres_database, **settings(tmp_path, "two")) as two,
    ):
        ann = await make_admin(one)
        tokens = await log_in(one)
        assert await is_open(two, tokens.token)
        for _ in range(5):
            with pytest.raises(NotAuthenticated):
                await log_in(two, password=WRONG)
        with pytest.raises(NotAuthenticated, match="locked"):
            await log_in(two)

        ann = await one.services.users.unlock(ann, actor=ACTOR)
        assert await log_in(two)
        await one.services.users.set_password(ann, Secret("another password"), actor=ACTOR)

        assert not await is_open(two, tokens.token)


@pytest.mark.parametrize("kind", ["user", "api-token", "disabled api-token"])
async def test_lg_7_lg_9_live_sessions_of_people_and_programs_end_with_their_rights(
    tmp_path: Path, database: str | None, kind: str
) -> None:
    async with running(tmp_path, database=database) as server:
        services = server.services
        ann = await make_admin(server)
        token, _ = await services.api_tokens.create(1, "dashboard", ["events"], actor=ACTOR)
        owner = Owner("user", ann.id) if kind == "user" else Owner("api-token", token.id)
        session = Watched()
        assert services.sessions.open(owner, session, judged_at=services.clock.monotonic(), slot=object())

        if kind == "user":
            await services.users.disable(ann, actor=ACTOR)
        elif kind == "api-token":
            await services.api_tokens.revoke(token, actor=ACTOR)
        else:
            await services.api_tokens.update(replace(token, enabled=False), actor=ACTOR)

        async with asyncio.timeout(WAIT_S):
            assert await session.ended is SessionEnd.CREDENTIALS_CHANGED


async def test_lg_9_the_use_of_a_token_is_on_disk(tmp_path: Path, database: str | None) -> None:
    async with running(tmp_path, database=database) as server:
        services = server.services
        _, secret = await services.api_tokens.create(1, "dashboard", ["events"], actor=ACTOR)
        await services.authentication.identify(secret, HOME)
        await server.core.commits.drain()

        (token,) = await services.api_tokens.list(1)

        assert token.last_used_at_ms is not None
        assert token.last_used_at_ms >= token.created_at_ms


async def test_lg_4_devices_provision_while_logins_flood(tmp_path: Path, database: str | None) -> None:
    async with running(tmp_path, database=database) as server:
        profile = await server.profile()
        flood = [asyncio.create_task(log_in(server, f"user{number}@x.org", WRONG)) for number in range(100)]
        answers = await asyncio.gather(*(server.post(profile.request(f"meter-{number}")) for number in range(20)))
        results = await asyncio.gather(*flood, return_exceptions=True)

        assert {answer["status"] for answer in answers} == {"SUCCESS"}
        assert not [result for result in results if isinstance(result, TokenPair)]
