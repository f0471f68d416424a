"""Storage suite: pages of devices, customers and users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from firstboot.storage import DevicePageQuery, PageQuery
from firstboot.testing.samples import NOW_MS
from firstboot.testing.storage_base import StorageSuite, World

NAMES = ("Meter-1", "METER-2", "100%", "a_b", "axb", "back\\slash", "o'hara", "wow!", "GRÖßE", "НАСОС-3")
SEARCHES: tuple[tuple[str, set[str]], ...] = (
    ("meter", {"Meter-1", "METER-2"}),
    ("%", {"100%"}),
    ("_", {"a_b"}),
    ("\\", {"back\\slash"}),
    ("'", {"o'hara"}),
    ("!", {"wow!"}),
    ("größe", {"GRÖßE"}),
    ("насос", {"НАСОС-3"}),
    ("", set(NAMES)),
    ("nothing like it", set()),
    ("\0", set()),
    ("\ud800", set()),
)


@dataclass
class Pages:
    """Lists of one kind, with the names of what is in them."""

    make: Callable[..., Any]
    read: Callable[..., Any]

    async def names(self, **query: Any) -> list[str]:
        """Return the names on a page."""
        return (await self.page(**query))[0]

    async def page(self, **query: Any) -> tuple[list[str], int]:
        """Return the names on a page, and the total."""
        page = await self.read(**query)
        return [getattr(row, "name", None) or getattr(row, "title", None) or row.email for row in page.rows], (
            page.total
        )


class PageTests(StorageSuite):
    """Order, borders, totals, searches and filters."""

    @pytest.fixture(params=["devices", "customers", "users"])
    def pages(self, request: pytest.FixtureRequest, world: World) -> Pages:
        """Return the lists of each kind."""
        return pages_of(world, request.param)

    async def test_a_list_is_empty_at_first(self, pages: Pages) -> None:
        assert await pages.page() == ([], 0)

    async def test_pages_have_borders_and_a_total(self, pages: Pages) -> None:
        for number in range(7):
            await pages.make(f"name-{number}")

        read = [await pages.page(page=number, page_size=3, sort="name") for number in range(4)]

        names = [f"name-{number}" for number in range(7)]
        assert read == [(names[:3], 7), (names[3:6], 7), (names[6:], 7), ([], 7)]
        assert await pages.page(page=2**60, page_size=2**60) == ([], 7)

    async def test_pages_are_in_the_order_of_making_both_ways(self, pages: Pages) -> None:
        for name, after in (("b", 2), ("c", 1), ("a", 2), ("d", 3)):
            await pages.make(name, created_at_ms=NOW_MS + after)

        assert await pages.names() == ["c", "b", "a", "d"]
        assert await pages.names(descending=True) == ["d", "a", "b", "c"]
        assert await pages.names(descending=True, page_size=2, page=1) == ["b", "c"]

    async def test_pages_are_in_the_order_of_names_both_ways(self, pages: Pages) -> None:
        for name in ("b", "c", "a"):
            await pages.make(name)

        assert await pages.names(sort="name") == ["a", "b", "c"]
        assert await pages.names(sort="name", descending=True) == ["c", "b", "a"]

    async def test_pages_are_searched_literally_and_whatever_the_case(self, pages: Pages) -> None:
        for name in NAMES:
            await pages.make(name)

        for text, expected in SEARCHES:
            names, total = await pages.page(text=text)
            assert (text, set(names), total) == (text, expected, len(expected))

    async def test_any_number_of_rows_can_be_left_out(self, pages: Pages) -> None:
        for number in range(5):
            await pages.make(f"name-{number}")

        assert await pages.page(offset=0, page_size=2, sort="name") == (["name-0", "name-1"], 5)
        assert await pages.page(offset=3, page=7, page_size=4, sort="name") == (["name-3", "name-4"], 5)
        assert await pages.page(offset=2**70) == ([], 5)

    async def test_a_search_of_pages_is_paged_too(self, pages: Pages) -> None:
        for number in range(10):
            await pages.make(f"{'meter' if number % 2 else 'pump'}-{number}")

        assert await pages.page(text="PUMP", page=1, page_size=3, sort="name") == (["pump-6", "pump-8"], 5)

    @pytest.mark.parametrize("kind", ["devices", "customers", "users"])
    async def test_pages_are_of_one_tenant(self, world: World, other_world: World, kind: str) -> None:
        mine, theirs = pages_of(world, kind), pages_of(other_world, kind)
        await mine.make("mine")
        await theirs.make("theirs")

        assert (await mine.page(), await theirs.page()) == ((["mine"], 1), (["theirs"], 1))

    # -- devices -----------------------------------------------------------------------------------

    async def test_devices_are_searched_by_label_too(self, world: World) -> None:
        pages = pages_of(world, "devices")
        await pages.make("one", label="Keller Größe")
        await pages.make("two")

        assert await pages.page(text="GRÖ") == (["one"], 1)
        assert await pages.page(text="keller") == (["one"], 1)
        assert await pages.page(text="O") == (["one", "two"], 2)

    async def test_devices_are_sorted_by_label_and_profile(self, world: World) -> None:
        pages = pages_of(world, "devices")
        early = await world.make_profile("a profile")
        await pages.make("one", label="b")
        await pages.make("two", label="a", profile_id=early.id)
        await pages.make("three")

        assert await pages.names(sort="label") == ["three", "two", "one"]
        assert await pages.names(sort="label", descending=True) == ["one", "two", "three"]
        assert await pages.names(sort="profile") == ["two", "one", "three"]
        assert await pages.names(sort="profile", descending=True) == ["three", "one", "two"]

    async def test_devices_are_filtered_by_customer_profile_and_ids(self, world: World) -> None:
        pages = pages_of(world, "devices")
        customer, other = await world.make_customer(), await world.make_profile("other")
        await pages.make("one", customer_id=customer.id)
        await pages.make("two", profile_id=other.id)
        await pages.make("three", customer_id=customer.id, profile_id=other.id)
        ids = frozenset([(await world.read("one")).id, (await world.read("two")).id, 987_654])

        assert await pages.page(customer_id=customer.id) == (["one", "three"], 2)
        assert await pages.page(profile_id=other.id) == (["two", "three"], 2)
        assert await pages.page(customer_id=customer.id, profile_id=other.id) == (["three"], 1)
        assert await pages.page(ids=ids) == (["one", "two"], 2)
        assert await pages.page(ids=ids, customer_id=customer.id) == (["one"], 1)
        assert await pages.page(ids=frozenset()) == ([], 0)
        assert await pages.page(not_ids=ids) == (["three"], 1)
        assert await pages.page(ids=ids, not_ids=ids) == ([], 0)
        assert await pages.page(customer_id=987_654) == ([], 0)

    async def test_devices_are_filtered_by_their_exact_name(self, world: World, other_world: World) -> None:
        pages = pages_of(world, "devices")
        for name in ("meter-7", "METER-7", "meter-77"):
            await pages.make(name, label="meter-7")
        await pages_of(other_world, "devices").make("theirs")

        assert await pages.page(name="meter-7") == (["meter-7"], 1)
        assert await pages.page(name="meter-7", text="77") == ([], 0)
        for nothing in ("theirs", "meter", "", "\0", "\ud800"):
            assert await pages.page(name=nothing) == ([], 0)

    async def test_devices_with_exactly_the_searched_name_come_first(self, world: World) -> None:
        """Section 4.1 of the thinger.io contract: one that is cut off is made again, for ever."""
        pages = pages_of(world, "devices")
        for name, label in (("größe-1", None), ("a", "GRÖßE"), ("GRÖßE", None), ("größe", "b"), ("größe-2", None)):
            await pages.make(name, label=label)

        found = await pages.names(text="größe", exact_first=True)

        assert found == ["GRÖßE", "größe", "größe-1", "a", "größe-2"]
        assert await pages.page(text="größe", exact_first=True, offset=1, page_size=2) == (["größe", "größe-1"], 5)
        assert await pages.names(text="größe", exact_first=True, descending=True, page_size=2) == [
            "größe",
            "GRÖßE",
        ]
        assert await pages.names(exact_first=True, page_size=1) == ["größe-1"]
        for nothing in ("\0", "\ud800"):
            assert await pages.page(text=nothing, exact_first=True) == ([], 0)

    async def test_devices_of_other_tenants_are_not_found_by_their_ids(
        self, world: World, other_world: World
    ) -> None:
        theirs = await other_world.make_device()

        assert await pages_of(world, "devices").page(ids=frozenset([theirs.id])) == ([], 0)

    async def test_a_device_on_a_page_is_as_complete_as_a_found_one(self, world: World) -> None:
        device = await world.make_device(label="label", additional_info={"a": 1}, details={"b": 2})

        page = await world.storage.page_devices(DevicePageQuery(tenant_id=world.tenant.id, enabled=True))

        assert page.rows == [device]
        off = await world.storage.page_devices(DevicePageQuery(tenant_id=world.tenant.id, enabled=False))
        assert (list(off.rows), off.total) == ([], 0)

    # -- customers and users -----------------------------------------------------------------------

    async def test_rows_on_pages_of_people_are_complete(self, world: World) -> None:
        customer = await world.make_customer(details={"a": [1]})
        user = await world.make_user(details={"b": [2]}, customer_id=customer.id)

        assert (await world.storage.page_customers(world.tenant.id, PageQuery())).rows == [customer]
        assert (await world.storage.page_users(world.tenant.id, PageQuery())).rows == [user]

    async def test_users_are_filtered_by_customer_and_those_of_no_tenant_are_apart(self, world: World) -> None:
        customer, other = await world.make_customer(), await world.make_customer("other")
        await world.make_user("a@example.org", customer_id=customer.id)
        await world.make_user("b@example.org", customer_id=other.id)
        await world.make_user("c@example.org")
        await world.make_user("d@example.org", tenant_id=None)

        async def emails(tenant_id: int | None, customer_id: int | None = None) -> list[str]:
            page = await world.storage.page_users(tenant_id, PageQuery(), customer_id=customer_id)
            assert page.total == len(page.rows)
            return [user.email[0] for user in page.rows]

        assert await emails(world.tenant.id) == ["a", "b", "c"]
        assert await emails(world.tenant.id, customer.id) == ["a"]
        assert await emails(world.tenant.id, 987_654) == []
        assert await emails(None) == ["d"]
        assert await emails(None, customer.id) == []


def pages_of(world: World, kind: str) -> Pages:
    """Return the lists of one kind in this tenant."""
    storage, tenant_id = world.storage, world.tenant.id
    match kind:
        case "devices":
            # Tokens are unique in the installation.
            return Pages(
                lambda name, **fields: world.make_device(name, f"token of {name} in {tenant_id}", **fields),
                lambda **query: storage.page_devices(DevicePageQuery(tenant_id=tenant_id, **query)),
            )
        case "customers":
            return Pages(
                world.make_customer, lambda **query: storage.page_customers(tenant_id, PageQuery(**query))
            )
        case _:
            return Pages(world.make_user, lambda **query: storage.page_users(tenant_id, PageQuery(**query)))
