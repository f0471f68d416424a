"""What the calls about attributes and telemetry have in common (contract 5.6)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from firstboot.attribute_values import MAX_KEY_LENGTH
from firstboot.errors import InvalidValue, NotFound
from firstboot.key_limit import MAX_KEYS
from firstboot.model import Device, Scope
from firstboot_plugins.admin.operation import Call
from firstboot_plugins.admin.thingsboard.device_access import device_of
from firstboot_plugins.admin.thingsboard.shapes import Shape

TAG = "Attributes and telemetry"
DATA = "/api/plugins/telemetry"
DEVICE_DATA = f"{DATA}/DEVICE/{{deviceId:uuid}}"

_Key = Annotated[str, Field(max_length=MAX_KEY_LENGTH)]
_SCOPES = {"SERVER_SCOPE": Scope.SERVER, "SHARED_SCOPE": Scope.SHARED, "CLIENT_SCOPE": Scope.CLIENT}


class KeysParameters(Shape):
    """Query of a call about some keys."""

    keys: Annotated[str, Field(max_length=65_536)] | None = None
    """Names, with commas between them."""
    key: Annotated[list[_Key], Field(max_length=MAX_KEYS, default_factory=list)]
    """A name, which may have a comma in it; to be given once for each."""

    def names(self) -> tuple[str, ...]:
        """Return all names that are asked for, each once."""
        split = (name.strip() for name in (self.keys or "").split(","))
        return tuple(dict.fromkeys(name for name in (*split, *self.key) if name.strip()))


async def device_with_data(call: Call) -> Device:
    """Return the device of the path.

    Raises: `NotFound`, `Failure` (403).
    """
    try:
        return await device_of(call, call.path["deviceId"])
    except NotFound:
        raise NotFound("Device with requested id wasn't found!") from None


def scope_of(call: Call) -> Scope:
    """Return the scope of the path.

    Raises: `InvalidValue`.
    """
    name = call.path["scope"]
    if name not in _SCOPES:
        is_word = name.isidentifier() and len(name) <= 64  # anything else is not repeated
        raise InvalidValue(f"Invalid scope: {name}" if is_word else "Invalid scope")
    return _SCOPES[name]
