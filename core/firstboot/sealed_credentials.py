"""Credentials of devices as they are stored: found by a digest, readable with the server key only."""

from __future__ import annotations

from firstboot.keyring import Keyring, credentials_place
from firstboot.model import Credentials
from firstboot.storage import SealedCredentials


def credentials_digest(keyring: Keyring, credentials_id: str) -> bytes:
    """Return the digest by which credentials are looked up; unique over all types."""
    return keyring.digest("credentials-id", credentials_id)


def seal_credentials(keyring: Keyring, credentials: Credentials, device_public_id: bytes) -> SealedCredentials:
    """Return credentials as they are stored with this device."""
    return SealedCredentials(
        credentials.type,
        credentials_digest(keyring, credentials.id),
        keyring.seal(credentials.to_json(), credentials_place(device_public_id)),
    )


def unseal_credentials(keyring: Keyring, sealed: bytes, device_public_id: bytes) -> Credentials:
    """Read what `seal_credentials` made."""
    return Credentials.from_json(keyring.unseal(sealed, credentials_place(device_public_id)))
