"""Concluding a provisioning request: what was decided is on disk, reported, and ready to be told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from firstboot.batching import Batcher
from firstboot.errors import ProvisioningRefused
from firstboot.keyring import Keyring
from firstboot.model import (
    Credentials,
    Device,
    DeviceProfile,
    Provisioned,
    ProvisioningRequest,
    ReprovisionPolicy,
)
from firstboot.reports import Reports
from firstboot.storage import AuditEntry, Outcome, Write, WriteResult

_REFUSALS: Mapping[Outcome, tuple[str, str]] = {
    Outcome.CREDENTIALS_IN_USE: ("token-in-use", "Another device has the wanted credentials."),
    Outcome.DEVICE_LIMIT: ("device-limit", "The profile has as many devices as it may have."),
    Outcome.PROFILE_GONE: ("profile-gone", "The profile was deleted meanwhile."),
    Outcome.DEVICE_GONE: ("device-gone", "The device was deleted meanwhile."),
    Outcome.GONE: ("profile-gone", "The tenant was deleted meanwhile."),
    Outcome.STALE: ("try-again", "Somebody has changed meanwhile what the request speaks of."),
}


def refusal_for(outcome: Outcome) -> ProvisioningRefused:
    """Return the refusal that tells why the storage has not written."""
    code, message = _REFUSALS.get(outcome, ("unavailable", "The database refused the write."))
    return ProvisioningRefused(message, code=code)


class Concluding:
    """The end of every request that succeeds, whichever way the device was found or made."""

    def __init__(self, commits: Batcher[Write, WriteResult], keyring: Keyring, reports: Reports) -> None:
        self._commits = commits
        self._keyring = keyring
        self._reports = reports

    def audit(
        self, how: str, name: str, public_id: UUID, request: ProvisioningRequest, profile: DeviceProfile
    ) -> AuditEntry:
        """Return the audit entry of a success; it is written with the success itself."""
        return self._reports.audit(how, request.origin, profile, name, public_id)

    def digest(self, request: ProvisioningRequest, profile: DeviceProfile) -> bytes | None:
        """Return what tells whether two requests are the same; None where nobody will ask."""
        if profile.reprovision is ReprovisionPolicy.REJECT:
            return None
        wanted = request.wanted
        parts = (
            profile.id, request.device_name, request.gateway, wanted.type, wanted.token,
            wanted.client_id, wanted.username, wanted.password, wanted.certificate,
        )  # fmt: skip
        return self._keyring.digest("provisioning-request", json.dumps(parts))

    async def write(self, write: Write, *, unless: Outcome | None = None) -> WriteResult:
        """Put a decision on disk. A result with the outcome ``unless`` is for the caller to judge.

        Raises: `ProvisioningRefused` for every other outcome that is not `Outcome.DONE`; `Unavailable`.
        """
        result = await self._commits.submit(write)
        if result.outcome not in (Outcome.DONE, unless):
            raise refusal_for(result.outcome)
        return result

    def success(
        self,
        how: str,
        device: Device,
        credentials: Credentials,
        request: ProvisioningRequest,
        profile: DeviceProfile,
        *,
        replaced: bool = False,
    ) -> Provisioned:
        """Report what is on disk, and return it. ``replaced``: the device had other credentials before."""
        if replaced:
            self._reports.credentials_changed(device, credentials)
        self._reports.provisioned(how, device, credentials, request.origin, profile)
        return Provisioned(
            device_id=device.id,
            device_name=device.name,
            public_id=device.public_id,
            credentials=credentials,
            confirmable=profile.reprovision is not ReprovisionPolicy.REJECT,
            made=device if how == "created" else None,
        )
