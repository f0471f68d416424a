"""``/thingstream/v1/things``: Things, for administrators of the tenant (contract section 8)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from firstboot.model import Device, DeviceProfile
from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.cursors import MAX_CURSOR_LENGTH, make_cursor, read_cursor
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Asked, Sent, Told
from firstboot_plugins.dialects.thingstream.services import Thingstream
from firstboot_plugins.dialects.thingstream.thing_record import ThingRecord, last_seen_ms, record_of
from firstboot_plugins.dialects.thingstream.things import state_of

TAG = "Thingstream"
_ALL = "/thingstream/v1/things"
_ONE = f"{_ALL}/{{thing}}"
_LIST = "things"
_MAX_LOOKED_AT = 5000
"""Devices that one request looks at; a list with filters that fit few goes on with the next request."""
_READ, _WRITE = tenant_admins("devices:read"), tenant_admins("devices:write")


class ThingTold(Told):
    """A Thing."""

    id: str
    """``device:`` and its UUID: its MQTT client id."""
    name: str
    hardware_id: str | None
    profile: str
    plan: str | None
    tags: Sequence[str]
    state: Literal["allocated", "active", "deactivated"]
    created: int
    activated: int | None
    last_seen: int | None
    """Now for one that is connected; else when it last reported something, or first logged in."""
    supersedes: str | None
    superseded_by: str | None


class ThingList(Told):
    """Some Things. It may be shorter than asked for, or empty, and still go on."""

    things: Sequence[ThingTold]
    cursor: str | None
    """Ask again with it for what follows; null: nothing follows."""


class ThingFilter(Asked):
    """Which Things to list."""

    profile: Annotated[str, Field(max_length=255)] | None = None
    state: Literal["allocated", "active", "deactivated"] | None = None
    hardware_id: Annotated[str, Field(max_length=64)] | None = None
    tag: Annotated[str, Field(max_length=64)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 100
    cursor: Annotated[str, Field(max_length=MAX_CURSOR_LENGTH)] | None = None


class OfProfile(Sent):
    """Whose Things."""

    profile: Annotated[str, Field(min_length=1, max_length=255)]


class Count(Told):
    """How many Things have changed."""

    count: int


@operation("GET", _ALL, dialect=FIRSTBOOT, tag=TAG, access=_READ, query=ThingFilter, answers=ThingList)
async def list_things(call: Call) -> ThingList:
    """List Things in the order in which they were made."""
    asked: ThingFilter = call.query
    keyring = call.services.core.keyring
    thingstream = Thingstream.of(call.services)
    of_tenant = await thingstream.profiles.all(call.tenant_id, deleted=True)
    profiles = {profile.id: profile for profile, _ in of_tenant}
    if asked.profile is not None:
        chosen, _ = await thingstream.profiles.get(call.tenant_id, asked.profile)
        profiles = {chosen.id: chosen}
    after_id = 0 if asked.cursor is None else read_cursor(keyring, _LIST, asked.cursor)
    found: list[ThingTold] = []
    looked_at = 0
    async for device in _candidates(call, asked, profiles, after_id):
        if len(found) == asked.limit or looked_at == _MAX_LOOKED_AT:
            return ThingList(things=found, cursor=make_cursor(keyring, _LIST, after_id))
        looked_at, after_id = looked_at + 1, device.id
        profile = profiles.get(device.profile_id)
        if profile is not None and asked.state in (None, state_of(device).value):
            record = record_of(device, profile.name)
            if asked.tag is None or asked.tag in record.tags:
                found.append(await _told(call, device, record))
    return ThingList(things=found, cursor=None)


async def _candidates(
    call: Call, asked: ThingFilter, profiles: Mapping[int, DeviceProfile], after_id: int
) -> AsyncIterator[Device]:
    """Go through the devices that may fit, in the order in which they were made."""
    if asked.hardware_id is not None:
        same = await call.services.storage.devices_of_hardware(call.tenant_id, asked.hardware_id)
        for device in sorted(same, key=lambda device: device.id):
            if device.id > after_id:
                yield device
        return
    only = next(iter(profiles.values())) if asked.profile is not None else None
    async for device in Thingstream.of(call.services).things.all(call.tenant_id, only, after_id=after_id):
        yield device


@operation("GET", _ONE, dialect=FIRSTBOOT, tag=TAG, access=_READ, answers=ThingTold)
async def show_thing(call: Call) -> ThingTold:
    """Show a Thing."""
    return await _shown(call, await _in_path(call))


@operation("POST", f"{_ONE}/activate", dialect=FIRSTBOOT, tag=TAG, access=_WRITE, answers=ThingTold)
async def activate_thing(call: Call) -> ThingTold:
    """Let a Thing log in, with the credentials that it has."""
    things = Thingstream.of(call.services).things
    return await _shown(call, await things.activate(await _in_path(call), actor=call.actor))


@operation("POST", f"{_ONE}/deactivate", dialect=FIRSTBOOT, tag=TAG, access=_WRITE, answers=ThingTold)
async def deactivate_thing(call: Call) -> ThingTold:
    """Let a Thing log in no more, and end its session."""
    things = Thingstream.of(call.services).things
    return await _shown(call, await things.deactivate(await _in_path(call), actor=call.actor))


@operation("POST", f"{_ONE}/compromised", dialect=FIRSTBOOT, tag=TAG, access=_WRITE, answers=ThingTold)
async def mark_compromised(call: Call) -> ThingTold:
    """Have a receiver of AssistNow told another chipcode when it asks again."""
    things = Thingstream.of(call.services).things
    return await _shown(call, await things.compromised(await _in_path(call), actor=call.actor))


@operation("DELETE", _ONE, dialect=FIRSTBOOT, tag=TAG, access=_WRITE, status=204)
async def delete_thing(call: Call) -> None:
    """Delete a Thing; its session ends."""
    await Thingstream.of(call.services).things.delete(await _in_path(call), actor=call.actor)


@operation("POST", f"{_ALL}/activate", dialect=FIRSTBOOT, tag=TAG, access=_WRITE, body=OfProfile, answers=Count)
async def activate_all(call: Call) -> Count:
    """Activate all Things of a profile that are allocated."""
    thingstream = Thingstream.of(call.services)
    profile, _ = await thingstream.profiles.get(call.tenant_id, call.body.profile)
    return Count(count=await thingstream.things.activate_all(profile, actor=call.actor))


@operation(
    "POST",
    f"{_ALL}/deactivate-superseded",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=_WRITE,
    body=OfProfile,
    answers=Count,
)
async def deactivate_superseded(call: Call) -> Count:
    """Deactivate all Things of a profile in whose place others are."""
    thingstream = Thingstream.of(call.services)
    profile, _ = await thingstream.profiles.get(call.tenant_id, call.body.profile)
    return Count(count=await thingstream.things.deactivate_superseded(profile, actor=call.actor))


OPERATIONS = (
    list_things, show_thing, activate_thing, deactivate_thing, mark_compromised, delete_thing, activate_all,
    deactivate_superseded,
)  # fmt: skip


async def _in_path(call: Call) -> Device:
    return await Thingstream.of(call.services).things.get(call.tenant_id, call.path["thing"])


async def _shown(call: Call, device: Device) -> ThingTold:
    profile = await call.services.profiles.all(call.tenant_id)
    name = next((each.name for each in profile if each.id == device.profile_id), "")
    return await _told(call, device, record_of(device, name))


async def _told(call: Call, device: Device, record: ThingRecord) -> ThingTold:
    return ThingTold(
        id=record.id,
        name=record.name,
        hardware_id=record.hardware_id,
        profile=record.profile,
        plan=record.plan,
        tags=record.tags,
        state=record.state.value,
        created=record.created_ms,
        activated=record.activated_ms,
        last_seen=await last_seen_ms(call.services, device),
        supersedes=record.supersedes,
        superseded_by=record.superseded_by,
    )
