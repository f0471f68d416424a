"""``/thingstream/v1/plans/{plan}/keys``: with what corrections are to be encrypted (contract section 6.1)."""

from __future__ import annotations

from firstboot_plugins.admin.operation import Call, operation, tenant_admins
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Told
from firstboot_plugins.dialects.thingstream.dynamic_keys import DURATION_MS, DynamicKey, dynamic_keys


class KeyTold(Told):
    """A key and its time."""

    start: int
    """Moment (ms, UTC)."""
    duration: int
    """Milliseconds."""
    value: str
    """32 hex digits."""


class KeysTold(Told):
    """The key that is good now, and the one that follows it."""

    current: KeyTold
    next: KeyTold


@operation(
    "GET",
    "/thingstream/v1/plans/{plan}/keys",
    dialect=FIRSTBOOT,
    tag="Thingstream",
    access=tenant_admins("profiles:write"),
    answers=KeysTold,
)
async def show_keys(call: Call) -> KeysTold:
    """Show the keys that Things of a plan are told, to whoever publishes its corrections."""
    services = call.services
    keys = dynamic_keys(services.core.keyring, call.tenant_id, call.path["plan"], services.clock.now_ms())
    current, following = map(_told, keys)
    return KeysTold(current=current, next=following)


OPERATIONS = (show_keys,)


def _told(key: DynamicKey) -> KeyTold:
    return KeyTold(start=key.start_ms, duration=DURATION_MS, value=key.value)
