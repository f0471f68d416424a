"""Storage suite: credentials are found, and replaced with and without grace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from firstboot.model import PROVISIONED, Attribute, Scope
from firstboot.storage import ChangeKind, EndCredentials, Outcome, ReopenDevice
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import (
    StorageSuite,
    World,
    attributes,
    digest,
    replace_credentials,
    sealed,
)

LATER_MS = NOW_MS + 60_000


class CredentialTests(StorageSuite):
    """Finding credentials by digest, and replacing them."""

    async def test_credentials_are_found_with_their_device(self, world: World) -> None:
        device = await world.make_device("meter-7", "token")

        (found,) = await world.storage.find_credentials([digest("token")])

        assert (found.type, found.digest, found.sealed) == (
            "ACCESS_TOKEN",
            digest("token"),
            sealed("token").sealed,
        )
        assert (found.device_id, found.device_public_id, found.device_name) == (
            device.id,
            device.public_id,
            "meter-7",
        )
        assert (found.tenant_id, found.profile_id) == (world.tenant.id, world.profile.id)
        assert (found.valid_until_ms, found.first_login_at_ms) == (None, None)

    async def test_any_bytes_can_be_a_digest(self, world: World) -> None:
        odd = [bytes(16), b"\xff" * 16, b"'; DROP TABLE --", b"\x00" * 15 + b"\x01"]
        for number, each in enumerate(odd):
            await world.make_device(
                f"meter-{number}", credentials=replace(sealed("x"), digest=each, sealed=each * 9)
            )

        found = await world.storage.find_credentials(odd)

        assert {each.digest: each.sealed for each in found} == {each: each * 9 for each in odd}

    async def test_many_are_found_at_a_time(self, world: World) -> None:
        await world.do(*(world.device(f"meter-{number}", f"token {number}") for number in range(500)))

        found = await world.storage.find_credentials([digest(f"token {number}") for number in range(600)])

        assert {each.digest: each.device_name for each in found} == {
            digest(f"token {number}"): f"meter-{number}" for number in range(500)
        }

    async def test_a_digest_that_is_asked_for_twice_is_found(self, world: World) -> None:
        await world.make_device("meter-7", "token")

        found = await world.storage.find_credentials([digest("token")] * 2)

        assert {each.device_name for each in found} == {"meter-7"}

    async def test_none_are_found_for_none(self, world: World) -> None:
        await world.make_device()

        assert not await world.storage.find_credentials([])
        assert not await world.storage.find_credentials([digest("unknown")])

    async def test_old_credentials_end_at_once_without_grace(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        outcomes = await world.do(replace_credentials(device.id, "old", "new"))

        assert outcomes == [Outcome.DONE]
        assert not await world.storage.find_credentials([digest("old")])
        current, *others = await world.storage.device_credentials(device.id)
        assert not others
        assert (current.digest, current.sealed, current.valid_until_ms) == (
            digest("new"),
            sealed("new").sealed,
            None,
        )

    async def test_old_credentials_stay_until_their_grace_is_over(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        await world.do(replace_credentials(device.id, "old", "new", keep_old_until_ms=LATER_MS))

        found = await world.storage.find_credentials([digest("old"), digest("new")])
        assert {each.digest: each.valid_until_ms for each in found} == {
            digest("old"): LATER_MS,
            digest("new"): None,
        }
        assert {each.device_id for each in found} == {device.id}

    async def test_ending_credentials_at_once_ends_those_in_their_grace_too(self, world: World) -> None:
        device = await world.make_device("meter-7", "first")
        await world.do(replace_credentials(device.id, "first", "second", keep_old_until_ms=LATER_MS))

        await world.do(replace_credentials(device.id, "second", "third"))

        found = await world.storage.find_credentials([digest("first"), digest("second"), digest("third")])
        assert [each.digest for each in found] == [digest("third")]

    async def test_credentials_after_their_grace_are_never_current_again(self, world: World) -> None:
        device = await world.make_device("meter-7", "first")
        await world.do(replace_credentials(device.id, "first", "second", keep_old_until_ms=LATER_MS))

        much_later_ms = 2 * LATER_MS
        await world.do(
            replace_credentials(device.id, "second", "third", at_ms=LATER_MS + 1, keep_old_until_ms=much_later_ms)
        )

        # A storage may forget them once a write says that it is later.
        found = await world.storage.find_credentials([digest("first")])
        assert [each.valid_until_ms for each in found] in ([], [LATER_MS])

    async def test_the_current_credentials_come_first(self, world: World) -> None:
        device = await world.make_device("meter-7", "first")
        for old, new in (("first", "second"), ("second", "third")):
            await world.do(replace_credentials(device.id, old, new, keep_old_until_ms=LATER_MS))

        current, *old_ones = await world.storage.device_credentials(device.id)

        assert (current.digest, current.valid_until_ms) == (digest("third"), None)
        assert {each.digest: each.valid_until_ms for each in old_ones} == {
            digest("first"): LATER_MS,
            digest("second"): LATER_MS,
        }

    @pytest.mark.parametrize("replaces", ["never there", "of another device", "replaced before"])
    async def test_only_current_credentials_of_the_device_can_be_replaced(
        self, world: World, replaces: str
    ) -> None:
        await world.make_device("another", "of another device")
        device = await world.make_device("meter-7", "replaced before")
        await world.do(replace_credentials(device.id, "replaced before", "current", keep_old_until_ms=LATER_MS))
        before = await world.state()

        outcomes = await world.do(replace_credentials(device.id, replaces, "new", provisioned=True))

        assert outcomes == [Outcome.STALE]
        assert await world.state() == before

    async def test_credentials_in_use_replace_nothing(self, world: World) -> None:
        await world.make_device("another", "in use")
        device = await world.make_device("meter-7", "old")
        before = await world.state()

        outcomes = await world.do(
            replace_credentials(
                device.id,
                "old",
                "in use",
                keep_old_until_ms=LATER_MS,
                provisioned=True,
                attributes=(Attribute(Scope.SERVER, "a", 1),),
                request_digest=digest("request"),
            )
        )

        assert outcomes == [Outcome.CREDENTIALS_IN_USE]
        assert await world.state() == before

    async def test_credentials_may_keep_their_digest_when_the_old_ones_end_at_once(self, world: World) -> None:
        device = await world.make_device("meter-7", "one")
        await world.do(replace_credentials(device.id, "one", "two", keep_old_until_ms=LATER_MS))

        # A password that changes under one user name; and one that was current before.
        assert await world.do(replace_credentials(device.id, "two", "two")) == [Outcome.DONE]
        assert [found.digest for found in await world.storage.device_credentials(device.id)] == [digest("two")]
        assert await world.do(replace_credentials(device.id, "two", "two", keep_old_until_ms=LATER_MS)) == [
            Outcome.CREDENTIALS_IN_USE
        ]

    async def test_credentials_in_grace_are_in_use(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        await world.do(replace_credentials(device.id, "old", "new", keep_old_until_ms=LATER_MS))

        assert await world.do(world.device("another", "old")) == [Outcome.CREDENTIALS_IN_USE]

    async def test_credentials_that_ended_at_once_are_free(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        await world.do(replace_credentials(device.id, "old", "new"))

        assert await world.do(world.device("another", "old")) == [Outcome.DONE]

    async def test_a_device_that_asked_is_provisioned_by_it(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        await world.do(ReopenDevice(device_id=device.id, at_ms=NOW_MS, audit=an_audit_entry()))

        await world.do(
            replace_credentials(
                device.id,
                "old",
                "new",
                at_ms=NOW_MS + 5,
                provisioned=True,
                attributes=(Attribute(Scope.SHARED, "a", 1),),
                request_digest=digest("request"),
            )
        )

        assert await world.read("meter-7") == replace(
            device, provision_state=PROVISIONED, provisioned_at_ms=NOW_MS + 5, request_digest=digest("request")
        )
        assert (await attributes(world.storage, device.id))[Scope.SHARED, "a"] == "1"

    async def test_a_device_that_did_not_ask_is_not_provisioned_by_it(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        await world.do(replace_credentials(device.id, "old", "new", provisioned=False))

        after = await world.read("meter-7")
        assert (after.provision_state, after.provisioned_at_ms) == (None, None)

    async def test_other_processes_are_told_of_replaced_credentials(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        before = await world.storage.last_change()

        await world.do(replace_credentials(device.id, "old", "new"))

        changes = await world.storage.changes_since(before)
        assert (ChangeKind.CREDENTIALS, device.id) in [(each.kind, each.ref) for each in changes]

    async def test_former_credentials_end_one_by_one_and_nobody_s_session_with_them(self, world: World) -> None:
        await world.make_device("another", "of another device")
        device = await world.make_device("meter-7", "first")
        for old, new in (("first", "second"), ("second", "third")):
            await world.do(replace_credentials(device.id, old, new, keep_old_until_ms=LATER_MS))
        before = await world.storage.last_change()

        ended = tuple(map(digest, ("first", "third", "of another device", "never there")))
        outcomes = await world.do(
            EndCredentials(device_id=device.id, digests=ended, audit=an_audit_entry("credentials-ended"))
        )

        assert outcomes == [Outcome.DONE]
        kept = await world.storage.device_credentials(device.id)
        assert [each.digest for each in kept] == [digest("third"), digest("second")]
        assert await world.storage.find_credentials([digest("of another device")])
        assert not await world.storage.changes_since(before)

    async def test_former_credentials_of_a_device_that_is_gone_are_gone(self, world: World) -> None:
        write = EndCredentials(device_id=987_654, digests=(digest("first"),), audit=an_audit_entry("x"))

        assert await world.do(write) == [Outcome.DEVICE_GONE]
