"""The hardware codes for which a profile is, each a resource: a list has no bound, and asking is one look-up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile, Resource, ResourceDraft
from firstboot.pools import check_hardware_id
from firstboot.resources import new_resource
from firstboot.storage import CreateResource, DeleteResource, Outcome, Storage, Write

if TYPE_CHECKING:
    from firstboot.core import Core

KIND = "thingstream-hardware-code"


async def is_listed(storage: Storage, profile: DeviceProfile, code: str) -> bool:
    """Say whether a hardware code is on the profile's list."""
    return await storage.find_resource(profile.tenant_id, KIND, _name(profile, code)) is not None


async def listed(storage: Storage, profile: DeviceProfile) -> list[str]:
    """Return the hardware codes of a profile, in the order of the alphabet."""
    return sorted(_code(resource) for resource in await _resources(storage, profile))


async def replace_list(core: Core, profile: DeviceProfile, codes: Iterable[str]) -> None:
    """Make these the hardware codes of a profile.

    Raises: `InvalidValue` before anything has changed, `Unavailable`.
    """
    wanted = {check_hardware_id(code) for code in codes}
    existing = {_code(resource): resource for resource in await _resources(core.storage, profile)}
    now_ms = core.clock.now_ms()
    writes: list[Write] = []
    for code in sorted(wanted - existing.keys()):
        draft = ResourceDraft(kind=KIND, name=_name(profile, code), document={})
        resource = new_resource(profile.tenant_id, draft, now_ms)
        writes.append(CreateResource(resource=resource, keep_existing=True))
    writes += [
        DeleteResource(resource_id=existing[code].id, at_ms=now_ms) for code in sorted(existing.keys() - wanted)
    ]
    for result in await core.commits.submit_all(writes):
        if isinstance(result, BaseException):
            raise result
        if result.outcome not in (Outcome.DONE, Outcome.GONE):
            raise InvalidValue(f"The database does not take the hardware codes ({result.outcome.value}).")


async def _resources(storage: Storage, profile: DeviceProfile) -> Sequence[Resource]:
    prefix = _name(profile, "")
    of_tenant = await storage.list_resources(KIND, tenant_id=profile.tenant_id)
    return [resource for resource in of_tenant if resource.name.startswith(prefix)]


def _name(profile: DeviceProfile, code: str) -> str:
    return f"{profile.public_id}:{code}"


def _code(resource: Resource) -> str:
    return resource.name.partition(":")[2]
