"""Kinds of credentials, each made and checked by a credential generator that a plugin offers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, WantedCredentials


class CredentialGenerator(Protocol):
    """Makes and checks credentials of one type.

    `issue` and `renew` may return the credentials or an awaitable of them. What they return at once must
    not block; what they await is cut off after the plugin's time-out, and the request refused.
    """

    type: str
    """Such as ``ACCESS_TOKEN``; devices ask for it and profiles name it."""

    def issue(self, wanted: WantedCredentials) -> Credentials | Awaitable[Credentials]:
        """Take the credentials that the device brought, or make some when it brought none.

        Raises: `ProvisioningRefused` (``bad-credentials-request``) when what it brought cannot be used.
        """
        ...

    def renew(self, current: Credentials) -> Credentials | Awaitable[Credentials]:
        """Make new credentials for a device that has proven itself with ``current`` or newer ones.

        Raises: `ProvisioningRefused` (``cannot-rotate``) where the device alone can make them.
        """
        ...

    def reveal(self, credentials: Credentials) -> str | Mapping[str, Any] | None:
        """Return what the device is told of its credentials; JSON text or object."""
        ...


def refuse_control_characters(*texts: str | None) -> None:
    """Refuse U+0000-U+001F and U+007F in any of the texts, as MQTT and logs do.

    Raises: `ProvisioningRefused` (``bad-credentials-request``).
    """
    for text in texts:
        if text and any(character < " " or character == "\x7f" for character in text):
            raise ProvisioningRefused(
                "The wanted credentials have a control character in them.", code="bad-credentials-request"
            )
