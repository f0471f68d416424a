"""Device profiles as JSON (contract 1.1)."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, GivenId
from firstboot_plugins.admin.thingsboard.shapes import Shape


class ProvisionType(enum.StrEnum):
    """ThingsBoard's provisioning strategies (contract 1.2)."""

    DISABLED = "DISABLED"
    ALLOW_CREATE_NEW_DEVICES = "ALLOW_CREATE_NEW_DEVICES"
    CHECK_PRE_PROVISIONED_DEVICES = "CHECK_PRE_PROVISIONED_DEVICES"
    X509_CERTIFICATE_CHAIN = "X509_CERTIFICATE_CHAIN"


class ProfileType(enum.StrEnum):
    """Kinds of device profiles; the services treat all alike."""

    DEFAULT = "DEFAULT"
    SNMP = "SNMP"


class TransportType(enum.StrEnum):
    """What devices of a profile speak; kept, and shown again."""

    DEFAULT = "DEFAULT"
    MQTT = "MQTT"
    COAP = "COAP"
    LWM2M = "LWM2M"
    SNMP = "SNMP"


class ProvisionConfiguration(Shape):
    """How devices prove the profile. ``type`` is there for reading only; the profile's own decides."""

    type: ProvisionType
    provision_device_secret: str | None = None


class CertificateConfiguration(ProvisionConfiguration):
    """How devices prove the profile by their certificates; the secret is the CA certificate."""

    certificate_reg_ex_pattern: str | None = None
    allow_create_new_devices_by_x509_certificate: bool | None = None


class GivenProvisionConfiguration(Shape):
    """How devices are to prove the profile; the last two fields are for certificates."""

    type: ProvisionType | None = None
    provision_device_secret: str | None = None
    certificate_reg_ex_pattern: str | None = None
    allow_create_new_devices_by_x509_certificate: bool | None = None


class GivenProfileData(Shape):
    """What ThingsBoard keeps in one document."""

    configuration: Mapping[str, Any] | None = None
    transport_configuration: Mapping[str, Any] | None = None
    provision_configuration: GivenProvisionConfiguration | None = None
    alarms: Sequence[Any] | None = None


class ProfileData(Shape):
    """What ThingsBoard keeps in one document."""

    configuration: Mapping[str, Any]
    transport_configuration: Mapping[str, Any]
    provision_configuration: CertificateConfiguration | ProvisionConfiguration
    alarms: Sequence[Any] | None


class KeptFields(Shape):
    """Fields that the services have no use for; they come back as they were sent."""

    image: str | None = None
    default_rule_chain_id: Mapping[str, Any] | None = None
    default_dashboard_id: Mapping[str, Any] | None = None
    default_queue_name: str | None = None
    firmware_id: Mapping[str, Any] | None = None
    software_id: Mapping[str, Any] | None = None
    default_edge_rule_chain_id: Mapping[str, Any] | None = None
    external_id: Mapping[str, Any] | None = None


class GivenProfile(KeptFields):
    """A profile that is to be saved."""

    id: GivenId | None = None
    version: int | None = None
    name: str | None = None
    description: str | None = None
    default: bool | None = None
    type: ProfileType | None = None
    transport_type: TransportType | None = None
    provision_type: ProvisionType | None = None
    provision_device_key: str | None = None
    profile_data: GivenProfileData | None = None

    @property
    def provision(self) -> GivenProvisionConfiguration:
        """The provision configuration, empty when there is none."""
        found = self.profile_data.provision_configuration if self.profile_data else None
        return found or GivenProvisionConfiguration()


class Profile(KeptFields):
    """A profile as it is stored."""

    id: EntityId
    created_time: int
    tenant_id: EntityId
    name: str
    description: str | None
    default: bool
    type: ProfileType
    transport_type: TransportType
    provision_type: ProvisionType
    provision_device_key: str | None
    version: int
    profile_data: ProfileData


class ProfileInfo(Shape):
    """What everybody of a tenant may know of a profile."""

    id: EntityId
    name: str
    image: str | None
    default_dashboard_id: Mapping[str, Any] | None
    type: ProfileType
    transport_type: TransportType
    tenant_id: EntityId


class ProfileName(Shape):
    """A profile's id and name."""

    id: EntityId
    name: str
