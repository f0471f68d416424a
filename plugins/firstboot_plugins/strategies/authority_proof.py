"""Whether a profile's authority counts: who names one has its key, or answers for the whole installation.

The certificate of an authority is public. Where tenants share an installation, any of them could name the
authority of another one's maker, or one between that and the devices, and would get the devices. So an authority
that a tenant names there counts only once its key has signed the tenant's challenge.
"""

from __future__ import annotations

import base64
from dataclasses import replace

from firstboot.core import Core
from firstboot.errors import AlreadyExists, InvalidValue
from firstboot.keyring import Keyring
from firstboot.model import DeviceProfile, Tenant
from firstboot_plugins.credentials.lookup_ids import chain_hash
from firstboot_plugins.strategies.certificate_options import PROVEN, STRATEGY, authority_der

MAX_SIGNATURE_LENGTH = 2048
"""Characters of base64: more than the longest key signs with."""


def counts(profile: DeviceProfile, authority: str | None) -> bool:
    """Say whether certificates of this authority, which is kept as the profile's secret, prove its devices.

    All three are compared: an administrator may choose key and secret of profiles with other strategies.
    """
    if profile.strategy != STRATEGY or authority is None:
        return False
    return profile.provision_key == chain_hash(authority) == profile.details.get(PROVEN)


def counted(profile: DeviceProfile, authority: str) -> DeviceProfile:
    """Return the profile with an authority that counts; nothing is written yet."""
    return replace(profile, details={**profile.details, PROVEN: chain_hash(authority)})


async def is_alone(core: Core) -> bool:
    """Say whether there is one tenant, whose administrators need no proof: there is nobody to harm."""
    return len(await core.tenants.all()) == 1


def challenge(keyring: Keyring, tenant: Tenant) -> str:
    """Return what the key of an authority signs to prove it to a tenant; it is no secret, and always the same."""
    return "firstboot-authority-" + keyring.digest("authority-challenge", str(tenant.public_id)).hex()


def check_signature(authority: str, signature: str, text: str) -> None:
    """Check that the key of an authority has signed a text with SHA-256 (base64, as OpenSSL makes it).

    A signature of its own and no certificate: an authority signs certificates with whatever name others ask for.

    Raises: `InvalidValue`.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    from firstboot_plugins.strategies.certificate_paths import NotTrusted, has_good_key, read_authority

    refused = InvalidValue("The proof is not the challenge signed with the authority's key (SHA-256, base64).")
    der = authority_der(authority)
    try:
        signed = base64.b64decode("".join(signature.split()), validate=True)
        named = read_authority(der or b"")
        if not has_good_key(named):
            raise refused
        key = named.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signed, text.encode(), padding.PKCS1v15(), hashes.SHA256())
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)  # the other kind of good keys
            key.verify(signed, text.encode(), ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, NotTrusted, ValueError):
        raise refused from None


async def save(core: Core, profile: DeviceProfile, *, expected_version: int, actor: str) -> DeviceProfile:
    """Write a profile. Its authority, if it counts, is taken from a tenant with whom it does not.

    Raises: as `firstboot.profiles.ProfileService.update`.
    """
    try:
        return await core.profiles.update(profile, expected_version=expected_version, actor=actor)
    except AlreadyExists:
        if not counts(profile, _authority(core, profile)) or not await _vacate(core, profile):
            raise
    return await core.profiles.update(profile, expected_version=expected_version, actor=actor)


async def _vacate(core: Core, profile: DeviceProfile) -> bool:
    for other in await core.storage.all_profiles():
        if other.provision_key == profile.provision_key and other.tenant_id != profile.tenant_id:
            if counts(other, _authority(core, other)):
                return False
            without = replace(other, provision_key=None)
            await core.profiles.update(without, expected_version=other.version, actor="server")
            return True
    return False


def _authority(core: Core, profile: DeviceProfile) -> str | None:
    secret = core.profiles.reveal_secret(profile)
    return None if secret is None else secret.reveal()
