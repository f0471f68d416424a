"""Bodies that make and change devices, checked (contract 3, 4.3, 4.4, 12.1)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstboot.credentials import refuse_control_characters
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.names import clean_name
from firstboot_plugins.dialects.thinger.body_fields import BodyFields, checked_id
from firstboot_plugins.dialects.thinger.errors import ThingerError

MIN_CREDENTIALS_LENGTH = 6
ASSETS = ("asset_type", "asset_group", "product")
_OLD_NAMES = {
    "device_id": "device",
    "device_description": "description",
    "device_credentials": "credentials",
}


class DeviceType(enum.StrEnum):
    """How a device talks."""

    GENERIC = "Generic"
    MQTT = "MQTT"
    HTTP = "HTTP"
    VIRTUAL = "Virtual"

    @property
    def connects(self) -> bool:
        """Whether such a device logs in with credentials of its own; the others are spoken for."""
        return self in (DeviceType.GENERIC, DeviceType.MQTT)


class OnConflict(enum.StrEnum):
    """What becomes of a device that has other credentials than the offered ones."""

    FAIL = "fail"
    REPLACE = "replace"


TYPES = {type_.value: type_ for type_ in DeviceType}
_CONFLICTS = frozenset(OnConflict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDevice:
    """A device that is to be made."""

    id: str
    type: DeviceType = DeviceType.GENERIC
    credentials: str | None = field(default=None, repr=False)
    """None for a type that does not connect."""
    name: str | None = None
    description: str = ""
    asset_type: str = ""
    asset_group: str = ""
    product: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceChange:
    """What is to be changed of a device; None leaves it as it is, and the empty text takes it away."""

    credentials: str | None = field(default=None, repr=False)
    name: str | None = None
    description: str | None = None
    asset_type: str | None = None
    asset_group: str | None = None
    product: str | None = None
    enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsuredDevice:
    """A device that is to be there afterwards, with these credentials."""

    device: NewDevice
    on_conflict: OnConflict = OnConflict.FAIL
    check: bool = False
    """Whether only to say whether it is there; then the credentials may be left out."""
    atomic: bool = False
    """Whether all that belongs to it is made together with it, or nothing."""
    companions: Mapping[str, Any] = field(default_factory=dict)
    """``buckets`` and ``dashboards`` as they were sent."""

    @property
    def template(self) -> dict[str, Any]:
        """What `companions.plan` reads."""
        new = self.device
        return {"device": new.id, "type": str(new.type), "name": new.name or new.id, **self.companions}


def new_device(body: object) -> NewDevice:
    """Read the body of a creation.

    Raises: `ThingerError` (400).
    """
    fields = BodyFields(body, _OLD_NAMES)
    device = _new_device(fields, fields.id("device"))
    fields.end()
    return device


def ensured_device(body: object, device_id: str) -> EnsuredDevice:
    """Read the body of an ``ensure``.

    Raises: `ThingerError` (400).
    """
    fields = BodyFields(body, _OLD_NAMES)
    _same_id(fields, device_id)
    on_conflict = fields.text("on_conflict")
    if on_conflict is not None and on_conflict not in _CONFLICTS:
        raise ThingerError(400, "invalid field: on_conflict")
    companions = {name: sent for name in ("buckets", "dashboards") if (sent := fields.take(name)) is not None}
    atomic, check = fields.flag("atomic") or False, fields.flag("check") or False
    device = _new_device(fields, checked_id(device_id, "device"), needs_credentials=not check)
    fields.end()
    return EnsuredDevice(
        device=device,
        on_conflict=OnConflict(on_conflict or OnConflict.FAIL),
        check=check,
        atomic=atomic,
        companions=companions,
    )


def device_change(body: object, device_id: str) -> DeviceChange:
    """Read the body of an update.

    Raises: `ThingerError` (400).
    """
    fields = BodyFields(body, _OLD_NAMES)
    _same_id(fields, device_id)
    fields.take("type")  # sent with a "full update", and never changed
    change = DeviceChange(
        credentials=_credentials(fields, 1),
        name=_name(fields),
        description=fields.text("description"),
        asset_type=fields.id("asset_type", empty=True),
        asset_group=fields.id("asset_group", empty=True),
        product=fields.id("product", empty=True),
        enabled=fields.flag("enabled"),
    )
    fields.end()
    return change


def _new_device(fields: BodyFields, device_id: str | None, *, needs_credentials: bool = True) -> NewDevice:
    if device_id is None:
        raise ThingerError(400, "missing field: device")
    type_ = fields.text("type")
    kind = DeviceType.GENERIC if type_ is None else TYPES.get(type_)
    if kind is None:
        raise ThingerError(400, "invalid field: type")
    credentials = None
    if not kind.connects:
        fields.take("credentials")
    else:
        credentials = _credentials(fields, MIN_CREDENTIALS_LENGTH)
        if credentials is None and needs_credentials:
            raise ThingerError(400, "missing field: credentials")
    enabled = fields.flag("enabled")
    return NewDevice(
        id=device_id,
        type=kind,
        credentials=credentials,
        name=_name(fields),
        description=fields.text("description") or "",
        asset_type=fields.id("asset_type", empty=True) or "",
        asset_group=fields.id("asset_group", empty=True) or "",
        product=fields.id("product", empty=True) or "",
        enabled=True if enabled is None else enabled,
    )


def _credentials(fields: BodyFields, least: int) -> str | None:
    credentials = fields.text("credentials", least=least)
    try:
        refuse_control_characters(credentials)
    except ProvisioningRefused as error:
        raise ThingerError(400, "invalid field: credentials") from error
    return credentials


def _name(fields: BodyFields) -> str | None:
    name = fields.text("name")
    if not name or name.isspace():
        return None if name is None else ""
    try:
        return clean_name(name)
    except InvalidValue as error:
        raise ThingerError(400, "invalid field: name") from error


def _same_id(fields: BodyFields, device_id: str) -> None:
    sent = fields.take("device")
    if sent is not None and sent != device_id:
        raise ThingerError(400, "the body names another device than the path")
