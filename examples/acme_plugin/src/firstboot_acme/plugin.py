"""The plugin: what Firstboot calls, and when. What it does stands in the modules beside this one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from firstboot.config import Config
from firstboot.credentials import CredentialGenerator
from firstboot.events import Claim, DeviceProvisioned
from firstboot.hookspecs import Answer, Change, Refuse, hookimpl
from firstboot.model import Attribute, DeviceProposal, ProvisioningRequest, Scope
from firstboot.strategies import ProvisioningStrategy
from firstboot_acme.config import AcmeConfig
from firstboot_acme.credentials import AcmeKeys
from firstboot_acme.strategy import SerialList

if TYPE_CHECKING:
    import typer


class AcmePlugin:
    """An object and not a module, because it keeps the settings for the hooks that are told none.

    One process runs one server. A test that runs several gives each an `AcmePlugin` of its own.
    """

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self._acme = AcmeConfig()

    # -- offering: called once, at start -----------------------------------------------------------

    @hookimpl
    def firstboot_config_sections(self) -> Mapping[str, type]:
        """Offer section ``[acme]``."""
        return {"acme": AcmeConfig}

    @hookimpl
    def firstboot_provisioning_strategies(self, config: Config) -> Iterable[ProvisioningStrategy]:
        """Offer `SerialList`, and keep the settings for the hooks that get none."""
        self._acme = config.section(AcmeConfig)
        return [SerialList(self._acme.serials)] if self._acme.serials else []

    @hookimpl
    def firstboot_credential_generators(self, config: Config) -> Iterable[CredentialGenerator]:
        """Offer `AcmeKeys`."""
        signing_key = config.section(AcmeConfig).signing_key
        return [AcmeKeys(signing_key)] if signing_key is not None else []

    @hookimpl
    def firstboot_cli_commands(self) -> Mapping[str, typer.Typer]:
        """Offer ``firstboot acme``."""
        from firstboot_acme.commands import app

        return {"acme": app}

    # -- deciding: called for each request, before anything is written -----------------------------

    @hookimpl
    async def firstboot_device_provisioning(
        self, request: ProvisioningRequest, proposal: DeviceProposal
    ) -> Answer:
        """Refuse blocked models; label those that are known.

        The model is the device's own word. Only what stands in our settings gets into the device.
        """
        model = request.facts.get("model")
        if model is None:
            return None
        if model in self._acme.blocked_models:
            return Refuse(f"model {model!r} is blocked in section [acme]", code="acme-model-blocked")
        label = self._acme.models.get(model)
        if label is None:
            return None
        return Change(label=label, attributes=(Attribute(Scope.SERVER, "model", model),))

    @hookimpl
    def firstboot_device_claiming(self, claim: Claim) -> Refuse | None:
        """Let nobody own a device that we want back. The secret is proven at this point."""
        if claim.device.name in self._acme.recalled:
            return Refuse("the device was recalled", code="acme-recalled")
        return None

    @hookimpl
    def firstboot_device_releasing(self, claim: Claim) -> Refuse | None:
        """Let nobody give back or hand over what was rented. An administrator who assigns is not asked."""
        if claim.device.name in self._acme.rented:
            return Refuse("the device is rented", code="acme-rented")
        return None

    # -- observing: called afterwards --------------------------------------------------------------

    @hookimpl
    def firstboot_device_provisioned(self, event: DeviceProvisioned) -> None:
        """Write a line. A plain function runs in a thread of its own, so it may wait for the disk."""
        self._log(
            event.at_ms, f"{event.device.name} {event.how} {event.credentials_type} {event.origin.transport}"
        )

    @hookimpl
    def firstboot_device_claimed(self, event: Claim) -> None:
        """Write a line; ``how`` says whether it was claimed, transferred, assigned ..."""
        self._log(event.at_ms, f"{event.device.name} {event.how} by {event.customer}")

    @hookimpl
    def firstboot_device_released(self, event: Claim) -> None:
        """Write a line; when the device goes to another customer, that is told too."""
        self._log(event.at_ms, f"{event.device.name} not {event.customer}'s any more")

    def _log(self, at_ms: int, text: str) -> None:
        if self._acme.log_file is None:
            return
        at = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="seconds")
        with self._acme.log_file.open("a", encoding="utf-8") as log:
            log.write(f"{at} {text}\n")


plugin = AcmePlugin()
"""What the entry point leads to."""
