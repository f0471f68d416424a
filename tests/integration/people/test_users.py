"""Users and their first passwords (contract 5.4)."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from uuid import uuid4

import pytest
from tests.integration.people.people import ACTOR, PASSWORD, People

from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.model import Authority
from firstboot.secret import Secret
from firstboot.storage import PageQuery

DAY_S = 86_400


async def test_a_user_is_made_inactive_with_an_activation_token_of_forty_characters(people: People) -> None:
    invited = await people.admin(password=None)

    token = await people.users.activation_token(invited, actor=ACTOR)

    assert invited.password_hash is None
    assert re.fullmatch(r"[A-Za-z0-9_-]{40}", token.reveal())
    stored = await people.users.get(invited.public_id)
    assert stored.activation_until_ms == people.time.now_ms + DAY_S * 1000
    assert token.reveal() not in repr(stored)
    assert token.reveal().encode() not in (stored.activation_sealed or b"") + (stored.activation_digest or b"")


async def test_the_activation_token_can_be_read_again_and_is_the_same(people: People) -> None:
    invited = await people.admin(password=None)

    tokens = [await people.users.activation_token(invited, actor=ACTOR) for _ in range(2)]

    assert tokens[0] == tokens[1]


async def test_an_activation_token_sets_the_first_password(people: People) -> None:
    invited = await people.admin(password=None)
    token = await people.users.activation_token(invited, actor=ACTOR)

    activated = await people.users.activate(token, PASSWORD)

    assert activated.public_id == invited.public_id
    assert await people.log_in(invited.email)


async def test_an_activation_token_is_good_once(people: People) -> None:
    invited = await people.admin(password=None)
    token = await people.users.activation_token(invited, actor=ACTOR)
    await people.users.activate(token, PASSWORD)

    with pytest.raises(InvalidValue, match=r"^User credentials already activated$"):
        await people.users.activate(token, Secret("the thief's password"))

    assert await people.log_in(invited.email)
    with pytest.raises(InvalidValue, match=r"^User is already activated!$"):
        await people.users.activation_token(await people.users.by_email(invited.email), actor=ACTOR)


async def test_an_activation_token_used_twice_at_the_same_time_is_good_once(people: People) -> None:
    invited = await people.admin(password=None)
    token = await people.users.activation_token(invited, actor=ACTOR)

    results = await asyncio.gather(
        *(people.users.activate(token, PASSWORD) for _ in range(5)), return_exceptions=True
    )

    assert (
        sorted(str(each) for each in results if isinstance(each, InvalidValue))
        == ["User credentials already activated"] * 4
    )


async def test_an_activation_token_is_good_for_a_day_and_then_there_is_another(people: People) -> None:
    invited = await people.admin(password=None)
    old = await people.users.activation_token(invited, actor=ACTOR)
    people.time.advance(DAY_S)

    with pytest.raises(InvalidValue, match=r"^Activation token expired$"):
        await people.users.activate(old, PASSWORD)
    new = await people.users.activation_token(invited, actor=ACTOR)

    assert new != old
    with pytest.raises(InvalidValue, match=re.escape(f"activateToken [{old.reveal()}]")):
        await people.users.activate(old, PASSWORD)
    await people.users.activate(new, PASSWORD)


async def test_an_unknown_activation_token_is_refused_with_the_contracts_text(people: People) -> None:
    with pytest.raises(InvalidValue, match=r"^Unable to find user credentials by activateToken \[guessed\]$"):
        await people.users.activate(Secret("guessed"), PASSWORD)


async def test_a_weak_first_password_leaves_the_activation_token_good(people: People) -> None:
    token = await people.users.activation_token(await people.admin(password=None), actor=ACTOR)

    with pytest.raises(InvalidValue, match="6 or more characters"):
        await people.users.activate(token, Secret("12345"))

    await people.users.activate(token, PASSWORD)


async def test_a_password_from_an_administrator_ends_the_activation(people: People) -> None:
    invited = await people.admin(password=None)
    token = await people.users.activation_token(invited, actor=ACTOR)
    await people.users.set_password(invited, PASSWORD, actor=ACTOR)

    with pytest.raises(InvalidValue, match="already activated"):
        await people.users.activate(token, Secret("another password"))


async def test_tn_2_an_address_is_unique_in_the_installation_and_the_refusal_does_not_say_whose(
    people: People,
) -> None:
    other = await people.tenants.create("other", actor=ACTOR)
    await people.users.create(other.id, email="ann@example.com", authority=Authority.TENANT_ADMIN, actor=ACTOR)

    with pytest.raises(AlreadyExists) as refused:
        await people.admin("ANN@example.com")

    assert str(refused.value) == "User with email 'ann@example.com' already present in database!"


async def test_tn_1_a_user_of_another_tenant_does_not_exist(people: People) -> None:
    ann = await people.admin()
    other = await people.tenants.create("other", actor=ACTOR)

    assert (await people.users.get(ann.public_id, tenant_id=people.tenant.id)).id == ann.id
    for public_id, tenant_id in ((ann.public_id, other.id), (uuid4(), people.tenant.id)):
        with pytest.raises(NotFound) as refused:
            await people.users.get(public_id, tenant_id=tenant_id)
        assert str(refused.value) == f"User with id [{public_id}] is not found"


async def test_tn_1_a_user_cannot_belong_to_another_tenants_customer(people: People) -> None:
    other = await people.tenants.create("other", actor=ACTOR)
    theirs = await people.customers.create(other.id, "Theirs", actor=ACTOR)

    with pytest.raises(NotFound):
        await people.customer_user(theirs)


@pytest.mark.parametrize(
    ("authority", "has_tenant", "has_customer"),
    [
        (Authority.SYS_ADMIN, True, False),
        (Authority.TENANT_ADMIN, False, False),
        (Authority.TENANT_ADMIN, True, True),
        (Authority.CUSTOMER_USER, True, False),
        (Authority.CUSTOMER_USER, False, False),
    ],
)
async def test_lg_8_authority_tenant_and_customer_fit_each_other(
    people: People, authority: Authority, has_tenant: bool, has_customer: bool
) -> None:
    acme = await people.customer()
    tenant_id = people.tenant.id if has_tenant else None
    customer_id = acme.id if has_customer else None
    ann = await people.admin()

    with pytest.raises(InvalidValue):
        await people.users.create(
            tenant_id, email="x@example.com", authority=authority, customer_id=customer_id, actor=ACTOR
        )
    changed = replace(ann, authority=authority, tenant_id=tenant_id, customer_id=customer_id)
    with pytest.raises(InvalidValue):
        await people.users.update(changed, actor=ACTOR)


async def test_a_user_is_replaced_in_the_version_that_was_read(people: People) -> None:
    ann = await people.admin(first_name="Ann")

    first = await people.users.update(replace(ann, first_name="Anna"), expected_version=ann.version, actor=ACTOR)
    with pytest.raises(VersionConflict):
        await people.users.update(replace(ann, first_name="Anne"), expected_version=ann.version, actor=ACTOR)
    last = await people.users.update(replace(ann, first_name="Anja"), actor=ACTOR)

    assert ann.version < first.version < last.version
    assert (await people.users.get(ann.public_id)).first_name == "Anja"


async def test_lg_7_a_change_of_a_user_does_not_bring_back_a_password_or_a_right_that_was_taken(
    people: People,
) -> None:
    held = await people.admin()
    await people.users.set_password(held, Secret("another password"), actor=ACTOR)
    await people.users.disable(held, actor=ACTOR)

    await people.users.update(replace(held, first_name="Anna"), actor=ACTOR)
    await people.users.unlock(held, actor=ACTOR)

    now = await people.users.get(held.public_id)
    assert (now.first_name, now.enabled) == ("Anna", False)
    assert not await people.passwords.verify(now.password_hash, PASSWORD)
    assert await people.passwords.verify(now.password_hash, Secret("another password"))


async def test_changes_at_the_same_time_are_all_done(people: People) -> None:
    ann = await people.admin()

    await asyncio.gather(
        people.users.update(replace(ann, first_name="Anna"), actor=ACTOR),
        people.users.disable(ann, actor=ACTOR),
        *(people.users.unlock(ann, actor=ACTOR) for _ in range(5)),
    )

    now = await people.users.get(ann.public_id)
    assert (now.first_name, now.enabled, now.version) == ("Anna", False, ann.version + 7)


async def test_users_are_listed_by_tenant_and_by_customer(people: People) -> None:
    acme = await people.customer()
    await people.admin()
    cleo = await people.customer_user(acme)

    everybody = await people.users.page(people.tenant.id, PageQuery(sort="name"))
    of_acme = await people.users.page(people.tenant.id, PageQuery(), customer_id=acme.id)

    assert [user.email for user in everybody.rows] == ["ann@example.com", "cleo@example.com"]
    assert [user.public_id for user in of_acme.rows] == [cleo.public_id]
    assert (await people.users.page(None, PageQuery())).total == 0


async def test_a_deleted_user_is_gone(people: People) -> None:
    ann = await people.admin()

    await people.users.delete(ann, actor=ACTOR)

    with pytest.raises(NotFound):
        await people.users.by_email(ann.email)
    for change in (people.users.delete, people.users.disable, people.users.unlock):
        with pytest.raises(NotFound):
            await change(ann, actor=ACTOR)


@pytest.mark.parametrize("name", ["x" * 256, "a\nb", "\u202eevil"])
async def test_ht_7_a_persons_name_is_bounded(people: People, name: str) -> None:
    with pytest.raises(InvalidValue):
        await people.admin(first_name=name)


async def test_se_7_each_change_of_a_user_is_audited_with_who_did_it(people: People) -> None:
    ann = await people.admin()
    await people.users.set_password(ann, Secret("another password"), actor="user:root@example.com")
    await people.users.delete(ann, actor=ACTOR)

    entries = [(entry.event, entry.actor, entry.detail) for entry in await people.audit()]

    whom = "ann@example.com (TENANT_ADMIN)"
    assert entries == [
        ("user-created", ACTOR, whom),
        ("password-changed", "user:root@example.com", whom),
        ("user-deleted", ACTOR, whom),
    ]
