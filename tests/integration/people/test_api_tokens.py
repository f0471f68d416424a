"""API tokens of programs (LG-9)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from tests.integration.people.people import ACTOR, HOME, People

from firstboot.config import LoginConfig
from firstboot.errors import AlreadyExists, InvalidValue, NotAllowed, NotAuthenticated, NotFound, TooManyRequests
from firstboot.model import ApiToken, Authority
from firstboot.secret import Secret
from firstboot.sessions import Owner

DAY_MS = 86_400_000


async def make(
    people: People, name: str = "dashboard", *scopes: str, expires_at_ms: int | None = None
) -> tuple[ApiToken, Secret]:
    return await people.api_tokens.create(
        people.tenant.id, name, scopes or ("devices:read",), expires_at_ms, actor=ACTOR
    )


async def refused(people: People, secret: Secret) -> bool:
    try:
        await people.authentication.identify(secret, HOME)
    except NotAuthenticated as refusal:
        return (str(refusal), refusal.expired) == ("Authentication failed", False)
    return False


async def test_lg_9_a_token_has_256_bits_and_is_known_by_its_digest_only(people: People) -> None:
    token, secret = await make(people)

    assert re.fullmatch(r"fbt_[A-Za-z0-9_-]{43}", secret.reveal())
    stored = (await people.api_tokens.list(people.tenant.id))[0]
    assert stored.id == token.id
    assert secret.reveal() not in repr(stored)
    assert secret.reveal().encode() not in stored.digest
    assert secret.reveal() not in repr(await people.audit())


async def test_lg_9_a_program_may_what_its_scopes_say_and_no_more(people: People) -> None:
    token, secret = await make(people, "creator", "devices:create", "publish:a/#")

    who = await people.authentication.identify(secret, HOME)

    assert (who.kind, who.actor, who.owner) == ("api-token", "api-token:creator", Owner("api-token", token.id))
    assert (who.authority, who.tenant_id, who.user) == (Authority.TENANT_ADMIN, people.tenant.id, None)
    assert who.may("devices:create")
    assert not who.may("devices:read")
    assert not who.may("")
    assert not who.may("publish:a")


async def test_lg_9_a_token_ends_at_its_moment(people: People) -> None:
    _, secret = await make(people, expires_at_ms=people.time.now_ms + DAY_MS)

    people.time.advance(86_399)
    assert not await refused(people, secret)
    people.time.advance(1)
    assert await refused(people, secret)


async def test_lg_9_a_token_of_the_past_is_not_made(people: People) -> None:
    with pytest.raises(InvalidValue):
        await make(people, expires_at_ms=people.time.now_ms)


async def test_lg_9_a_revoked_token_opens_nothing_from_the_next_request_on(people: People) -> None:
    token, secret = await make(people)
    assert not await refused(people, secret)

    await people.api_tokens.revoke(token, actor=ACTOR)

    assert await refused(people, secret)
    with pytest.raises(NotFound):
        await people.api_tokens.revoke(token, actor=ACTOR)


async def test_lg_9_a_disabled_token_opens_nothing_until_it_is_enabled(people: People) -> None:
    token, secret = await make(people)

    disabled = await people.api_tokens.update(replace(token, enabled=False), actor=ACTOR)
    assert await refused(people, secret)
    await people.api_tokens.update(replace(disabled, enabled=True), actor=ACTOR)
    assert not await refused(people, secret)

    events = [entry.event for entry in await people.audit()]
    assert events == ["api-token-created", "api-token-updated", "api-token-updated"]


async def test_lg_9_a_token_may_be_made_disabled(people: People) -> None:
    token, secret = await people.api_tokens.create(
        people.tenant.id, "later", ["devices:read"], enabled=False, actor=ACTOR
    )

    assert not token.enabled
    assert await refused(people, secret)


async def test_lg_9_an_update_is_what_holds_from_the_next_request_on(people: People) -> None:
    token, old = await make(people, "dashboard", "devices:read")
    new = Secret("fbt_" + "n" * 43)
    wanted = replace(token, scopes=("events",), expires_at_ms=people.time.now_ms + DAY_MS, details={"a": [1]})

    changed = await people.api_tokens.update(wanted, secret=new, actor=ACTOR)

    assert await people.api_tokens.list(people.tenant.id) == [changed]
    assert (changed.scopes, changed.details) == (("events",), {"a": [1]})
    assert await refused(people, old)
    assert (await people.authentication.identify(new, HOME)).may("events")
    people.time.advance(86_400)
    assert await refused(people, new)
    assert new.reveal() not in repr(await people.audit()) + repr(changed)


async def test_lg_9_an_update_gives_no_scope_that_does_not_exist(people: People) -> None:
    token, _ = await make(people)

    with pytest.raises(InvalidValue):
        await people.api_tokens.update(replace(token, scopes=("devices:reed",)), actor=ACTOR)

    assert await people.api_tokens.list(people.tenant.id) == [token]


async def test_lg_9_a_token_that_is_revoked_meanwhile_is_not_changed(people: People) -> None:
    token, secret = await make(people)
    await people.api_tokens.revoke(token, actor=ACTOR)

    with pytest.raises(NotFound):
        await people.api_tokens.update(token, actor=ACTOR)

    assert await refused(people, secret)


async def test_lg_9_a_dialect_makes_tokens_in_a_form_of_its_own(people: People) -> None:
    given = Secret("eyJhbGciOiJIUzI1NiJ9." + "x" * 80)
    details = {"allow": {"Device": {"*": ["CreateDevice"]}}}

    token, secret = await people.api_tokens.create(
        people.tenant.id, "factory", [], secret=given, details=details, actor=ACTOR
    )

    assert secret == given
    found = await people.api_tokens.find(given)
    assert found is not None
    assert (found.id, found.scopes, found.details) == (token.id, (), details)
    assert await people.api_tokens.find(Secret(given.reveal() + "x")) is None
    with pytest.raises(NotAuthenticated):  # what it may do is for its dialect to say: here it is nobody
        await people.authentication.identify(given, HOME)
    assert given.reveal() not in repr(await people.audit())


async def test_lg_9_a_token_of_our_own_form_needs_a_scope(people: People) -> None:
    with pytest.raises(InvalidValue):
        await people.api_tokens.create(people.tenant.id, "nothing", [], actor=ACTOR)

    assert await people.api_tokens.list(people.tenant.id) == []


@pytest.mark.parametrize("text", ["fbt_", "fbt_" + "A" * 43, "fbt_" + "A" * 100_000, "fbt_\ud800" + "A" * 42])
async def test_lg_9_a_text_that_is_no_token_of_ours_opens_nothing(people: People, text: str) -> None:
    await make(people)

    assert await refused(people, Secret(text))


async def test_lg_9_another_installations_token_opens_nothing(people: People) -> None:
    """SE-3: the digest depends on the installation's key."""
    from firstboot.keyring import Keyring

    _, secret = await make(people)
    elsewhere = await People.on(people.storage, Keyring.generate(), people.time)

    assert await elsewhere.api_tokens.find(secret) is None


async def test_lg_9_the_last_use_is_recorded_at_most_once_a_minute(people: People) -> None:
    _, secret = await make(people)

    async def last_used() -> int | None:
        await people.commits.drain()
        return (await people.api_tokens.list(people.tenant.id))[0].last_used_at_ms

    first_ms = people.time.now_ms
    assert await last_used() is None
    for _ in range(3):
        await people.api_tokens.find(secret)
    assert await last_used() == first_ms
    people.time.advance(59.999)
    await people.api_tokens.find(secret)
    assert await last_used() == first_ms
    people.time.advance(0.001)
    await people.api_tokens.find(secret)
    assert await last_used() == first_ms + 60_000


async def test_lg_9_each_token_has_a_rate_of_its_own(people: People) -> None:
    config = LoginConfig(api_token_rate=60)
    limited = await People.on(people.storage, people.keyring, people.time, config)
    _, busy = await make(limited, "busy")
    _, quiet = await make(limited, "quiet")
    for _ in range(60):
        await limited.authentication.identify(busy, HOME)

    with pytest.raises(TooManyRequests):
        await limited.authentication.identify(busy, HOME)

    await limited.authentication.identify(quiet, HOME)
    people.time.advance(timedelta(seconds=1).total_seconds())
    await limited.authentication.identify(busy, HOME)


async def test_lg_9_a_token_gives_no_more_than_its_maker_has(people: People) -> None:
    def create(*scopes: str, within: frozenset[str]) -> object:
        return people.api_tokens.create(people.tenant.id, "child", scopes, within=within, actor=ACTOR)

    own = frozenset({"tokens:write", "rpc"})
    with pytest.raises(NotAllowed):
        await create("rpc", "devices:write", within=own)  # type: ignore[misc]

    await create("rpc", within=own)  # type: ignore[misc]


async def test_tn_1_tokens_are_looked_for_in_one_tenant(people: People) -> None:
    token, _ = await make(people)
    other = await people.tenants.create("other", actor=ACTOR)

    assert (await people.api_tokens.get(people.tenant.id, token.public_id)).id == token.id
    assert list(await people.api_tokens.list(other.id)) == []
    with pytest.raises(NotFound):
        await people.api_tokens.get(other.id, token.public_id)
    with pytest.raises(NotFound):
        await people.api_tokens.by_name(other.id, token.name)
    with pytest.raises(NotFound):
        await people.api_tokens.get(people.tenant.id, uuid4())


async def test_tn_2_a_name_is_unique_in_its_tenant(people: People) -> None:
    await make(people, "same")
    other = await people.tenants.create("other", actor=ACTOR)
    await people.api_tokens.create(other.id, "same", ["rpc"], actor=ACTOR)

    with pytest.raises(AlreadyExists):
        await make(people, " same ")


async def test_an_api_token_neither_logs_out_nor_has_a_password(people: People) -> None:
    _, secret = await make(people)
    who = await people.authentication.identify(secret, HOME)

    await people.authentication.log_out(who)

    assert not await refused(people, secret)
    with pytest.raises(InvalidValue):
        await people.authentication.change_password(who, Secret("x"), Secret("y" * 8), HOME)
