"""The whole plugin API: every hook, when it is called, and what its answer does.

A plugin is a module or an object with functions marked ``@hookimpl``. It says which plugin API it speaks
with ``FIRSTBOOT_API = 1``. It is found through an entry point in the group ``firstboot``, or named by a
dotted path in ``[plugins] load``. There are four kinds of hooks:

**Offering** hooks are plain functions, called once at start. Every answer is kept, keyed by name; one name
offered twice stops the start, because a silent winner would depend on the order of installation.

**Deciding** hooks are called for a request, one implementation after another: those marked ``tryfirst``,
then the others, those registered last first, then those marked ``trylast``. Built-in plugins are registered
first, then other installed ones by name, then those of ``[plugins] load`` in their order. An implementation
that raises (whatever it raises) or exceeds its time-out refuses the request.

**Answering** hooks are called for a request in the same order, until one gives an answer other than None. An
implementation that raises or exceeds its time-out leaves the request without an answer; the others are not asked.

**Observing** hooks are called after the fact, each plugin behind a bounded queue of its own. What one does
or fails to do costs nobody else anything.

Deciding, answering and observing hooks may be ``async def``, or plain functions. A plain function runs in a
thread, so it may block; it may not touch the event loop. A plain function that returns a future made on the event
loop is marked `@on_event_loop` and is called there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

if TYPE_CHECKING:
    import typer

    from firstboot.app import Services, Transport
    from firstboot.config import Config
    from firstboot.credentials import CredentialGenerator
    from firstboot.events import (
        AttributesChanged,
        Claim,
        ClaimWindowOpened,
        CredentialsChanged,
        DeviceConnected,
        DeviceDisconnected,
        DeviceProvisioned,
        DeviceRpc,
        ProvisioningRefusal,
        TelemetryReceived,
    )
    from firstboot.model import Attribute, DeviceProposal, ProvisioningRequest
    from firstboot.storage import StorageBackend
    from firstboot.strategies import ProvisioningStrategy

API_VERSION = 1
"""The plugin API that this server speaks."""

PROJECT = "firstboot"
"""Name of the pluggy project and of the entry point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

_Function = TypeVar("_Function", bound=Callable[..., Any])


def on_event_loop(function: _Function) -> _Function:
    """Mark a plain function that returns a future of the event loop: it is called there, not in a thread."""
    function.__dict__["firstboot_on_event_loop"] = True
    return function


# -- what deciding hooks answer --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse the request. The device is told what its dialect allows, the operator everything."""

    reason: str
    """For operators; at most 256 characters are kept."""
    code: str = "vetoed"
    """A stable word for statistics and filters: lower-case letters, digits and ``-``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change the device that is about to be made. None leaves a field as it is."""

    name: str | None = None
    label: str | None = None
    gateway: bool | None = None
    attributes: tuple[Attribute, ...] = ()
    """Set in addition to those of the proposal."""
    additional_info: Mapping[str, Any] = field(default_factory=dict)
    """Merged into that of the proposal."""


Answer = Refuse | Change | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodicJob:
    """Work that is done when the server accepts, and again and again after that."""

    run: Callable[[], Awaitable[None]]
    """Called on the event loop; what it raises is logged, and it is called again when it is time."""
    interval: timedelta
    """Between the end of one call and the begin of the next."""
    at_stop: bool = False
    """Whether it is done once more when the server stops, after all sessions have ended."""


# -- offering: at start ----------------------------------------------------------------------------


@hookspec
def firstboot_config_sections() -> Mapping[str, type]:
    """Offer sections of the configuration file.

    Called after the plugins are loaded and before the configuration is checked. Unknown sections and keys
    are refused, so a plugin that has settings must offer their section.

    Returns: for each section its dataclass, frozen and with a default for every field that may be left
    out. The checked values are found with ``config.section(TheDataclass)``. Name the section after the
    plugin: only then may it stay in the file while the plugin is switched off.
    Plugin API: since 1.
    """


@hookspec
def firstboot_cli_commands() -> Mapping[str, typer.Typer]:
    """Offer commands: each name becomes ``firstboot NAME ...``.

    Called for every command line, before any configuration is read; import nothing heavy here.

    Returns: Typer applications by name.
    Plugin API: since 1.
    """


@hookspec
def firstboot_storage_backends(config: Config) -> Iterable[StorageBackend]:
    """Offer storage backends.

    Called after the configuration is checked. The scheme of ``[storage] url`` picks one; it is opened
    before anything else starts.

    Raises: `firstboot.errors.ConfigError` for a section that the plugin cannot work with.
    Plugin API: since 1.
    """


@hookspec
def firstboot_provisioning_strategies(config: Config) -> Iterable[ProvisioningStrategy]:
    """Offer provisioning strategies.

    Called after the configuration is checked and before any transport listens. Profiles pick one by name.
    A profile whose strategy nobody offers refuses every device and is named in the log at start.

    Raises: `firstboot.errors.ConfigError` for a section that the plugin cannot work with.
    Plugin API: since 1.
    """


@hookspec
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    """Offer credential generators.

    Called after the configuration is checked and before any transport listens. Requests pick one by type.

    Raises: `firstboot.errors.ConfigError` for a section that the plugin cannot work with.
    Plugin API: since 1.
    """


@hookspec
def firstboot_transports(config: Config) -> Iterable[Transport]:
    """Offer transports.

    Called after the configuration is checked. All transports take their addresses first; when the storage
    is open and the services are ready they are started in the order of their names. They are stopped in reverse.

    Raises: `firstboot.errors.ConfigError` for a section that the plugin cannot work with.
    Plugin API: since 1.
    """


@hookspec
def firstboot_mqtt_dialects(config: Config, services: Services) -> Iterable[object]:
    """Offer dialects to the MQTT transport.

    Called when the MQTT transport starts. `firstboot_plugins.transports.mqtt.dialect.MqttDialect` says
    what such an object must do; another MQTT transport may ask for something else.

    Plugin API: since 1.
    """


@hookspec
def firstboot_http_routes(config: Config, services: Services) -> Iterable[object]:
    """Offer routes to the HTTP transport.

    Called when the HTTP transport starts. The built-in one takes Starlette routes; two routes with one
    path and method stop the start.

    Plugin API: since 1.
    """


@hookspec
def firstboot_coap_resources(config: Config, services: Services) -> Iterable[object]:
    """Offer resources to the CoAP transport.

    Called when the CoAP transport starts. The built-in one takes
    `firstboot_plugins.transports.coap.resources.CoapResource` objects; one path offered by two plugins stops the
    start.

    Plugin API: since 1.
    """


@hookspec
def firstboot_periodic_jobs(config: Config, services: Services) -> Iterable[PeriodicJob]:
    """Offer work that is done again and again while the server runs, such as deleting what is too old.

    Called when all transports accept. Several servers that share a database all do it: it must bear that.

    Plugin API: since 1.
    """


# -- deciding: for each request --------------------------------------------------------------------


@hookspec
def firstboot_device_provisioning(
    request: ProvisioningRequest, proposal: DeviceProposal
) -> Answer | Awaitable[Answer]:
    """Decide whether the device may be provisioned, and as what.

    Called after the profile is proven and the strategy has chosen a device, before anything is written.
    Each implementation sees the proposal as those before it have changed it; the request has the device's
    own words and must not be trusted. Both are copies. Changed values are checked like outside input.

    Returns: None when there is nothing to say, `Refuse`, or `Change`.
    On an error or time-out the request is refused with ``plugin-error`` and the log names the plugin.
    Plugin API: since 1.
    """


@hookspec
def firstboot_device_claiming(claim: Claim) -> Refuse | Awaitable[Refuse | None] | None:
    """Decide whether a customer may own a device whose secret is already proven.

    Called before anything is written; not when an administrator assigns the device.

    Returns: None, or `Refuse`. On an error or time-out the claim is refused with ``plugin-error``.
    Plugin API: since 1.
    """


@hookspec
def firstboot_device_releasing(claim: Claim) -> Refuse | Awaitable[Refuse | None] | None:
    """Decide whether an owner may give a device back, or pass it on to another customer.

    Called before anything is written, whoever releases the device: its owner, an administrator with the call for
    giving back, or the device itself; not when an administrator assigns it.

    Returns: None, or `Refuse`. On an error or time-out the release is refused with ``plugin-error``.
    Plugin API: since 1.
    """


# -- answering: for each request -------------------------------------------------------------------


@hookspec
def firstboot_device_rpc(request: DeviceRpc) -> Any:
    """Answer a call that a device makes to the server.

    Called for every method that the device's dialect does not answer itself. The method and its parameters are
    the device's own words and must not be trusted; the device is proven.

    Returns: None when the method is not known here, so that the next one is asked; else the answer, as JSON has
    it: text, number, boolean, list or mapping, at most 64 KiB.
    On an error or time-out the device is told that there is no answer.
    Plugin API: since 1.
    """


# -- observing: after the fact ---------------------------------------------------------------------


@hookspec
def firstboot_device_provisioned(event: DeviceProvisioned) -> object:
    """Observe that a device was provisioned; it is on disk, and the answer is on its way.

    Plugin API: since 1.
    """


@hookspec
def firstboot_provisioning_refused(event: ProvisioningRefusal) -> object:
    """Observe that a device was refused, and why.

    Plugin API: since 1.
    """


@hookspec
def firstboot_credentials_changed(event: CredentialsChanged) -> object:
    """Observe that a device's credentials were replaced.

    Plugin API: since 1.
    """


@hookspec
def firstboot_device_connected(event: DeviceConnected) -> object:
    """Observe that a device logged in and has a session.

    Plugin API: since 1.
    """


@hookspec
def firstboot_device_disconnected(event: DeviceDisconnected) -> object:
    """Observe that a device's session ended.

    Plugin API: since 1.
    """


@hookspec
def firstboot_telemetry_received(event: TelemetryReceived) -> object:
    """Observe values that a device reported; the newest of each key is on disk.

    Plugin API: since 1.
    """


@hookspec
def firstboot_attributes_changed(event: AttributesChanged) -> object:
    """Observe that attributes of a device were set or deleted, by the device or by somebody else.

    Called on the server that made the change, not on others that share the database.
    Plugin API: since 1.
    """


@hookspec
def firstboot_claim_window_opened(event: ClaimWindowOpened) -> object:
    """Observe that a device may be claimed, until a moment and with a secret that is not told here.

    Plugin API: since 1.
    """


@hookspec
def firstboot_device_claimed(event: Claim) -> object:
    """Observe that a customer owns a device now; it is on disk. ``how`` says how that came about.

    Plugin API: since 1.
    """


@hookspec
def firstboot_device_released(event: Claim) -> object:
    """Observe that a customer does not own a device any more; when another one does, that is told too.

    Plugin API: since 1.
    """


DECIDING = ("firstboot_device_provisioning", "firstboot_device_claiming", "firstboot_device_releasing")
"""Hooks that may refuse."""

ANSWERING = ("firstboot_device_rpc",)
"""Hooks of which the first answer counts."""

OBSERVING = (
    "firstboot_device_provisioned",
    "firstboot_provisioning_refused",
    "firstboot_credentials_changed",
    "firstboot_device_connected",
    "firstboot_device_disconnected",
    "firstboot_telemetry_received",
    "firstboot_attributes_changed",
    "firstboot_claim_window_opened",
    "firstboot_device_claimed",
    "firstboot_device_released",
)
"""Hooks that are told."""

ON_REQUEST = (*DECIDING, *ANSWERING, *OBSERVING)
"""Hooks that are called while the server runs, and may be ``async def``."""
