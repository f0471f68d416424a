"""What a thinger.io device logs in with: account, device id and a credential (contract 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from firstboot.credentials import Holder, refuse_control_characters
from firstboot.errors import ProvisioningRefused
from firstboot.model import DIALECT, Credentials, WantedCredentials
from firstboot.mqtt_passwords import credentials_with_digest, is_password, parts_of
from firstboot.secret import random_text
from firstboot_plugins.credentials.mqtt_basic import PASSWORD_LENGTH, MqttBasic
from firstboot_plugins.dialects.thinger.account_profile import NAME

THINGER = "THINGER"
"""Type by which such credentials are asked for."""

_MQTT_BASIC = MqttBasic()


class ThingerCredentials:
    """Answers ``THINGER`` with ``MQTT_BASIC``: the device's own id as client id, its account as user name.

    Ask with the account as user name, and with the password that the device brings, if it brings one.
    """

    type = THINGER
    makes = "MQTT_BASIC"

    def issue_to(self, wanted: WantedCredentials, holder: Holder) -> Credentials:
        """Take the password that the device brought, or draw one: then nobody knows it who is not told."""
        if not wanted.username:
            raise ProvisioningRefused(
                "thinger.io's credentials need the name of the account.", code="bad-credentials-request"
            )
        if holder.profile.details.get(DIALECT) != NAME:
            raise ProvisioningRefused(
                "Credentials of this type are for devices of accounts.", code="bad-credentials-request"
            )
        password = wanted.password or random_text(PASSWORD_LENGTH)
        return account_login(holder.profile.tenant_id, wanted.username, holder.name, password)

    def issue(self, wanted: WantedCredentials) -> NoReturn:
        """See `firstboot.credentials.NamedCredentialGenerator`."""
        raise ProvisioningRefused(
            "thinger.io's credentials are made for one device.", code="bad-credentials-request"
        )

    def renew(self, current: Credentials) -> NoReturn:
        """See `firstboot.credentials.CredentialGenerator`."""
        raise ProvisioningRefused(
            "thinger.io's credentials have no second password beside the first.", code="cannot-rotate"
        )

    def reveal(self, credentials: Credentials) -> Mapping[str, Any]:
        """Return client id, user name and password."""
        return credentials.told or _MQTT_BASIC.reveal(credentials)


def account_login(tenant_id: int, account: str, device: str, password: str) -> Credentials:
    """Return what a device of an account logs in with; nobody can read the password in it (contract 6.2).

    Raises: `ProvisioningRefused` (``bad-credentials-request``) for control characters.
    """
    refuse_control_characters(device, account, password)
    return credentials_with_digest(login_id(tenant_id, device), device, account, password)


def login_id(tenant_id: int, device: str) -> str:
    """Return the look-up id of a device's login.

    It is of one tenant, and has what no token or name of other dialects may have in it: whatever names and tokens
    other devices bring, they have the login of none that is, or will be, an account's.
    """
    return f"thinger\n{tenant_id}\n{device}"


def opened_by(credentials: Credentials, account: str, device: str, password: str) -> bool:
    """Say whether a device that has these credentials is the device of this account, with this password."""
    if credentials.type != ThingerCredentials.makes:
        return False
    parts = parts_of(credentials)
    is_its = parts.get("clientId") == device and parts.get("userName") == account
    return is_its and is_password(credentials, password)
