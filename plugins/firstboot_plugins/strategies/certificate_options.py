"""What a profile says about the certificates of its devices, in its details, by ThingsBoard's names and ours."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta

from firstboot.model import DeviceProfile
from firstboot_plugins.credentials.lookup_ids import first_certificate

STRATEGY = "x509-certificate-chain"
MAX_CERTIFICATES = 5
"""That a device may show, its own included."""

PATTERN = "certificateRegExPattern"
ALLOW_CREATE = "allowCreateNewDevicesByX509Certificate"
VALIDATION = "certificateValidation"
LIFE_DAYS = "certificateLifeDays"
RENEWAL_DAYS = "certificateRenewalDays"
PROVEN = "certificateAuthorityProven"
"""Hash of the authority that counts; only what has checked it writes it."""

STRICT, LAX = "strict", "lax"
WHOLE_NAME = "(.*)"


@dataclass(frozen=True, slots=True)
class CertificateOptions:
    """The options of a profile, each with what holds where it says nothing."""

    pattern: str
    """Searched for in the common name; its first group is the device's name (RE2)."""
    allow_create: bool
    """Whether devices are made; otherwise only those that exist get certificates."""
    is_lax: bool
    """Whether signatures alone are looked at, as ThingsBoard does: a device can then vouch for another."""
    life: timedelta | None
    """How long certificates are good that the server issues; None: as the configuration says."""
    renewal: timedelta | None
    """How long before their end they may be renewed; None: as the configuration says."""

    @classmethod
    def of(cls, profile: DeviceProfile) -> CertificateOptions:
        details = profile.details
        return cls(
            pattern=details.get(PATTERN) or WHOLE_NAME,
            allow_create=details.get(ALLOW_CREATE) is True,
            is_lax=details.get(VALIDATION) == LAX,
            life=_days(details.get(LIFE_DAYS)),
            renewal=_days(details.get(RENEWAL_DAYS)),
        )


def authority_der(text: str) -> bytes | None:
    """Return the certificate with which devices prove a profile, from the text that is kept as its secret."""
    try:
        return base64.b64decode(first_certificate(text), validate=True)
    except ValueError:
        return None


def _days(number: object) -> timedelta | None:
    return timedelta(days=number) if isinstance(number, int) and not isinstance(number, bool) else None
