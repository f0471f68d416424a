"""Storage suite: certificates that were taken back are listed until nobody would take them anyway."""

from __future__ import annotations

from typing import Any

from firstboot.model import Device
from firstboot.storage import DeleteDevice, EndCredentials, Outcome, RevokedCertificate
from firstboot.testing.samples import NOW_MS, an_audit_entry
from firstboot.testing.storage_base import StorageSuite, World, replace_credentials

LATER_MS = NOW_MS + 60_000
LONGEST_SERIAL = "7" + "f" * 39
"""RFC 5280 allows 20 bytes, the first bit of which is not set."""


def revoked(device: Device, serial: str = "1f", **fields: Any) -> RevokedCertificate:
    """Return a certificate of a device that is taken back now."""
    values: dict[str, Any] = {
        "serial": serial,
        "tenant_id": device.tenant_id,
        "device_public_id": device.public_id,
        "expires_at_ms": LATER_MS,
        "revoked_at_ms": NOW_MS,
    }
    return RevokedCertificate(**values | fields)


async def listed(world: World, at_ms: int = NOW_MS) -> list[RevokedCertificate]:
    """Return what is listed at a moment."""
    return list(await world.storage.revoked_certificates(at_ms))


class RevocationTests(StorageSuite):
    """Taking back certificates, together with the credentials or the device."""

    async def test_nothing_is_revoked_at_first(self, world: World) -> None:
        assert await listed(world) == []

    async def test_certificates_are_revoked_with_the_credentials(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        certificates = (revoked(device, "1"), revoked(device, LONGEST_SERIAL, expires_at_ms=2**53))

        await world.do(replace_credentials(device.id, "old", "new", revokes=certificates))

        assert await listed(world) == list(certificates)

    async def test_certificates_are_revoked_with_former_credentials(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        await world.do(
            EndCredentials(device_id=device.id, digests=(), revokes=(revoked(device),), audit=an_audit_entry("x"))
        )

        assert await listed(world) == [revoked(device)]

    async def test_certificates_are_revoked_with_the_device_and_outlive_it(self, world: World) -> None:
        device = await world.make_device()
        audit = an_audit_entry("device-deleted")

        await world.do(DeleteDevice(device_id=device.id, revokes=(revoked(device),), audit=audit))

        assert await listed(world) == [revoked(device)]
        assert await world.storage.find_device(world.tenant.id, device.name) is None

    async def test_a_write_that_fails_revokes_nothing(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")

        outcomes = await world.do(
            replace_credentials(device.id, "another", "new", revokes=(revoked(device),)),
            DeleteDevice(device_id=2**40, revokes=(revoked(device),), audit=an_audit_entry("device-deleted")),
        )

        assert outcomes == [Outcome.STALE, Outcome.DEVICE_GONE]
        assert await listed(world) == []

    async def test_a_certificate_is_revoked_once_and_the_first_moment_stays(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        first, again = revoked(device), revoked(device, revoked_at_ms=NOW_MS + 1)

        await world.do(replace_credentials(device.id, "old", "new", revokes=(first,)))
        await world.do(replace_credentials(device.id, "new", "newest", revokes=(again,)))

        assert await listed(world) == [first]

    async def test_a_certificate_is_listed_until_it_expires(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        await world.do(replace_credentials(device.id, "old", "new", revokes=(revoked(device),)))

        assert await listed(world, LATER_MS) == [revoked(device)]
        assert await listed(world, LATER_MS + 1) == []

    async def test_the_list_is_in_the_order_of_the_moments(self, world: World) -> None:
        device = await world.make_device("meter-7", "old")
        last, first = revoked(device, "1", revoked_at_ms=NOW_MS + 2), revoked(device, "2")
        second = revoked(device, "3", revoked_at_ms=NOW_MS + 1)

        await world.do(replace_credentials(device.id, "old", "new", revokes=(last, first, second)))

        assert await listed(world) == [first, second, last]

    async def test_certificates_of_all_tenants_are_listed(self, world: World, other_world: World) -> None:
        mine, theirs = await world.make_device("meter-7", "a"), await other_world.make_device("meter-7", "b")

        await world.do(replace_credentials(mine.id, "a", "c", revokes=(revoked(mine, "1"),)))
        await other_world.do(replace_credentials(theirs.id, "b", "d", revokes=(revoked(theirs, "2"),)))

        assert await listed(world) == [revoked(mine, "1"), revoked(theirs, "2")]
