"""Make many devices at once, exactly as if they had been made one after another.

The write lock is held, so nobody else adds a name or a digest between looking and inserting: who loses is
decided here in order, and the unique indexes only stand guard against programs that do not know the lock.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from firstboot.storage import CreateDevice, Outcome, WriteResult
from firstboot_plugins.storage_tortoise.attribute_rows import last_of_each
from firstboot_plugins.storage_tortoise.changes import Changes
from firstboot_plugins.storage_tortoise.claim_changes import open_for_administrator
from firstboot_plugins.storage_tortoise.encoding import optional_json, to_json
from firstboot_plugins.storage_tortoise.pool_changes import add_members, taken_hardware
from firstboot_plugins.storage_tortoise.statements import Algorithm, Many, ManySql

_FIND_PROFILES = ManySql(
    "SELECT device_profile.id, device_profile.tenant_id, profile_usage.devices"
    " FROM v JOIN device_profile ON device_profile.id = v.id"
    " JOIN profile_usage ON profile_usage.profile_id = v.id",
    (("id", "bigint"),),
)
_FIND_NAMES = ManySql(
    "SELECT device.tenant_id, device.name FROM v JOIN device"
    " ON device.tenant_id = v.tenant_id AND device.name = v.name",
    (("tenant_id", "bigint"), ("name", "text")),
)
_FIND_DIGESTS = ManySql(
    "SELECT credentials.digest FROM v JOIN credentials ON credentials.digest = v.digest",
    (("digest", "bytea"),),
)
_FIND_CUSTOMERS = ManySql(
    "SELECT customer.id, customer.tenant_id FROM v JOIN customer ON customer.id = v.id",
    (("id", "bigint"),),
)
_FIND_GATEWAYS = ManySql(
    "SELECT device.id, device.tenant_id FROM v JOIN device ON device.id = v.id", (("id", "bigint"),)
)
_DEVICE_COLUMNS = (
    ("public_id", "bytea"),
    ("tenant_id", "bigint"),
    ("profile_id", "bigint"),
    ("name", "text"),
    ("label", "text"),
    ("additional_info", "text"),
    ("customer_id", "bigint"),
    ("gateway_id", "bigint"),
    ("details", "text"),
    ("enabled", "smallint"),
    ("hardware_id", "text"),
    ("created_at_ms", "bigint"),
    ("provisioned_at_ms", "bigint"),
    ("request_digest", "bytea"),
)
_INSERT_DEVICES = ManySql(
    f"INSERT INTO device ({', '.join(name for name, _ in _DEVICE_COLUMNS)})"  # noqa: S608
    " SELECT * FROM v RETURNING id, public_id",
    _DEVICE_COLUMNS,
)
_INSERT_CREDENTIALS = ManySql(
    "INSERT INTO credentials (device_id, type, digest, sealed) SELECT * FROM v",
    (("device_id", "bigint"), ("type", "text"), ("digest", "bytea"), ("sealed", "bytea")),
)
_INSERT_ATTRIBUTES = ManySql(
    "INSERT INTO attribute (device_id, scope, key, value, updated_at_ms) SELECT * FROM v",
    (("device_id", "bigint"), ("scope", "smallint"), ("key", "text"), ("value", "text"), ("at_ms", "bigint")),
)
_COUNT = ManySql(
    "UPDATE profile_usage SET devices = profile_usage.devices + v.devices FROM v"
    " WHERE profile_usage.profile_id = v.profile_id",
    (("profile_id", "bigint"), ("devices", "bigint")),
)


def create_devices(writes: Sequence[CreateDevice], changes: Changes) -> Algorithm[list[WriteResult]]:
    """Make those of the devices that can be made."""
    outcomes = yield from _decide(writes)
    made = [write for write, outcome in zip(writes, outcomes, strict=True) if outcome is Outcome.DONE]
    ids = yield from _insert(made)
    yield from add_members(ids, made, changes)
    next_id = iter(ids)
    return [
        WriteResult(outcome, next(next_id)) if outcome is Outcome.DONE else WriteResult(outcome)
        for outcome in outcomes
    ]


def _decide(writes: Sequence[CreateDevice]) -> Algorithm[list[Outcome]]:
    found = yield Many(_FIND_PROFILES, [(id_,) for id_ in {write.profile_id for write in writes}])
    tenants = {profile_id: tenant_id for profile_id, tenant_id, _ in found}
    devices = {profile_id: count for profile_id, _, count in found}
    found = yield Many(_FIND_NAMES, [(write.tenant_id, write.name) for write in writes])
    names = {(tenant_id, name) for tenant_id, name in found}
    found = yield Many(_FIND_DIGESTS, [(write.credentials.digest,) for write in writes])
    digests = {digest for (digest,) in found}
    customers = yield from _tenants_of(_FIND_CUSTOMERS, {write.customer_id for write in writes})
    gateways = yield from _tenants_of(_FIND_GATEWAYS, {write.gateway_id for write in writes})
    hardware = yield from taken_hardware(writes)
    outcomes = []
    for write in writes:
        name = (write.tenant_id, write.name)
        digest = write.credentials.digest
        if tenants.get(write.profile_id) != write.tenant_id:
            outcome = Outcome.PROFILE_GONE
        elif write.customer_id is not None and customers.get(write.customer_id) != write.tenant_id:
            outcome = Outcome.CUSTOMER_GONE
        elif write.gateway_id is not None and gateways.get(write.gateway_id) != write.tenant_id:
            outcome = Outcome.DEVICE_GONE
        elif name in names:
            outcome = Outcome.NAME_TAKEN
        elif digest in digests:
            outcome = Outcome.CREDENTIALS_IN_USE
        elif write.max_devices is not None and devices[write.profile_id] >= write.max_devices:
            outcome = Outcome.DEVICE_LIMIT
        elif write.member is not None and (write.profile_id, write.member.hardware_id) in hardware:
            outcome = Outcome.STALE
        else:
            outcome = Outcome.DONE
            names.add(name)
            digests.add(digest)
            if write.member is not None and write.member.hardware_id is not None:
                hardware.add((write.profile_id, write.member.hardware_id))
            devices[write.profile_id] += 1
        outcomes.append(outcome)
    return outcomes


def _tenants_of(find: ManySql, ids: Iterable[int | None]) -> Algorithm[dict[int, int]]:
    """Return whose those are that exist."""
    found = yield Many(find, [(id_,) for id_ in ids if id_ is not None])
    return {row[0]: row[1] for row in found}


def _insert(writes: Sequence[CreateDevice]) -> Algorithm[list[int]]:
    rows = [
        (
            write.public_id.bytes, write.tenant_id, write.profile_id, write.name, write.label,
            optional_json(write.additional_info), write.customer_id, write.gateway_id,
            optional_json(write.details), int(write.enabled), write.hardware_id,
            write.created_at_ms, write.provisioned_at_ms, write.request_digest,
        )
        for write in writes
    ]  # fmt: skip
    # The order in which a database returns the new rows is its own affair.
    id_of = {public_id: id_ for id_, public_id in (yield Many(_INSERT_DEVICES, rows))}
    ids = [id_of[row[0]] for row in rows]
    credentials = []
    attributes = []
    for id_, write in zip(ids, writes, strict=True):
        own = write.credentials
        credentials.append((id_, own.type, own.digest, own.sealed))
        for each in last_of_each(write.attributes):
            attributes.append((id_, int(each.scope), each.key, to_json(each.value), write.created_at_ms))
    windows = [
        (id_, write.created_at_ms, write.claim_window)
        for id_, write in zip(ids, writes, strict=True)
        if write.claim_window is not None
    ]
    yield Many(_INSERT_CREDENTIALS, credentials)
    yield Many(_INSERT_ATTRIBUTES, attributes)
    yield from open_for_administrator(windows)
    yield Many(_COUNT, list(Counter(write.profile_id for write in writes).items()))
    return ids
