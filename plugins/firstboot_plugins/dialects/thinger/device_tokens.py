"""Device tokens: they open resources of one device, and never make one (contract 2.8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from firstboot.model import Device, Tenant
from firstboot.randomness import random_bytes
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.known_token import DEVICE, DEVICE_ID, KnownToken
from firstboot_plugins.dialects.thinger.token_directory import TokenDirectory
from firstboot_plugins.dialects.thinger.tokens import AccessTokens

ID_SIZE_BYTES = 12
MAX_RESOURCES = 100
_MAX_MOMENT_MS = 253_402_300_799_999  # the year 9999


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDeviceToken:
    """A device token that is to be made."""

    name: str
    resources: tuple[str, ...] | None = None
    """None: all of the device's."""
    expires_at_ms: int | None = None


def read_device_token(body: object) -> NewDeviceToken:
    """Read a body.

    Raises: `ThingerError`.
    """
    fields = BodyFields(body)
    name = fields.text("token_name", least=1)
    if name is None:
        raise ThingerError(400, "missing field: token_name")
    resources = fields.take("token_resources")
    expires_at_ms = fields.take("token_expiration")
    fields.end()
    if resources is not None and not _are_resources(resources):
        raise ThingerError(400, "invalid field: token_resources")
    if expires_at_ms is not None and (type(expires_at_ms) is not int or not 0 < expires_at_ms <= _MAX_MOMENT_MS):
        raise ThingerError(400, "invalid field: token_expiration")
    return NewDeviceToken(
        name=name, resources=None if resources is None else tuple(resources), expires_at_ms=expires_at_ms
    )


class DeviceTokens:
    """Makes, lists and deletes the tokens of devices. Those of a device end with it."""

    def __init__(self, tokens: AccessTokens, directory: TokenDirectory) -> None:
        self._tokens = tokens
        self._directory = directory

    async def create(
        self, account: Tenant, device: Device, wanted: NewDeviceToken, now_ms: int, *, actor: str
    ) -> KnownToken:
        """Make a token.

        Raises: `InvalidValue`, `Unavailable`.
        """
        use: Any = "AccessDeviceResources"
        if wanted.resources is not None:
            use = {use: list(wanted.resources)}
        made = await self._tokens.add(
            account,
            random_bytes(ID_SIZE_BYTES).hex(),
            {
                DEVICE: device.name,
                DEVICE_ID: device.public_id.hex,
                "name": wanted.name,
                "iat": now_ms // 1000,
                "resources": None if wanted.resources is None else list(wanted.resources),
                "allow": {"Device": {device.name: [use, "ListDeviceResources"]}},
            },
            expires_at_ms=wanted.expires_at_ms,
            actor=actor,
        )
        await self._directory.take(made.token)
        return made

    def of_device(self, device: Device) -> Sequence[KnownToken]:
        """Return the tokens of a device, but not those of an earlier one with its name."""
        return [
            known
            for known in self._directory.of_account(device.tenant_id)
            if known.details.get(DEVICE_ID) == device.public_id.hex
        ]

    async def delete(self, device: Device, token_id: str, *, actor: str) -> None:
        """Delete a token.

        Raises: `ThingerError` (404), `NotFound`, `Unavailable`.
        """
        for known in self.of_device(device):
            if known.token.name == token_id:
                await self._tokens.delete(known, actor=actor)
                self._directory.drop(known.token.id)
                return
        raise not_found()

    async def delete_all(self, device: Device, *, actor: str) -> None:
        """Delete every token of a device that is deleted.

        Raises: `NotFound`, `Unavailable`.
        """
        for known in self.of_device(device):
            await self._tokens.delete(known, actor=actor)
            self._directory.drop(known.token.id)


def device_token_told(known: KnownToken) -> dict[str, Any]:
    """Return a token as lists show it, without what opens anything."""
    told: dict[str, Any] = {"id": known.token.name, "name": known.details["name"]}
    if known.details.get("resources") is not None:
        told["resources"] = known.details["resources"]
    if known.token.expires_at_ms is not None:
        told["expiration"] = known.token.expires_at_ms
    return told


def _are_resources(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= MAX_RESOURCES
        and all(isinstance(each, str) and 0 < len(each) <= 255 for each in value)
    )
