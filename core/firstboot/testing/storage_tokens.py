"""Storage suite: API tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from firstboot.model import ApiToken
from firstboot.storage import (
    TOKEN_CREATED,
    ChangeKind,
    CreateApiToken,
    DeleteApiToken,
    Outcome,
    RecordTokenUse,
    Storage,
    UpdateApiToken,
)
from firstboot.testing.samples import NOW_MS, an_api_token, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, digest


def create(token: ApiToken) -> CreateApiToken:
    """Return the write that makes a token."""
    return CreateApiToken(token=token, audit=an_audit_entry("token-created"))


def update(token: ApiToken) -> UpdateApiToken:
    """Return the write that changes a token."""
    return UpdateApiToken(token=token, audit=an_audit_entry("token-updated"))


class TokenTests(StorageSuite):
    """Making, finding, changing, using and revoking tokens."""

    async def test_a_token_comes_back_as_it_was_made(self, world: World) -> None:
        given = an_api_token(
            "Größe '\"%",
            tenant_id=world.tenant.id,
            scopes=("devices:read", "publish:a/+/#"),
            digest=bytes(16),
            created_by="cli:root",
            expires_at_ms=NOW_MS + 1,
            last_used_at_ms=NOW_MS + 2,
            enabled=False,
            details={"allow": {"Device": {"*": ["ReadDevice"]}}},
        )

        made = await world.make(create(given))

        assert await world.storage.api_token_by_digest(bytes(16)) == replace(given, id=made)
        assert await world.storage.api_token(made) == replace(given, id=made)
        assert await world.storage.api_token(987_654) is None
        assert await world.storage.api_token_by_digest(digest("other")) is None

    async def test_tokens_are_listed_by_tenant(self, world: World, other_world: World) -> None:
        mine = [await world.make_token(name) for name in ("b", "a")]
        theirs = await other_world.make_token("a")

        assert list(await world.storage.list_api_tokens(world.tenant.id)) == mine
        assert list(await world.storage.list_api_tokens(other_world.tenant.id)) == [theirs]
        assert list(await world.storage.list_api_tokens(987_654)) == []

    async def test_two_tokens_of_a_tenant_cannot_have_one_name(self, world: World) -> None:
        await world.make_token("taken")
        before = await world.state()

        outcomes = await world.do(
            create(an_api_token("taken", tenant_id=world.tenant.id)), create(an_api_token("x", tenant_id=987_654))
        )

        assert outcomes == [Outcome.NAME_TAKEN, Outcome.GONE]
        assert await world.state() == before

    async def test_of_rivals_over_two_storages_one_gets_a_token_name(
        self, world: World, other_storage: Storage
    ) -> None:
        other = replace(world, storage=other_storage)

        outcomes = await self.rivals(
            [world, other], [create(an_api_token(tenant_id=world.tenant.id)) for _ in range(10)]
        )

        assert outcomes == {Outcome.DONE: 1, Outcome.NAME_TAKEN: 9}

    async def test_others_are_told_of_a_token_that_is_made_in_other_words_than_of_one_that_changes(
        self, world: World
    ) -> None:
        before = await world.storage.last_change()

        token = await world.make_token()
        await world.do(create(token), update(token))

        told = [(each.kind, each.ref, each.detail) for each in await world.storage.changes_since(before)]
        assert told == [
            (ChangeKind.API_TOKEN, token.id, TOKEN_CREATED),
            (ChangeKind.API_TOKEN, token.id, None),
        ]

    async def test_an_update_replaces_what_may_change_of_a_token_and_nothing_else(self, world: World) -> None:
        other = await world.make_token("other")
        token = await world.make_token(expires_at_ms=NOW_MS, last_used_at_ms=NOW_MS, details={"old": 1})
        changes: dict[str, Any] = {
            "scopes": (),
            "digest": bytes(16),
            "enabled": False,
            "expires_at_ms": None,
            "details": {"new": [1]},
        }

        fixed: dict[str, Any] = {"public_id": other.public_id, "name": "x", "created_by": "x", "created_at_ms": 1}
        outcomes = await world.do(update(replace(token, last_used_at_ms=1, **fixed | changes)))

        assert outcomes == [Outcome.DONE]
        assert await world.storage.api_token_by_digest(token.digest) is None
        assert await world.storage.api_token_by_digest(bytes(16)) == replace(token, **changes)
        assert await world.storage.api_token_by_digest(other.digest) == other

    async def test_a_token_that_is_not_there_or_is_anothers_is_not_changed(
        self, world: World, other_world: World
    ) -> None:
        token = await world.make_token()
        before = await world.state()

        outcomes = await world.do(
            update(replace(token, id=987_654)), update(replace(token, tenant_id=other_world.tenant.id, scopes=()))
        )

        assert outcomes == [Outcome.GONE] * 2
        assert await world.state() == before

    async def test_a_token_that_is_revoked_is_gone_and_others_are_told(self, world: World) -> None:
        token = await world.make_token()
        revoke = DeleteApiToken(token_id=token.id, audit=an_audit_entry("token-revoked"))

        assert await world.told(revoke) == [(ChangeKind.API_TOKEN, token.id)]

        assert await world.storage.api_token_by_digest(token.digest) is None
        before = await world.state()
        assert await world.do(revoke, RecordTokenUse(token.id, NOW_MS)) == [Outcome.GONE] * 2
        assert await world.state() == before
        assert (await world.make_token()).id != token.id

    async def test_the_newest_use_of_each_token_is_kept(self, world: World) -> None:
        one, two = await world.make_token("one"), await world.make_token("two")

        outcomes = await world.do(
            RecordTokenUse(one.id, NOW_MS + 2),
            RecordTokenUse(987_654, NOW_MS),
            RecordTokenUse(two.id, NOW_MS + 5),
            RecordTokenUse(one.id, NOW_MS + 1),
        )
        await world.do(RecordTokenUse(two.id, NOW_MS + 4))

        assert outcomes == [Outcome.DONE, Outcome.GONE, Outcome.DONE, Outcome.DONE]
        used = [each.last_used_at_ms for each in await world.storage.list_api_tokens(world.tenant.id)]
        assert used == [NOW_MS + 2, NOW_MS + 5]
