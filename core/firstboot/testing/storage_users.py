"""Storage suite: users and their logins."""

from __future__ import annotations

from dataclasses import replace
from uuid import uuid4

import pytest

from firstboot.model import Authority, User, UserSession
from firstboot.storage import (
    MAX_USER_SESSIONS,
    ChangeKind,
    CreateUser,
    DeleteUser,
    EndUserSession,
    OpenUserSession,
    Outcome,
    RenewUserSession,
    Storage,
    UpdateUser,
)
from firstboot.testing.samples import NOW_MS, a_user, a_user_session, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest


def create(user: User) -> CreateUser:
    """Return the write that makes a user."""
    return CreateUser(user=user, audit=an_audit_entry("user-created"))


def update(user: User, expected_version: int | None = None, *, end_sessions: bool = False) -> UpdateUser:
    """Return the write that replaces a user."""
    audit = an_audit_entry("user-updated")
    return UpdateUser(user=user, expected_version=expected_version, end_sessions=end_sessions, audit=audit)


def renew(session: UserSession, old: bytes, new: bytes, expires_at_ms: int = NOW_MS + 5) -> RenewUserSession:
    """Return the write that exchanges a refresh token."""
    return RenewUserSession(
        session_id=session.public_id, replaces=old, refresh_digest=new, at_ms=NOW_MS, expires_at_ms=expires_at_ms
    )


class UserTests(StorageSuite):
    """Making, changing, finding and deleting users; logging in, staying logged in, and out."""

    async def test_a_user_comes_back_as_it_was_made(self, world: World) -> None:
        customer = await world.make_customer()
        given = a_user(
            "größe@example.org",
            tenant_id=world.tenant.id,
            customer_id=customer.id,
            authority=Authority.CUSTOMER_USER,
            first_name="Ada '\"%",
            last_name="\N{GRINNING FACE}",
            details={"phone": "+49", "list": [None, 1]},
            enabled=False,
            password_hash="$argon2id$v=19$...",
            must_change=True,
            activation_digest=digest("activation"),
            activation_sealed=bytes(range(256)),
            activation_until_ms=NOW_MS + 1,
            created_at_ms=NOW_MS + 2,
        )

        made = await world.make(create(replace(given, version=9)))

        expected = replace(given, id=made, version=1)
        assert await world.storage.user_by_email("größe@example.org") == expected
        assert await world.storage.user_by_public_id(given.public_id) == expected
        assert await world.storage.user_by_activation(digest("activation")) == expected

    async def test_what_a_user_does_not_have_is_none(self, world: World) -> None:
        given = a_user(tenant_id=None, authority=Authority.SYS_ADMIN)

        made = await world.make(create(given))

        assert await world.storage.user_by_email(given.email) == replace(given, id=made)

    async def test_who_is_not_there_is_not_found(self, world: World) -> None:
        await world.make_user()

        assert await world.storage.user_by_email("nobody@example.org") is None
        assert await world.storage.user_by_email("nobody\0\ud800@example.org") is None
        assert await world.storage.user_by_public_id(uuid4()) is None
        assert await world.storage.user_by_activation(digest("nothing")) is None
        assert await world.storage.user_session(uuid4()) is None

    async def test_an_address_is_unique_over_all_tenants(self, world: World, other_world: World) -> None:
        await world.make_user("ada@example.org")
        theirs = await other_world.make_user("bob@example.org")
        before = await world.state()

        outcomes = await world.do(
            create(a_user("ada@example.org", tenant_id=other_world.tenant.id)),
            create(a_user("ada@example.org", tenant_id=None)),
            update(replace(theirs, email="ada@example.org")),
        )

        assert outcomes == [Outcome.NAME_TAKEN] * 3
        assert await world.state() == before

    async def test_of_rivals_over_two_storages_one_gets_an_address(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals(
            [world, other], [create(a_user(tenant_id=world.tenant.id)) for _ in range(10)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: 9}

    async def test_tenant_and_customer_of_a_user_must_be_there_and_fit(
        self, world: World, other_world: World
    ) -> None:
        theirs = await other_world.make_customer()
        user = await world.make_user()
        before = await world.state()

        outcomes = await world.do(
            create(a_user("x@example.org", tenant_id=987_654)),
            create(a_user("x@example.org", tenant_id=world.tenant.id, customer_id=theirs.id)),
            create(a_user("x@example.org", tenant_id=None, customer_id=theirs.id)),
            create(a_user("x@example.org", tenant_id=world.tenant.id, customer_id=987_654)),
            update(replace(user, customer_id=theirs.id)),
            update(replace(user, tenant_id=other_world.tenant.id)),
        )

        assert outcomes == [Outcome.GONE, *[Outcome.CUSTOMER_GONE] * 4, Outcome.GONE]
        assert await world.state() == before

    async def test_a_user_is_replaced_and_others_are_told(self, world: World) -> None:
        user = await world.make_user(activation_digest=digest("a"), activation_sealed=b"a", activation_until_ms=1)
        changed = replace(
            user,
            email="new@example.org",
            first_name="Ada",
            enabled=False,
            password_hash="hash",
            activation_digest=None,
            activation_sealed=None,
            activation_until_ms=None,
        )

        told = await world.told(update(replace(changed, public_id=uuid4(), created_at_ms=5), 1))

        assert told == [(ChangeKind.USER, user.id)]
        assert await world.storage.user_by_email("new@example.org") == replace(changed, version=2)
        assert await world.storage.user_by_activation(digest("a")) is None
        assert await world.storage.user_by_email(user.email) is None

    async def test_a_version_of_a_user_is_replaced_once(self, world: World) -> None:
        user = await world.make_user()

        results = await world.storage.write([update(user, 1), update(user, 1), update(user)], world.chain)

        assert [(each.outcome, each.version) for each in results] == [
            (Outcome.DONE, 2),
            (Outcome.STALE, 0),
            (Outcome.DONE, 3),
        ]

    async def test_a_user_that_is_deleted_is_gone_with_all_logins(self, world: World) -> None:
        user, stays = await world.make_user(), await world.make_user("bob@example.org")
        sessions = [await world.make_session(each) for each in (user, user, stays)]

        told = await world.told(DeleteUser(user_id=user.id, audit=an_audit_entry("user-deleted")))

        assert told == [(ChangeKind.USER, user.id)]
        assert await world.storage.user_by_email(user.email) is None
        found = [await world.storage.user_session(each.public_id) for each in sessions]
        assert found == [None, None, (sessions[2], stays)]
        outcomes = await world.do(
            DeleteUser(user_id=user.id, audit=an_audit_entry()),
            update(user),
            OpenUserSession(session=a_user_session(user.id), audit=an_audit_entry()),
        )
        assert outcomes == [Outcome.GONE] * 3
        assert (await world.make_user()).id != user.id

    # -- logins ------------------------------------------------------------------------------------

    async def test_a_login_is_found_with_its_user(self, world: World) -> None:
        user = await world.make_user()

        session = await world.make_session(user)

        assert await world.storage.user_session(session.public_id) == (session, user)
        assert (await world.audit())[-1].entry.event == "user-logged-in"

    async def test_of_too_many_logins_of_a_user_the_oldest_end(self, world: World) -> None:
        user, other = await world.make_user(), await world.make_user("bob@example.org")
        theirs = await world.make_session(other, created_at_ms=NOW_MS - 1)
        mine = [await world.make_session(user, created_at_ms=NOW_MS + n) for n in range(MAX_USER_SESSIONS + 2)]

        found = [await world.storage.user_session(each.public_id) for each in mine]

        assert [each is not None for each in found] == [False] * 2 + [True] * MAX_USER_SESSIONS
        assert await world.storage.user_session(theirs.public_id) is not None

    @pytest.mark.parametrize("end_sessions", [False, True])
    async def test_logins_end_with_a_change_of_the_user_only_if_wanted(
        self, world: World, end_sessions: bool
    ) -> None:
        user, other = await world.make_user(), await world.make_user("bob@example.org")
        mine, theirs = await world.make_session(user), await world.make_session(other)

        await world.do(update(user, end_sessions=end_sessions))

        assert (await world.storage.user_session(mine.public_id) is None) is end_sessions
        assert await world.storage.user_session(theirs.public_id) is not None

    async def test_logins_that_have_expired_are_removed_by_the_next_one(self, world: World) -> None:
        user, other = await world.make_user(), await world.make_user("bob@example.org")
        old = [await world.make_session(each, expires_at_ms=NOW_MS + 10) for each in (user, other)]
        stays = await world.make_session(user, expires_at_ms=NOW_MS + 11)

        await world.make_session(other, created_at_ms=NOW_MS + 10)

        assert [await world.storage.user_session(each.public_id) for each in old] == [None, None]
        assert await world.storage.user_session(stays.public_id) is not None

    async def test_a_refresh_token_is_exchanged_for_another(self, world: World) -> None:
        user = await world.make_user()
        session = await world.make_session(user, refresh_digest=digest("first"))

        outcomes = await world.do(
            renew(session, digest("first"), digest("second"), NOW_MS + 7),
            renew(session, digest("second"), digest("third"), NOW_MS + 8),
        )

        assert outcomes == [Outcome.DONE] * 2
        expected = replace(session, refresh_digest=digest("third"), expires_at_ms=NOW_MS + 8)
        assert await world.storage.user_session(session.public_id) == (expected, user)

    async def test_a_refresh_token_that_is_used_again_ends_the_session(self, world: World) -> None:
        user = await world.make_user()
        session = await world.make_session(user, refresh_digest=digest("first"))
        other = await world.make_session(user)
        await world.do(renew(session, digest("first"), digest("second")))
        before = await world.storage.last_change()

        assert await world.do(renew(session, digest("first"), digest("thief"))) == [Outcome.STALE]

        assert await world.storage.user_session(session.public_id) is None
        assert await world.storage.user_session(other.public_id) == (other, user)
        (change,) = await world.storage.changes_since(before)
        assert (change.kind, change.ref) == (ChangeKind.USER, user.id)
        assert await world.do(renew(session, digest("second"), digest("third"))) == [Outcome.GONE]

    async def test_of_rivals_over_two_storages_one_renews_and_the_session_ends(
        self, world: World, other_storage: Storage
    ) -> None:
        session = await world.make_session(await world.make_user(), refresh_digest=digest("first"))
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals(
            [world, other], [renew(session, digest("first"), digest(f"new {number}")) for number in range(10)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.STALE: 1, Outcome.GONE: 8}
        assert await world.storage.user_session(session.public_id) is None

    async def test_logging_out_ends_one_login(self, world: World) -> None:
        user = await world.make_user()
        session, other = await world.make_session(user), await world.make_session(user)
        end = EndUserSession(session_id=session.public_id, audit=an_audit_entry("user-logged-out"))

        assert await world.told(end) == [(ChangeKind.USER, user.id)]

        assert await world.storage.user_session(session.public_id) is None
        assert await world.storage.user_session(other.public_id) == (other, user)
        before = await world.state()
        assert await world.do(end) == [Outcome.GONE]
        assert await world.state() == before
