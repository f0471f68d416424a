"""Bodies that make and change devices, checked (contract 3, 4.3, 4.4, 12.1)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from firstboot.credentials import refuse_control_characters
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.names import clean_name
from firstboot_plugins.dialects.thinger.body_fields import (
    Reader,
    anything,
    checked_flag,
    checked_id,
    checked_text,
    id_or_empty,
    invalid,
    read_members,
    table_of,
)
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
    sent = read_members(body, _CREATION)
    if "device" not in sent:
        raise ThingerError(400, "missing field: device")
    return _new_device(sent, sent["device"])


def ensured_device(body: object, device_id: str) -> EnsuredDevice:
    """Read the body of an ``ensure``.

    Raises: `ThingerError` (400).
    """
    sent = read_members(body, _ENSURED)
    _check_same(sent, device_id)
    check = sent.get("check", False)
    return EnsuredDevice(
        device=_new_device(sent, checked_id(device_id, "device"), needs_credentials=not check),
        on_conflict=sent.get("on_conflict", OnConflict.FAIL),
        check=check,
        atomic=sent.get("atomic", False),
        companions={name: sent[name] for name in ("buckets", "dashboards") if sent.get(name) is not None},
    )


def device_change(body: object, device_id: str) -> DeviceChange:
    """Read the body of an update.

    Raises: `ThingerError` (400).
    """
    sent = read_members(body, _CHANGE)
    _check_same(sent, device_id)
    return DeviceChange(**{name: value for name, value in sent.items() if name not in _NEVER_CHANGED})


def _new_device(sent: Mapping[str, Any], device_id: str, *, needs_credentials: bool = True) -> NewDevice:
    kind, credentials = sent.get("type", DeviceType.GENERIC), None
    if kind.connects:
        if "credentials" in sent:
            credentials = _credentials(sent["credentials"], "credentials", MIN_CREDENTIALS_LENGTH)
        elif needs_credentials:
            raise ThingerError(400, "missing field: credentials")
    return NewDevice(
        id=device_id,
        type=kind,
        credentials=credentials,
        name=sent.get("name"),
        description=sent.get("description", ""),
        asset_type=sent.get("asset_type", ""),
        asset_group=sent.get("asset_group", ""),
        product=sent.get("product", ""),
        enabled=sent.get("enabled", True),
    )


def _check_same(sent: Mapping[str, Any], device_id: str) -> None:
    if sent.get("device", device_id) not in (None, device_id):
        raise ThingerError(400, "the body names another device than the path")


def _type(value: Any, name: str) -> DeviceType:
    found = TYPES.get(value) if isinstance(value, str) else None
    if found is None:
        raise invalid(name)
    return found


def _on_conflict(value: Any, name: str) -> OnConflict:
    try:
        return OnConflict(value)
    except ValueError:
        raise invalid(name) from None


def _credentials(value: Any, name: str, least: int = 1) -> str:
    credentials = checked_text(value, name, least=least)
    try:
        refuse_control_characters(credentials)
    except ProvisioningRefused as error:
        raise invalid(name) from error
    return credentials


def _name(value: Any, name: str) -> str:
    text = checked_text(value, name)
    if not text or text.isspace():
        return ""
    try:
        return clean_name(text)
    except InvalidValue as error:
        raise invalid(name) from error


_ANY_CHANGE: Mapping[str, Reader] = {
    "name": _name,
    "description": checked_text,
    "asset_type": id_or_empty,
    "asset_group": id_or_empty,
    "product": id_or_empty,
    "enabled": checked_flag,
}
_NEVER_CHANGED = ("device", "type")
_CHANGE = table_of(
    # What never changes is sent with a "full update".
    {**_ANY_CHANGE, "credentials": _credentials, **dict.fromkeys(_NEVER_CHANGED, anything)},
    _OLD_NAMES,
)
_OF_NEW: Mapping[str, Reader] = {
    **_ANY_CHANGE,
    "type": _type,
    "credentials": anything,  # for types that do not connect; the others are checked
}
_CREATION = table_of({**_OF_NEW, "device": checked_id}, _OLD_NAMES)
_ENSURED = table_of(
    {
        **_OF_NEW,
        "on_conflict": _on_conflict,
        "check": checked_flag,
        "atomic": checked_flag,
        **dict.fromkeys(("device", "buckets", "dashboards"), anything),
    },
    _OLD_NAMES,
)
