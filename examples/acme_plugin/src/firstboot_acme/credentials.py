"""Credentials of type ``ACME_KEY``: a key with an id, signed so that ACME's own services need not ask anybody."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials
from firstboot.secret import Secret, random_text, same_text

KEY_ID_LENGTH = 16
KEY_LENGTH = 32
"""Of letters and digits: 190 bits."""


def signature(signing_key: Secret, key_id: str, key: str) -> str:
    """Return what proves that ACME has made this key."""
    # The type in front: what is signed here can never be taken for anything else that is signed with this key.
    signed = f"ACME_KEY {key_id} {key}".encode()
    return hmac.new(signing_key.reveal().encode(), signed, hashlib.sha256).hexdigest()


def is_genuine(signing_key: Secret, presented: Mapping[str, str]) -> bool:
    """Say whether a device presents a key that was made here. For the services that the device talks to."""
    expected = signature(signing_key, presented.get("keyId", ""), presented.get("key", ""))
    return same_text(expected, presented.get("signature", ""))


class AcmeKeys:
    """Makes keys. The id is what they are looked up by, the key the value beside it."""

    type = "ACME_KEY"

    def __init__(self, signing_key: Secret) -> None:
        self._signing_key = signing_key

    def issue(self, wanted: WantedCredentials) -> Credentials:
        """Draw a key; a device cannot bring one."""
        if wanted.given:
            raise ProvisioningRefused("ACME keys are made by the server alone.", code="bad-credentials-request")
        return Credentials(self.type, f"AK-{random_text(KEY_ID_LENGTH)}", random_text(KEY_LENGTH))

    def renew(self, current: Credentials) -> Credentials:
        """Draw another key, with another id."""
        return self.issue(WantedCredentials(type=self.type))

    def reveal(self, credentials: Credentials) -> dict[str, str]:
        """Return what the device stores. The signature is made when it is asked for, and never stored."""
        key_id, key = credentials.id, credentials.value or ""
        return {"keyId": key_id, "key": key, "signature": signature(self._signing_key, key_id, key)}
