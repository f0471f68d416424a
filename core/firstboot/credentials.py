"""Kinds of credentials, each made and checked by a credential generator that a plugin offers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol
from uuid import UUID

from firstboot.certificate_authority import IssuedCertificate
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials, DeviceProfile, WantedCredentials
from firstboot.secret import random_text

_NOBODYS_LENGTH = 32


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
        """Return what the device is told of its credentials; JSON text or object.

        Raises: `ProvisioningRefused` (``cannot-be-told``) for stored credentials that nobody can be told again.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The device for which credentials are made that say whose they are, such as a certificate."""

    name: str
    public_id: UUID
    profile: DeviceProfile
    current: Credentials | None = field(default=None, repr=False)
    """What the device has; None: it is new."""
    proven_with: Credentials | None = field(default=None, repr=False)
    """Credentials of its own with which it has proven itself; None: it has proven the profile."""
    now_ms: int
    certify: Callable[[bytes, timedelta], Awaitable[IssuedCertificate]] = field(repr=False)
    """Has the server's authority certify a public key (SubjectPublicKeyInfo, DER) for this device and so long.

    Raises: `firstboot.errors.InvalidValue` when the authority's own time is over."""


class NamedCredentialGenerator(Protocol):
    """Makes credentials that say whose they are. ``type`` is what devices ask for; ``makes`` what they get.

    Only while a device is provisioned or renews its credentials is it known whose they are.
    Plugin API: since 1.
    """

    type: str
    makes: str

    def issue_to(self, wanted: WantedCredentials, holder: Holder) -> Credentials | Awaitable[Credentials]:
        """Make credentials for this device; those that it has (``holder.current``) when they are still right.

        Raises: `ProvisioningRefused`.
        """
        ...

    def issue(self, wanted: WantedCredentials) -> Credentials | Awaitable[Credentials]:
        """Refuse: nobody is known to make them for."""
        ...

    def renew(self, current: Credentials) -> Credentials | Awaitable[Credentials]:
        """See `CredentialGenerator`."""
        ...

    def reveal(self, credentials: Credentials) -> str | Mapping[str, Any] | None:
        """See `CredentialGenerator`."""
        ...


def nobodys_credentials() -> Credentials:
    """Return credentials that nobody is told: every device has some, also one that is not to log in."""
    return Credentials("ACCESS_TOKEN", random_text(_NOBODYS_LENGTH))


def refuse_control_characters(*texts: str | None) -> None:
    """Refuse U+0000-U+001F and U+007F in any of the texts, as MQTT and logs do.

    Raises: `ProvisioningRefused` (``bad-credentials-request``).
    """
    for text in texts:
        if text and not text.isprintable() and any(each < " " or each == "\x7f" for each in text):
            raise ProvisioningRefused(
                "The wanted credentials have a control character in them.", code="bad-credentials-request"
            )
