"""The server's own authority for everybody, and the certificates of devices for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from starlette.responses import Response

from firstboot.certificate_authority import certificate_of
from firstboot.errors import VersionConflict
from firstboot.model import DeviceProfile
from firstboot.sealed_credentials import unseal_credentials
from firstboot_plugins.admin.operation import PUBLIC, Call, operation, tenant_admins
from firstboot_plugins.admin.own.in_path import device_in_path, profile_in_path
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import WHOLE, Sent, Told
from firstboot_plugins.strategies.authority_proof import (
    MAX_SIGNATURE_LENGTH,
    challenge,
    check_signature,
    counts,
    is_alone,
    save,
)
from firstboot_plugins.strategies.certificate_options import STRATEGY, CertificateOptions
from firstboot_plugins.strategies.certificate_settings import (
    MAX_AUTHORITY_LENGTH,
    MAX_DAYS,
    CertificateSettings,
    applied,
)

TAG = "Certificates"
PEM, CRL = "application/x-pem-file", "application/pkix-crl"
_DEVICE = "/api/firstboot/devices/{deviceId:uuid}/certificates"
_PROFILE = "/api/firstboot/profiles/{profileId:uuid}/certificates"
_CACHED = {"cache-control": "public, max-age=60"}


class CertificateTold(Told):
    """A certificate with which a device may log in."""

    serial: str
    """Lower-case hex."""
    subject: str
    issuer: str
    not_before_ms: int
    not_after_ms: int
    valid_until_ms: int | None
    """Replaced, and good until then; null: it is the current one."""


class Certificates(Told):
    """The certificates of a device: the current one first, then those that were replaced and are still good."""

    certificates: Sequence[CertificateTold]


Days = Annotated[int, Field(ge=0, le=MAX_DAYS), WHOLE]


class ProfileCertificates(Told):
    """Which certificates prove the devices of a profile, and how long those are good that the server issues."""

    authority: str | None
    """Hash of the certificate that vouches for the devices; null: certificates do not prove this profile."""
    authority_counts: bool
    """False: it proves nothing before its key has signed the challenge."""
    challenge: str
    """What the key of an authority signs (SHA-256) to prove that the tenant may name it."""
    pattern: str
    """Searched for in a certificate's common name; its first group is the device's name."""
    allow_create: bool
    """Whether devices are made that do not exist."""
    validation: Literal["strict", "lax"]
    """`lax`: as ThingsBoard does, signatures alone are looked at; a device can then vouch for another one."""
    life_days: int | None
    """Null: as the configuration says."""
    renewal_days: int | None


class ProfileCertificatesChange(Sent):
    """What to change; what is left out stays as it is."""

    authority: Annotated[str, Field(min_length=1, max_length=MAX_AUTHORITY_LENGTH)] | None = None
    """Certificate in PEM. The profile's strategy becomes `x509-certificate-chain`."""
    proof: Annotated[str, Field(min_length=1, max_length=MAX_SIGNATURE_LENGTH)] | None = None
    """The challenge, signed with the authority's key (base64). Needed where there are several tenants."""
    pattern: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    allow_create: bool | None = None
    validation: Literal["strict", "lax"] | None = None
    life_days: Days | None = None
    """0: as the configuration says."""
    renewal_days: Days | None = None
    """0: as the configuration says."""


@operation("GET", "/api/firstboot/ca.pem", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, answers=str, media_type=PEM)
async def authority(call: Call) -> Response:
    """Download the certificate of the authority that issues certificates to devices."""
    return Response(await call.services.certificates.certificate(), headers=_CACHED, media_type=PEM)


@operation(
    "GET", "/api/firstboot/ca.crl", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, answers=bytes, media_type=CRL
)
async def revocation_list(call: Call) -> Response:
    """Download the signed list of certificates that were revoked (RFC 5280, DER)."""
    return Response(await call.services.certificates.revocation_list(), headers=_CACHED, media_type=CRL)


@operation("GET", _DEVICE, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("devices:read"), answers=Certificates)
async def of_device(call: Call) -> Certificates:
    """Show the certificates with which a device may log in."""
    device = await device_in_path(call)
    now_ms = call.services.clock.now_ms()
    told = []
    for row in await call.services.storage.device_credentials(device.id):
        if row.valid_until_ms is not None and row.valid_until_ms < now_ms:
            continue
        credentials = unseal_credentials(call.services.core.keyring, row.sealed, device.public_id.bytes)
        certificate = certificate_of(credentials)
        if certificate is not None:
            told.append(
                CertificateTold(
                    serial=f"{certificate.serial_number:x}",
                    subject=certificate.subject.rfc4514_string(),
                    issuer=certificate.issuer.rfc4514_string(),
                    not_before_ms=round(certificate.not_valid_before_utc.timestamp() * 1000),
                    not_after_ms=round(certificate.not_valid_after_utc.timestamp() * 1000),
                    valid_until_ms=row.valid_until_ms,
                )
            )
    return Certificates(certificates=told)


@operation(
    "DELETE",
    "/api/firstboot/devices/{deviceId:uuid}/credentials",
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("devices:write"),
    status=204,
)
async def revoke(call: Call) -> None:
    """Revoke all credentials of a device: its sessions end, and its certificates come onto the list.

    It gets in again with credentials that an administrator gives it, or provisions itself once it is re-opened.
    """
    await call.services.devices.revoke_credentials(await device_in_path(call), actor=call.actor)


@operation(
    "GET", _PROFILE, dialect=FIRSTBOOT, tag=TAG, access=tenant_admins("profiles:read"), answers=ProfileCertificates
)
async def of_profile(call: Call) -> ProfileCertificates:
    """Show which certificates prove the devices of a profile."""
    return await _told(call, await profile_in_path(call))


@operation(
    "PATCH",
    _PROFILE,
    dialect=FIRSTBOOT,
    tag=TAG,
    access=tenant_admins("profiles:write"),
    body=ProfileCertificatesChange,
    answers=ProfileCertificates,
)
async def change_profile(call: Call) -> ProfileCertificates:
    """Change which certificates prove the devices of a profile."""
    sent: ProfileCertificatesChange = call.body
    core = call.services.core
    settings = CertificateSettings(
        authority=sent.authority,
        counts=sent.proof is not None or (sent.authority is not None and await is_alone(core)),
        pattern=sent.pattern,
        allow_create=sent.allow_create,
        lax=None if sent.validation is None else sent.validation == "lax",
        life_days=sent.life_days,
        renewal_days=sent.renewal_days,
    )
    while True:
        profile = await profile_in_path(call)
        wanted = applied(settings, profile, core.profiles)
        if sent.proof is not None:
            check_signature(_authority(call, wanted) or "", sent.proof, await _challenge(call))
        try:
            changed = await save(core, wanted, expected_version=profile.version, actor=call.actor)
        except VersionConflict:  # somebody else has changed it since it was read
            continue
        return await _told(call, changed)


def _authority(call: Call, profile: DeviceProfile) -> str | None:
    """Return the certificate with which devices prove a profile."""
    secret = call.services.profiles.reveal_secret(profile) if profile.strategy == STRATEGY else None
    return None if secret is None else secret.reveal()


async def _challenge(call: Call) -> str:
    return challenge(call.services.core.keyring, await call.services.tenants.get(call.tenant_id))


async def _told(call: Call, profile: DeviceProfile) -> ProfileCertificates:
    options = CertificateOptions.of(profile)
    return ProfileCertificates(
        authority=profile.provision_key if profile.strategy == STRATEGY else None,
        authority_counts=counts(profile, _authority(call, profile)),
        challenge=await _challenge(call),
        pattern=options.pattern,
        allow_create=options.allow_create,
        validation="lax" if options.is_lax else "strict",
        life_days=options.life.days if options.life else None,
        renewal_days=options.renewal.days if options.renewal else None,
    )


OPERATIONS = (authority, revocation_list, of_device, revoke, of_profile, change_profile)
