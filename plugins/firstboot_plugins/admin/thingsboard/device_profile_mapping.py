"""Device profiles between ThingsBoard's JSON and the services (contract 1.1, 1.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile
from firstboot.profiles import compile_name_pattern
from firstboot.secret import Secret
from firstboot_plugins.admin.thingsboard.device_profile_shapes import (
    CertificateConfiguration,
    GivenProfile,
    KeptFields,
    Profile,
    ProfileData,
    ProfileInfo,
    ProfileType,
    ProvisionConfiguration,
    ProvisionType,
    TransportType,
)
from firstboot_plugins.admin.thingsboard.entity_ids import EntityType, entity_id
from firstboot_plugins.credentials.lookup_ids import chain_hash, normalise_chain

STRATEGIES: Mapping[ProvisionType, str] = {
    ProvisionType.DISABLED: "disabled",
    ProvisionType.ALLOW_CREATE_NEW_DEVICES: "allow-create-new",
    ProvisionType.CHECK_PRE_PROVISIONED_DEVICES: "check-pre-provisioned",
    ProvisionType.X509_CERTIFICATE_CHAIN: "x509-certificate-chain",
}
_PROVISION_TYPES = {strategy: provision_type for provision_type, strategy in STRATEGIES.items()}
_DEFAULT: Mapping[str, Any] = {"type": "DEFAULT"}

# Names in `DeviceProfile.details`, beside those of `KeptFields`.
_TYPE = "type"
_TRANSPORT_TYPE = "transportType"
_CONFIGURATION = "configuration"
_TRANSPORT_CONFIGURATION = "transportConfiguration"
_ALARMS = "alarms"
_PATTERN = "certificateRegExPattern"
_ALLOW_CREATE = "allowCreateNewDevicesByX509Certificate"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a saved profile asks devices to prove it with."""

    key: str | None
    secret: Secret | None


def check(sent: GivenProfile) -> None:
    """Refuse a profile that lacks what every profile has, in the words of contract 1.3.

    Raises: `InvalidValue`.
    """
    if sent.name is None or not sent.name.strip():
        raise InvalidValue("Device profile name should be specified!")
    if sent.type is None:
        raise InvalidValue("Device profile type should be specified!")
    if sent.transport_type is None:
        raise InvalidValue("Device profile transport type should be specified!")
    if sent.profile_data is None:  # ThingsBoard fails here (DP-4)
        raise InvalidValue("Device profile data should be specified!")
    if sent.provision.certificate_reg_ex_pattern is not None:
        compile_name_pattern(sent.provision.certificate_reg_ex_pattern)


def proof(sent: GivenProfile) -> Proof:
    """Return key and secret of a profile; an empty text is none, as no device can present it (PR-2).

    Raises: `InvalidValue` for a certificate chain without certificate, and for one that shall prove anything else.
    """
    secret = sent.provision.provision_device_secret or None
    if sent.provision_type is not ProvisionType.X509_CERTIFICATE_CHAIN:
        if secret is not None and sent.provision_device_key == chain_hash(secret):
            raise InvalidValue("Everybody may know a certificate. Give the profile another key and secret.")
        return Proof(sent.provision_device_key or None, Secret(secret) if secret else None)
    if secret is None or not normalise_chain(secret).strip():
        raise InvalidValue("Device profile certificate should be specified!")
    return Proof(chain_hash(secret), Secret(normalise_chain(secret)))


def applied(sent: GivenProfile, profile: DeviceProfile, key: str | None) -> DeviceProfile:
    """Return the profile as it shall be, but for its secret. What ThingsBoard does not know stays as it is."""
    provision_type = sent.provision_type or ProvisionType.DISABLED
    strategy = STRATEGIES[provision_type]
    if provision_type is ProvisionType.DISABLED and profile.strategy not in _PROVISION_TYPES:
        strategy = profile.strategy  # of a plugin: it was shown as disabled, and is only sent back
    return replace(
        profile,
        name=sent.name or "",
        description=sent.description or "",
        is_default=bool(sent.default),
        strategy=strategy,
        provision_key=key,
        details=_details(sent, profile.details),
    )


def shape(profile: DeviceProfile, tenant: UUID, secret: Secret | None) -> Profile:
    """Return the profile as JSON."""
    details = profile.details
    provision_type = provision_type_of(profile)
    told = None if secret is None else secret.reveal()
    provision: CertificateConfiguration | ProvisionConfiguration
    if provision_type is ProvisionType.X509_CERTIFICATE_CHAIN:
        provision = CertificateConfiguration(
            type=provision_type,
            provision_device_secret=told,
            certificate_reg_ex_pattern=details.get(_PATTERN),
            allow_create_new_devices_by_x509_certificate=details.get(_ALLOW_CREATE),
        )
    else:
        provision = ProvisionConfiguration(type=provision_type, provision_device_secret=told)
    return Profile(
        **_kept(details),
        id=entity_id(EntityType.DEVICE_PROFILE, profile.public_id),
        created_time=profile.created_at_ms,
        tenant_id=entity_id(EntityType.TENANT, tenant),
        name=profile.name,
        description=profile.description or None,
        default=profile.is_default,
        type=type_of(profile),
        transport_type=transport_type_of(profile),
        provision_type=provision_type,
        provision_device_key=profile.provision_key,
        version=profile.version,
        profile_data=ProfileData(
            configuration=details.get(_CONFIGURATION, _DEFAULT),
            transport_configuration=details.get(_TRANSPORT_CONFIGURATION, _DEFAULT),
            provision_configuration=provision,
            alarms=details.get(_ALARMS),
        ),
    )


def info(profile: DeviceProfile, tenant: UUID) -> ProfileInfo:
    """Return what everybody of the tenant may know."""
    kept = _kept(profile.details)
    return ProfileInfo(
        id=entity_id(EntityType.DEVICE_PROFILE, profile.public_id),
        name=profile.name,
        image=kept["image"],
        default_dashboard_id=kept["default_dashboard_id"],
        type=type_of(profile),
        transport_type=transport_type_of(profile),
        tenant_id=entity_id(EntityType.TENANT, tenant),
    )


def provision_type_of(profile: DeviceProfile) -> ProvisionType:
    """Return ThingsBoard's name of the strategy; one of a plugin has none, and is shown as disabled."""
    return _PROVISION_TYPES.get(profile.strategy, ProvisionType.DISABLED)


def type_of(profile: DeviceProfile) -> ProfileType:
    return ProfileType(profile.details.get(_TYPE, ProfileType.DEFAULT))


def transport_type_of(profile: DeviceProfile) -> TransportType:
    return TransportType(profile.details.get(_TRANSPORT_TYPE, TransportType.DEFAULT))


def _details(sent: GivenProfile, old: Mapping[str, Any]) -> Mapping[str, Any]:
    assert sent.profile_data is not None  # `check` has seen to it
    new: dict[str, Any] = {
        **{field.alias or name: getattr(sent, name) for name, field in KeptFields.model_fields.items()},
        _TYPE: sent.type,
        _TRANSPORT_TYPE: sent.transport_type,
        _CONFIGURATION: sent.profile_data.configuration,
        _TRANSPORT_CONFIGURATION: sent.profile_data.transport_configuration,
        _ALARMS: sent.profile_data.alarms,
        _PATTERN: sent.provision.certificate_reg_ex_pattern,
        _ALLOW_CREATE: sent.provision.allow_create_new_devices_by_x509_certificate,
    }
    return {name: value for name, value in {**old, **new}.items() if value is not None}


def _kept(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: details.get(field.alias or name) for name, field in KeptFields.model_fields.items()}
