"""MQTT client id, user name and password (ThingsBoard contract PR-14, 3.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from firstboot.config import Config
from firstboot.credentials import CredentialGenerator, refuse_control_characters
from firstboot.errors import ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, WantedCredentials
from firstboot.mqtt_passwords import has_digest, parts_of
from firstboot.secret import random_text
from firstboot_plugins.credentials.lookup_ids import mqtt_basic_id

FIRSTBOOT_API = 1

NAME_LENGTH = 20
"""Characters of a generated client id or user name; MQTT 3.1 clients may have no more than 23."""
PASSWORD_LENGTH = 22
"""Characters of a generated password: 131 bits."""

_FIELDS = ("clientId", "userName", "password")
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class MqttBasic:
    """Makes and checks ``MQTT_BASIC``. The value is the JSON text of the three parts, in contract order."""

    type = "MQTT_BASIC"

    def issue(self, wanted: WantedCredentials) -> Credentials:
        """Take the parts that the device brought, or draw all three when it brought nothing."""
        if not wanted.given:
            return self._credentials(
                random_text(NAME_LENGTH), random_text(NAME_LENGTH), random_text(PASSWORD_LENGTH)
            )
        client_id, username, password = wanted.client_id or "", wanted.username or "", wanted.password or ""
        if not client_id and not username:
            raise ProvisioningRefused(
                "MQTT credentials need a client id or a user name.", code="bad-credentials-request"
            )
        if password and not username:
            raise ProvisioningRefused(
                "An MQTT password needs a user name; a client id alone has none.", code="bad-credentials-request"
            )
        refuse_control_characters(client_id, username, password)
        return self._credentials(client_id, username, password)

    def renew(self, current: Credentials) -> Credentials:
        """Keep the client id, draw another user name and password.

        The look-up id is made of both names, and the old login stays valid for a while beside the new one.
        """
        if has_digest(current):
            # It has a dialect that knows what its devices' names have to be.
            raise ProvisioningRefused(
                "MQTT credentials whose password is not known are replaced in their own dialect only.",
                code="cannot-rotate",
            )
        client_id, username, _ = self.reveal(current).values()
        if not username:
            # The id is all there is to such a login, and the device chose it.
            raise ProvisioningRefused(
                "MQTT credentials of a client id alone have no password to replace.", code="cannot-rotate"
            )
        return self._credentials(client_id or "", random_text(NAME_LENGTH), random_text(PASSWORD_LENGTH))

    def reveal(self, credentials: Credentials) -> dict[str, Any]:
        """Return the three parts. One that an administrator left out is None."""
        if credentials.told is None and has_digest(credentials):
            raise ProvisioningRefused("Nobody knows the device's MQTT password any more.", code="cannot-be-told")
        parts = parts_of(credentials)
        return {field: parts.get(field) for field in _FIELDS}

    def _credentials(self, client_id: str, username: str, password: str) -> Credentials:
        parts = dict(zip(_FIELDS, (client_id, username, password), strict=True))
        return Credentials(self.type, mqtt_basic_id(client_id, username), _encode(parts))


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    """Offer `MqttBasic`."""
    return [MqttBasic()]
