"""TN-1: every call, asked by everybody who is not the master of the things that it is about.

The calls come from the registry, what is sent from `access_rows`; a new call without a row fails.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx2
import pytest
from tests.integration.admin.access_rows import FORBIDDEN, MISSING, NOT_PERMITTED, OK, ROWS
from tests.integration.admin.world import House, World, world_of

from firstboot.model import Authority
from firstboot.storage import AuditQuery
from firstboot_plugins.admin.operation import ANY_SCOPE, PARAMETER, Operation
from firstboot_plugins.admin.registry import operations

OPERATIONS = operations()
BARRED = tuple(each for each in OPERATIONS if each.access is not None)


@pytest.fixture
async def world(tmp_path: Path, database: str | None) -> AsyncIterator[World]:
    """Run a server on each kind of database: what nobody may find is kept out by its queries."""
    async with world_of(tmp_path, database=database) as made:
        yield made


def test_tn_1_every_call_has_a_row_and_every_row_a_call() -> None:
    assert sorted(each.id for each in OPERATIONS) == sorted(ROWS)


async def ask(client: httpx2.AsyncClient, operation: Operation, house: House) -> tuple[int, str]:
    """Send a call about the things of a house; return status and text."""
    row = ROWS[operation.id]
    values = {**house.ids(), **row.path}
    path = PARAMETER.sub(lambda match: str(values[match[1]]), operation.path)
    request = client.build_request(operation.method, path, params=dict(row.query(house)), json=row.body(house))
    answer = await client.send(request, stream=True)
    try:
        if answer.headers.get("content-type", "").startswith("text/event-stream"):
            return answer.status_code, ""
        return answer.status_code, (await answer.aread()).decode("utf-8", "replace")
    finally:
        await answer.aclose()


def names_a_thing(operation: Operation) -> bool:
    return any(name.endswith("Id") for name in operation.parameters)


def foreign_may_expect(operation: Operation) -> tuple[int, ...]:
    row = ROWS[operation.id]
    if row.foreign is not None:
        return row.foreign
    return MISSING if names_a_thing(operation) else OK


async def changes(world: World, house: House) -> list[tuple[str, str]]:
    """Return what was done in a house: event and actor."""
    rows = await world.services.storage.list_audit(AuditQuery(tenant_id=house.tenant.id, limit=10_000))
    not_changes = ("user-logged-in", "login-refused", "user-logged-out", "claim-refused")
    return [(row.entry.event, row.entry.actor) for row in rows if row.entry.event not in not_changes]


Expectation = Callable[[Operation], tuple[int, ...]]


async def judge(
    subtests: pytest.Subtests,
    client: Callable[[], Awaitable[httpx2.AsyncClient]],
    house: House,
    expected: Expectation,
    hidden: tuple[str, ...],
    give_again: Callable[[], Awaitable[object]] | None = None,
) -> None:
    """Ask everything; compare the statuses, and see that nothing hidden is in an answer.

    ``give_again`` undoes what a call did that gave the device back.
    """
    asker = await client()
    for operation in BARRED:
        with subtests.test(operation.id):
            status, text = await ask(asker, operation, house)
            if operation.path.startswith("/api/auth/"):  # where sessions end
                asker = await client()

            assert status in expected(operation), text
            assert not [each for each in hidden if each in text], text
            if ROWS[operation.id].releases and give_again is not None:
                await give_again()


def always(client: httpx2.AsyncClient) -> Callable[[], Awaitable[httpx2.AsyncClient]]:
    async def same() -> httpx2.AsyncClient:
        return client

    return same


async def test_tn_1_nobody_gets_nothing(world: World, house: House, subtests: pytest.Subtests) -> None:
    before = await changes(world, house)

    await judge(subtests, always(world.nobody), house, lambda operation: (401,), (house.mark,))

    assert await changes(world, house) == before


async def test_what_is_public_answers_nobody(world: World, house: House, subtests: pytest.Subtests) -> None:
    for operation in OPERATIONS:
        if operation.access is None:
            with subtests.test(operation.id):
                status, text = await ask(world.nobody, operation, house)

                assert status in ROWS[operation.id].public, text
                assert house.mark not in text


async def test_tn_1_another_tenant_s_administrator_finds_nothing(
    world: World, house: House, subtests: pytest.Subtests
) -> None:
    stranger = (await world.house("baboon")).admin
    before = await changes(world, house)

    def expected(operation: Operation) -> tuple[int, ...]:
        assert operation.access is not None
        if Authority.TENANT_ADMIN not in operation.access.authorities:
            return FORBIDDEN
        return foreign_may_expect(operation)

    await judge(subtests, lambda: world.person(stranger), house, expected, (house.mark,))

    assert await changes(world, house) == before


async def test_tn_1_a_neighbour_finds_nothing_of_another_customer(
    world: World, house: House, subtests: pytest.Subtests
) -> None:
    before = await changes(world, house)

    def expected(operation: Operation) -> tuple[int, ...]:
        assert operation.access is not None
        if Authority.CUSTOMER_USER not in operation.access.authorities:
            return FORBIDDEN
        expected = ROWS[operation.id].neighbour or foreign_may_expect(operation)
        return NOT_PERMITTED if expected == MISSING else expected

    hidden = (house.customer.title, house.user.email, house.device.name, f"{house.mark}-access-token")
    await judge(subtests, lambda: world.person(house.other_user), house, expected, hidden)

    assert await changes(world, house) == before


async def test_tn_1_a_customer_s_own_user_reaches_what_is_meant_for_him_only(
    world: World, house: House, subtests: pytest.Subtests
) -> None:
    def expected(operation: Operation) -> tuple[int, ...]:
        assert operation.access is not None
        if Authority.CUSTOMER_USER not in operation.access.authorities:
            return FORBIDDEN
        return ROWS[operation.id].own

    async def give_again() -> None:
        device = await world.services.devices.by_public_id(house.tenant.id, house.device.public_id)
        assert device.customer_id is None
        await world.services.ownership.assign(device, house.customer, actor="test")

    hidden = (house.other_customer.title,)
    await judge(subtests, lambda: world.person(house.user), house, expected, hidden, give_again)


async def test_tn_1_a_program_without_the_scope_is_refused(
    world: World, house: House, subtests: pytest.Subtests
) -> None:
    program = await world.program(house, "retain")
    before = await changes(world, house)

    def expected(operation: Operation) -> tuple[int, ...]:
        assert operation.access is not None
        return OK if operation.access.scope == ANY_SCOPE else FORBIDDEN

    await judge(subtests, always(program), house, expected, ())

    assert await changes(world, house) == before


async def test_a_person_without_a_tenant_reaches_nothing_of_one(
    world: World, house: House, subtests: pytest.Subtests
) -> None:
    root = await world.sys_admin()

    for operation in BARRED:
        assert operation.access is not None
        if operation.access.tenant:
            with subtests.test(operation.id):
                status, text = await ask(root, operation, house)

                assert status == 403, text
