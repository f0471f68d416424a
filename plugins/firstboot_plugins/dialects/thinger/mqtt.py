"""thinger.io over MQTT: devices, devices that are made as they connect, and provisioning sessions (6.1, 12.2)."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from functools import partial

from firstboot.app import Services
from firstboot.errors import ProvisioningRefused
from firstboot.logins import Match
from firstboot.model import DIALECT, Origin, Tenant
from firstboot.secret import Secret, random_text
from firstboot.sessions import device_owner
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.dialects.thinger.account_profile import NAME
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.body_fields import is_id
from firstboot_plugins.dialects.thinger.credentials import login_id, opened_by
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.provision_session import ProvisionSession
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.dialects.thinger.token_secrets import looks_like_a_token
from firstboot_plugins.dialects.thinger.topic_rights import AccountRights
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Login, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.packets import Connect, Publish, Reason

_LOOKED_UP_EVERY_S = 1.0
"""How often names that no account has are looked for: other dialects' devices log in with such user names."""


class ThingerMqtt:
    """The dialect as the MQTT transport sees it."""

    name = NAME

    def __init__(self, services: Services) -> None:
        self._services = services
        self._thinger = Thinger.of(services)
        self._accounts_read_at = float("-inf")

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Take none: who may provision has a key, which has to be looked at first."""
        return None

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        """Take what has the name of an account as user name; see contract 12.2 for the order of things."""
        client_id, username = connect.client_id, connect.username
        if not client_id or not username or not connect.password:
            return None
        origin = replace(origin, dialect=self.name)
        password = connect.password.decode("utf-8", "surrogateescape")
        account = await self._account(username)
        if account is None:
            return None
        match = await self._find(account, client_id)
        if match is not None and (login := await self._device(match, username, password)) is not None:
            return login
        await self._thinger.ready()
        if (asker := await self._asker(account, password, origin)) is not None:
            return self._provisioning(asker)
        if match is not None and not self._is_ours(match):
            return None  # a device of this name that speaks another dialect
        try:
            if match is None and await self._make(account, client_id, password, origin):
                match = await self._find(account, client_id)
                if match is not None and (login := await self._device(match, username, password)) is not None:
                    return login
        except ThingerError as error:
            raise ConnectRefused(3, Reason.CONNECTION_RATE_EXCEEDED, error.retry_after_s or 0) from error
        except ProvisioningRefused as refusal:  # it is reported
            raise ConnectRefused(4, Reason.BAD_USER_NAME_OR_PASSWORD, refusal.delay_s) from refusal
        raise await self._refusal(account, client_id, password)

    # -- devices -----------------------------------------------------------------------------------

    async def _find(self, account: Tenant, client_id: str) -> Match | None:
        """Return the device of the account that has this login: one of ours, else one that others have made."""
        if not is_id(client_id):  # which keeps wildcards and levels out of topics that begin with it, too
            return None
        ours, theirs = login_id(account.id, client_id), mqtt_basic_id(client_id, account.name)
        found = await self._services.logins.find(ours, theirs)
        match = found.get(ours) or found.get(theirs)
        return match if match is not None and match.found.tenant_id == account.id else None

    def _is_ours(self, match: Match) -> bool:
        # A device may bring credentials of this form in other dialects, too, and gets no account with them.
        profile = self._services.logins.profile_of(match)
        return profile is not None and profile.details.get(DIALECT) == NAME

    async def _device(self, match: Match, username: str, password: str) -> Login | None:
        device = match.found.device
        if not self._is_ours(match) or not opened_by(match.credentials, username, device.name, password):
            return None
        await self._services.logins.record(match)
        only_below = None if self._thinger.config.shared_topics else device.name
        await self._thinger.ready()
        return Login(
            dialect=self.name,
            owner=device_owner(device.id),
            name=device.name,
            topics=lambda send: _BrokerOnly(),
            rights=AccountRights(device.tenant_id, only_below),
            device=device,
            collect=partial(self._thinger.bucket_topics.collect, device.tenant_id),
        )

    async def _make(self, account: Tenant, client_id: str, password: str, origin: Origin) -> bool:
        if self._thinger.autoprovision.matching(account, client_id) is None:
            return False
        if await self._thinger.devices.find(account, client_id) is not None:
            return False  # it is there, with another password
        return await self._thinger.autoprovision.make(account, client_id, password, origin)

    async def _refusal(self, account: Tenant, client_id: str, password: str) -> ConnectRefused:
        device = await self._thinger.devices.find(account, client_id)
        if device is not None and not device.enabled:
            credentials = await self._services.devices.credentials(device)
            if opened_by(credentials, account.name, client_id, password):
                return ConnectRefused(5, Reason.NOT_AUTHORIZED)
        reason = "no device of the account, rule or token matches the CONNECT"
        return ConnectRefused(4, Reason.BAD_USER_NAME_OR_PASSWORD, reason=reason)

    # -- provisioning sessions ---------------------------------------------------------------------

    async def _account(self, name: str) -> Tenant | None:
        accounts, now = self._thinger.accounts, self._services.clock.monotonic()
        if accounts.is_known(name) or now - self._accounts_read_at >= _LOOKED_UP_EVERY_S:
            found = await accounts.find(name)
            if found is None:
                self._accounts_read_at = now
            return found
        return None

    async def _asker(self, account: Tenant, password: str, origin: Origin) -> Asker | None:
        """Return whose token the password is, if it is good for provisioning in this account."""
        if not looks_like_a_token(password):
            return None
        asker = await self._thinger.identifying.find(Secret(password), origin)
        if asker is None:
            with contextlib.suppress(ThingerError):  # it is refused anyway
                self._thinger.limits.failed_token(origin.address)
            return None
        rights = asker.rights
        may_provision = rights.may_some("Device", "CreateDevice", "UpdateDevice") or rights.may_some(
            "Pool", "ClaimDevice"
        )
        is_token = asker.owner.kind == "api-token"
        return asker if is_token and may_provision and asker.account.id == account.id else None

    def _provisioning(self, asker: Asker) -> Login:
        slot = f"provisioning {random_text(18)}"
        return Login(
            dialect=self.name,
            owner=asker.owner,
            name=asker.actor,
            topics=lambda send: ProvisionSession(self._thinger, asker, slot, send),
            slot=slot,
            is_fleeting=True,
        )


class _BrokerOnly:
    """A device has no topics but those of its account."""

    def owns(self, topic: str) -> bool:
        return False

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        return None

    def unsubscribe(self, topic_filter: str) -> bool:
        return False

    async def publish(self, message: Publish) -> Reply:
        return Reply(Reason.TOPIC_NAME_INVALID)

    def close(self) -> None:
        pass
