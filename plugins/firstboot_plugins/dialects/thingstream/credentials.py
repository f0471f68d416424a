"""What a Thing logs in with: client id, user name and password (contract section 5)."""

from __future__ import annotations

import json
import string
from collections.abc import Mapping
from typing import Any, NoReturn
from uuid import UUID

from firstboot.credentials import Holder
from firstboot.errors import ProvisioningRefused
from firstboot.model import DIALECT, Credentials, WantedCredentials
from firstboot.mqtt_passwords import credentials_with_digest, parts_of
from firstboot.secret import random_text
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id
from firstboot_plugins.dialects.thingstream.settings import NAME

MQTT_BASIC = "MQTT_BASIC"
PREFIX = "device:"
USER_NAME_LENGTH = 20
PASSWORD_LENGTH = 40
_USER_NAME_LETTERS = string.ascii_uppercase + string.digits


def thing_id(public_id: UUID) -> str:
    """Return how devices and operators call a Thing; it is its MQTT client id too."""
    return f"{PREFIX}{public_id}"


def thing_credentials(public_id: UUID, user_name: str | None = None) -> Credentials:
    """Draw a password for a Thing, and a user name if it has none. Only its device is told the password.

    All three parts are in the look-up id or compared at login: the broker takes the matching triple only.
    """
    user_name = user_name or random_text(USER_NAME_LENGTH, _USER_NAME_LETTERS)
    client_id = thing_id(public_id)
    return credentials_with_digest(
        mqtt_basic_id(client_id, user_name), client_id, user_name, random_text(PASSWORD_LENGTH)
    )


def basic_credentials(client_id: str, user_name: str, password: str) -> Credentials:
    """Return the credentials of these three parts."""
    parts = {"clientId": client_id, "userName": user_name, "password": password}
    return Credentials(MQTT_BASIC, mqtt_basic_id(client_id, user_name), json.dumps(parts, separators=(",", ":")))


class ThingCredentials:
    """Makes the MQTT credentials of a new Thing; it has them named after its id."""

    type = "THINGSTREAM"
    makes = MQTT_BASIC

    def issue_to(self, wanted: WantedCredentials, holder: Holder) -> Credentials:
        """Make credentials for a Thing. Other devices cannot ask for them."""
        if holder.profile.details.get(DIALECT) != NAME:
            raise self._refusal()
        return thing_credentials(holder.public_id)

    def issue(self, wanted: WantedCredentials) -> NoReturn:
        """Refuse: the client id is made of the id of a device."""
        raise self._refusal()

    def renew(self, current: Credentials) -> NoReturn:
        """Refuse: a device that asks again gets another Thing."""
        raise ProvisioningRefused("A Thing's credentials are renewed with the Thing.", code="cannot-rotate")

    def reveal(self, credentials: Credentials) -> Mapping[str, Any]:
        """Return the three parts."""
        return parts_of(credentials)

    def _refusal(self) -> ProvisioningRefused:
        return ProvisioningRefused(
            "Credentials of this type are for the Things of a Thingstream profile.", code="bad-credentials-request"
        )
