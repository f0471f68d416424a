"""Provisioning: what a device asks for, what is about to be done, and what it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from firstboot.model.devices import Attribute, Credentials, Device
from firstboot.model.resources import ResourceDraft
from firstboot.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerCertificate:
    """A certificate whose private key the peer has shown to have, on this very connection (threat SE-10).

    Nothing more is known of it: its dates and its names are for the reader to judge.
    """

    der: bytes = field(repr=False)
    """The peer's own certificate."""
    chain: tuple[bytes, ...] = field(default=(), repr=False)
    """What the peer has sent beside it to vouch for it, each DER, in the peer's order."""
    is_trusted: bool = False
    """Whether a chain was found up to ``tls.client_ca`` whose signatures hold. The own dates are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a request came from."""

    transport: str
    dialect: str
    address: str
    """IP address of the peer, without port; empty when there is none (the command line)."""
    certificate: PeerCertificate | None = field(default=None, repr=False, compare=False)
    """What the peer has proven with over TLS; None when it was not asked, or has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedCredentials:
    """What a device asks to log in with later. All fields None: the server is to make credentials of ``type``."""

    type: str = "ACCESS_TOKEN"
    token: str | None = field(default=None, repr=False)
    client_id: str | None = field(default=None, repr=False)
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    certificate: str | None = field(default=None, repr=False)
    """PEM, or the base64 of the DER; as the device sent it."""

    @property
    def given(self) -> bool:
        """Whether the device brought any part of its credentials itself."""
        return bool(self.token or self.client_id or self.username or self.password or self.certificate)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDetails:
    """What a dialect wants a new device to have beside name and credentials. Devices that exist keep theirs."""

    public_id: UUID | None = None
    """None: the server draws one."""
    label: str | None = None
    enabled: bool = True
    additional_info: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] | None = None
    """See `Device.details`."""
    companions: tuple[ResourceDraft, ...] = ()
    """Made together with the device: all of it, or nothing. Those that exist already are left as they are."""
    replaces: Device | None = None
    """The device whose place it takes, as it is to be from then on, with the version that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisioningRequest:
    """What the request of any dialect becomes."""

    key: str
    secret: Secret
    device_name: str | None
    """As the device wrote it; None when it gave none and the server is to choose."""
    wanted: WantedCredentials
    gateway: bool = False
    facts: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What else the device said of itself, by the dialect's field names. Unproven."""
    hardware_id: str | None = None
    """See `Device.hardware_id`."""
    draft: DeviceDetails | None = None
    """What a dialect wants a new device to have beside its name."""
    origin: Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProposal:
    """The device that is about to be made or handed out; deciding hooks may change what is new.

    For a device that exists already (``existing``) only ``attributes`` are taken from the proposal.
    """

    name: str
    profile: str
    """Name of the profile."""
    tenant: int
    label: str | None = None
    gateway: bool = False
    attributes: tuple[Attribute, ...] = ()
    additional_info: Mapping[str, Any] = field(default_factory=dict)
    existing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Provisioned:
    """A provisioning that succeeded and is on disk."""

    device_id: int
    device_name: str
    public_id: UUID
    credentials: Credentials
    confirmable: bool = False
    """Whether a transport that can tell should report the delivery of the answer."""
    made: Device | None = None
    """The device as it was made; None for one that was there before."""
