"""From what a request brings to who asks (contract 2.1)."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.model import Origin
from firstboot.secret import Secret
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.errors import ThingerError, unauthorized
from firstboot_plugins.dialects.thinger.known_token import DEVICE, DEVICE_ID, KnownToken
from firstboot_plugins.dialects.thinger.limits import Limits
from firstboot_plugins.dialects.thinger.person_logins import PersonLogins
from firstboot_plugins.dialects.thinger.token_directory import TokenDirectory


class Identifying:
    """Knows tokens of accounts and logins of people. Who has a good one never meets the count of failures."""

    def __init__(
        self, services: Services, directory: TokenDirectory, logins: PersonLogins, limits: Limits
    ) -> None:
        self._services = services
        self._directory = directory
        self._logins = logins
        self._limits = limits

    async def identify(
        self, bearer: Secret | None, account: str | None, origin: Origin, *, provisioning: bool = False
    ) -> Asker:
        """Return who asks about an account (None: about no certain one), and count the request.

        Raises: `ThingerError` (401, 403 for somebody of another account, 429); `Unavailable`.
        """
        asker = await self.find(bearer, origin) if bearer is not None else None
        if asker is None:
            self._limits.failed_token(origin.address)
            self._services.logins.refused(origin, "unknown-api-token", "no account has this access token")
            raise unauthorized()
        if account is not None and asker.account.name != account:
            raise ThingerError(403, "forbidden")
        self._limits.request(asker.key)
        if provisioning:
            self._limits.provisioning(asker.key, origin.address)
        return asker

    async def find(self, bearer: Secret, origin: Origin) -> Asker | None:
        """Return who a token or provisioning key belongs to, without counting anything.

        Raises: `Unavailable`.
        """
        known = self._directory.get(bearer)
        if known is None:
            person = await self._logins.find(bearer, origin)
            if person is not None or not self._limits.may_search(origin.address):
                return person
            known = await self._directory.search(bearer)
        if known is None or (DEVICE in known.details and not await self._has_its_device(known)):
            return None
        return Asker(
            account=known.account,
            rights=known.rights,
            origin=origin,
            key=known.key,
            actor=known.actor,
            owner=known.owner,
            until_ms=known.token.expires_at_ms,
        )

    async def _has_its_device(self, known: KnownToken) -> bool:
        """Say whether the device of a device token still is the one that it was made for."""
        device = await self._services.storage.find_device(known.account.id, known.details[DEVICE])
        return device is not None and device.public_id.hex == known.details[DEVICE_ID]
