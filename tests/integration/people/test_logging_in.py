"""Logging in, and what a login opens until it ends (contract 5.1)."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from tests.integration.people.people import ACTOR, CAFE, HOME, PASSWORD, WRONG, People, payload

from firstboot.access_tokens import TokenExpired
from firstboot.errors import InvalidValue, NotAuthenticated
from firstboot.identities import Identity
from firstboot.model import Authority, User
from firstboot.secret import Secret
from firstboot.sessions import Owner


async def refusal_of(people: People, email: str, password: Secret, address: str = HOME) -> NotAuthenticated:
    with pytest.raises(NotAuthenticated) as refused:
        await people.log_in(email, password, address)
    return refused.value


async def is_open(people: People, token: Secret) -> bool:
    """Say whether the token opens something; it is told to be expired when it does not."""
    try:
        await people.authentication.identify(token, HOME)
    except TokenExpired:
        return False
    return True


async def test_an_administrator_logs_in_and_is_known_by_the_token(people: People) -> None:
    ann = await people.admin("Ann@Example.com", first_name="Ann")

    tokens = await people.log_in(" ANN@example.com ")
    who = await people.authentication.identify(tokens.token, HOME)

    assert (who.kind, who.actor, who.owner) == ("user", "user:ann@example.com", Owner("user", ann.id))
    assert (who.authority, who.tenant_id, who.customer_id) == (Authority.TENANT_ADMIN, people.tenant.id, None)
    assert who.user is not None
    assert who.user.public_id == ann.public_id
    assert who.session is not None
    assert who.may("devices:write")


async def test_ra_2_the_token_says_what_clients_read_in_it(people: People) -> None:
    acme = await people.customer()
    cleo = await people.customer_user(acme, first_name="Cleo", last_name="Patra")

    tokens = await people.log_in(cleo.email)
    access, refresh = payload(tokens.token), payload(tokens.refresh_token)
    who = await people.authentication.identify(tokens.token, HOME)

    assert who.session is not None
    now_s = people.time.now_ms // 1000
    common = {
        "sub": "cleo@example.com",
        "userId": str(cleo.public_id),
        "sessionId": str(who.session.public_id),
        "iss": "firstboot",
        "iat": now_s,
        "isPublic": False,
    }
    expected = {
        **common,
        "scopes": ["CUSTOMER_USER"],
        "exp": now_s + 9000,
        "firstName": "Cleo",
        "lastName": "Patra",
        "enabled": True,
        "tenantId": str(people.tenant.public_id),
        "customerId": str(acme.public_id),
    }
    assert {name: access[name] for name in expected} == expected
    assert {name: refresh[name] for name in common} == common
    assert (refresh["scopes"], refresh["exp"]) == (["REFRESH_TOKEN"], now_s + 604_800)


async def test_ra_2_a_system_administrator_has_the_ids_that_stand_for_none(people: People) -> None:
    await people.users.create(
        None, email="root@example.com", authority=Authority.SYS_ADMIN, password=PASSWORD, actor=ACTOR
    )

    tokens = await people.log_in("root@example.com")
    claims = payload(tokens.token)
    who = await people.authentication.identify(tokens.token, HOME)

    nobody = "13814000-1dd2-11b2-8080-808080808080"
    assert (claims["scopes"], claims["tenantId"], claims["customerId"]) == (["SYS_ADMIN"], nobody, nobody)
    assert (who.authority, who.tenant_id, who.customer_id) == (Authority.SYS_ADMIN, None, None)


async def test_ra_3_lg_3_wrong_password_and_unknown_user_are_told_the_same(people: People) -> None:
    await people.admin()
    await people.admin("invited@example.com", password=None)

    refusals = [
        await refusal_of(people, "ann@example.com", WRONG),
        await refusal_of(people, "nobody@example.com", PASSWORD),
        await refusal_of(people, "invited@example.com", PASSWORD),
        await refusal_of(people, "no address \0\ud800", PASSWORD),
        await refusal_of(people, "", Secret("")),
    ]

    told = {(str(each), each.code, each.expired, each.retry_after_s) for each in refusals}
    assert told == {("Invalid username or password", "wrong-password", False, None)}


async def test_lg_3_each_refused_login_costs_one_check_of_a_password(people: People) -> None:
    await people.admin()
    await people.admin("off@example.com")
    await people.users.disable(await people.users.by_email("off@example.com"), actor=ACTOR)
    people.passwords.verified.clear()

    for email in ("ann@example.com", "nobody@example.com", "off@example.com", "no address"):
        await refusal_of(people, email, WRONG)

    assert people.passwords.verified == [True, False, True, False]


async def test_lg_3_only_the_right_password_tells_that_an_account_is_off(people: People) -> None:
    ann = await people.admin()
    await people.users.disable(ann, actor=ACTOR)

    assert str(await refusal_of(people, ann.email, WRONG)) == "Invalid username or password"
    assert str(await refusal_of(people, ann.email, PASSWORD)) == "User account is not active"


async def test_lg_2_five_wrong_passwords_and_the_next_is_not_looked_at(people: People) -> None:
    ann = await people.admin()
    for _ in range(5):
        await refusal_of(people, ann.email, WRONG, CAFE)
    people.passwords.verified.clear()

    refused = await refusal_of(people, ann.email, PASSWORD, CAFE)

    assert str(refused) == "User account is locked due to security policy"
    assert refused.retry_after_s == 900
    assert people.passwords.verified == []
    assert await people.log_in(ann.email, address=HOME)


async def test_lg_3_an_unknown_user_is_locked_like_any_other(people: People) -> None:
    for _ in range(5):
        await refusal_of(people, "nobody@example.com", WRONG, CAFE)

    refused = await refusal_of(people, "nobody@example.com", WRONG, CAFE)

    assert str(refused) == "User account is locked due to security policy"


async def test_lg_2_an_administrator_unlocks_an_account_on_every_server(people: People) -> None:
    """The command line is another process: it changes the user, and that is all it needs."""
    ann = await people.admin()
    for _ in range(6):
        await refusal_of(people, ann.email, WRONG)
    elsewhere = await People.on(people.storage, people.keyring, people.time)

    await elsewhere.users.unlock(ann, actor="cli:root")

    assert await people.log_in(ann.email)
    assert "user-unlocked" in [entry.event for entry in await people.audit()]


async def test_a_session_ends_when_its_user_logs_out_and_others_go_on(people: People) -> None:
    await people.admin()
    here, there = await people.log_in(), await people.log_in()

    await people.authentication.log_out(await people.authentication.identify(here.token, HOME), HOME)

    assert not await is_open(people, here.token)
    assert await is_open(people, there.token)
    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(here.refresh_token)


async def test_lg_6_an_access_token_is_good_for_two_and_a_half_hours_and_a_minute_of_leeway(
    people: People,
) -> None:
    await people.admin()
    tokens = await people.log_in()

    people.time.advance(9000 + 59)
    assert await is_open(people, tokens.token)
    people.time.advance(1)
    assert not await is_open(people, tokens.token)


async def test_lg_6_a_refresh_token_gives_a_new_pair_once(people: People) -> None:
    await people.admin()
    first = await people.log_in()
    people.time.advance(9100)

    second = await people.authentication.refresh(first.refresh_token)

    assert await is_open(people, second.token)
    assert payload(second.token)["sessionId"] == payload(first.token)["sessionId"]


async def test_lg_6_reuse_of_a_refresh_token_ends_the_session_for_the_thief_and_the_owner(people: People) -> None:
    ann = await people.admin()
    first, other = await people.log_in(), await people.log_in()
    second = await people.authentication.refresh(first.refresh_token)

    with pytest.raises(NotAuthenticated) as refused:
        await people.authentication.refresh(first.refresh_token, CAFE)

    assert refused.value.expired
    assert not await is_open(people, second.token)
    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(second.refresh_token)
    assert await is_open(people, other.token)
    reused = [entry for entry in await people.audit() if entry.event == "refresh-token-reused"]
    assert [(entry.actor, entry.address) for entry in reused] == [(f"user:{ann.email}", CAFE)]


async def test_lg_6_of_two_uses_at_the_same_time_one_succeeds_and_the_session_ends(people: People) -> None:
    await people.admin()
    tokens = await people.log_in()

    results = await asyncio.gather(
        *(people.authentication.refresh(tokens.refresh_token) for _ in range(2)), return_exceptions=True
    )

    assert sorted(isinstance(result, NotAuthenticated) for result in results) == [False, True]
    assert not await is_open(people, tokens.token)


async def test_lg_6_a_login_that_is_not_renewed_ends_after_a_week(people: People) -> None:
    await people.admin()
    tokens = await people.log_in()
    for _ in range(10):
        people.time.advance(6 * 86_400)
        tokens = await people.authentication.refresh(tokens.refresh_token)

    people.time.advance(7 * 86_400)

    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(tokens.refresh_token)


async def test_lg_6_no_token_passes_for_the_other_kind(people: People) -> None:
    await people.admin()
    tokens = await people.log_in()

    with pytest.raises(NotAuthenticated):
        await people.authentication.identify(tokens.refresh_token, HOME)
    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(tokens.token)
    assert await is_open(people, tokens.token)


async def now(people: People, token: Secret) -> Identity:
    return await people.authentication.identify(token, HOME)


async def test_lg_7_another_role_counts_on_the_next_request(people: People) -> None:
    acme = await people.customer()
    ann = await people.admin()
    tokens = await people.log_in()

    lowered = replace(ann, authority=Authority.CUSTOMER_USER, customer_id=acme.id)
    await people.users.update(lowered, actor=ACTOR)

    who = await now(people, tokens.token)
    assert (who.authority, who.customer_id) == (Authority.CUSTOMER_USER, acme.id)


async def test_lg_7_another_customer_counts_on_the_next_request(people: People) -> None:
    acme, bolt = await people.customer("Acme"), await people.customer("Bolt")
    cleo = await people.customer_user(acme)
    tokens = await people.log_in(cleo.email)

    await people.users.update(replace(cleo, customer_id=bolt.id), actor=ACTOR)

    assert (await now(people, tokens.token)).customer_id == bolt.id


async def _disable(people: People, user: User) -> None:
    await people.users.disable(user, actor=ACTOR)


async def _delete(people: People, user: User) -> None:
    await people.users.delete(user, actor=ACTOR)


async def _set_password(people: People, user: User) -> None:
    await people.users.set_password(user, Secret("another password"), actor=ACTOR)


async def _delete_customer(people: People, user: User) -> None:
    page = await people.customers.by_id(people.tenant.id, [user.customer_id or 0])
    await people.customers.delete(page[user.customer_id or 0], actor=ACTOR)


@pytest.mark.parametrize("lose", [_disable, _delete, _set_password, _delete_customer])
async def test_lg_7_lost_rights_are_lost_on_the_next_request(people: People, lose: object) -> None:
    cleo = await people.customer_user(await people.customer())
    tokens = await people.log_in(cleo.email)
    assert await is_open(people, tokens.token)

    await lose(people, cleo)  # type: ignore[operator]

    assert not await is_open(people, tokens.token)
    with pytest.raises(NotAuthenticated):
        await people.authentication.refresh(tokens.refresh_token)


async def test_lg_7_a_password_that_was_changed_while_it_was_checked_opens_nothing(people: People) -> None:
    ann = await people.admin()
    proven = await people.users.by_email(ann.email)
    await people.users.set_password(ann, Secret("another password"), actor=ACTOR)

    with pytest.raises(NotAuthenticated):
        await people.authentication.open_session(proven, HOME)

    events = [entry.event for entry in await people.audit()]
    assert events[-3:] == ["user-logged-in", "user-logged-out", "login-refused"]


async def test_a_person_changes_the_password_and_all_other_sessions_end(people: People) -> None:
    ann = await people.admin(must_change=True)
    here, there = await people.log_in(), await people.log_in()
    new = Secret("another password")

    tokens = await people.authentication.change_password(await now(people, here.token), PASSWORD, new, HOME)

    assert [await is_open(people, each.token) for each in (here, there, tokens)] == [False, False, True]
    assert not (await people.users.by_email(ann.email)).must_change
    assert await people.log_in(password=new)
    assert str(await refusal_of(people, ann.email, PASSWORD)) == "Invalid username or password"


async def test_lg_2_the_old_password_cannot_be_guessed_with_a_stolen_session(people: People) -> None:
    await people.admin()
    who = await now(people, (await people.log_in()).token)
    new = Secret("another password")

    for _ in range(5):
        with pytest.raises(InvalidValue, match=r"^Current password doesn't match!$"):
            await people.authentication.change_password(who, WRONG, new, HOME)
    with pytest.raises(NotAuthenticated, match="locked"):
        await people.authentication.change_password(who, PASSWORD, new, HOME)


@pytest.mark.parametrize("new", [PASSWORD, Secret("short"), Secret("x" * 73)])
async def test_a_new_password_that_breaks_a_rule_changes_nothing(people: People, new: Secret) -> None:
    await people.admin()
    tokens = await people.log_in()

    with pytest.raises(InvalidValue):
        await people.authentication.change_password(await now(people, tokens.token), PASSWORD, new, HOME)

    assert await is_open(people, tokens.token)


async def test_se_7_logins_good_and_bad_are_in_the_audit_log_without_a_secret(people: People) -> None:
    ann = await people.admin()
    await people.log_in(address=HOME)
    await refusal_of(people, ann.email, WRONG, CAFE)
    await refusal_of(people, "a right password", WRONG, CAFE)

    entries = [entry for entry in await people.audit() if "log" in entry.event]

    assert [(e.event, e.code, e.actor, e.address, e.tenant_id) for e in entries] == [
        ("user-logged-in", "ok", "user:ann@example.com", HOME, people.tenant.id),
        ("login-refused", "wrong-password", "user:ann@example.com", CAFE, people.tenant.id),
        ("login-refused", "wrong-password", "user:unknown", CAFE, None),
    ]
    everything = repr(await people.audit())
    assert PASSWORD.reveal() not in everything
    assert WRONG.reveal() not in everything


async def test_se_6_a_flood_of_wrong_logins_is_audited_in_part(people: People) -> None:
    for number in range(60):
        await refusal_of(people, f"user{number}@example.com", WRONG, CAFE)

    assert sum(entry.event == "login-refused" for entry in await people.audit()) == 30
