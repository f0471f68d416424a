"""Finding the device that presented credentials belong to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.keyring import Keyring
from firstboot.model import Credentials, DeviceProfile, Origin, ReprovisionPolicy
from firstboot.profile_directory import ProfileDirectory
from firstboot.sealed_credentials import credentials_digest, unseal_credentials
from firstboot.storage import FoundCredentials, RecordLogin, Storage, Write, WriteResult
from firstboot.throttle import FailureThrottle, source_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Match:
    """Credentials that exist, with the device they belong to. Not yet judged."""

    credentials: Credentials
    found: FoundCredentials


class Logins:
    """Looks up credentials, many logins at a time; a dialect judges what was found."""

    def __init__(
        self,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        profiles: ProfileDirectory,
        throttle: FailureThrottle,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._profiles = profiles
        self._throttle = throttle
        self._clock = clock
        self._lookups: Batcher[Sequence[bytes], Sequence[FoundCredentials]] = Batcher(self._look_up, max_batch=256)

    async def _look_up(self, batch: Sequence[Sequence[bytes]]) -> Sequence[Sequence[FoundCredentials]]:
        wanted = list({digest for digests in batch for digest in digests})
        by_digest = {found.digest: found for found in await self._storage.find_credentials(wanted)}
        return [[by_digest[digest] for digest in digests if digest in by_digest] for digests in batch]

    async def find(self, *credentials_ids: str) -> dict[str, Match]:
        """Return those of the ids that belong to credentials that are valid now, of devices that are enabled.

        Raises: `firstboot.errors.Unavailable`.
        """
        digests = {credentials_digest(self._keyring, id_): id_ for id_ in credentials_ids}
        matches: dict[str, Match] = {}
        for found in await self._lookups.submit(list(digests)):
            if found.valid_until_ms is not None and found.valid_until_ms < self._clock.now_ms():
                continue
            if not found.device_enabled:
                self._report_disabled(found)
                continue
            credentials = unseal_credentials(self._keyring, found.sealed, found.device_public_id.bytes)
            matches[digests[found.digest]] = Match(credentials, found)
        return matches

    def _report_disabled(self, found: FoundCredentials) -> None:
        """Say why credentials that are right open nothing; whoever presents them is told no more than others."""
        if self._throttle.is_news(f"disabled device {found.device_id}"):
            logger.info("login refused", extra={"code": "device-disabled", "device": found.device_name})

    def profile_of(self, match: Match) -> DeviceProfile | None:
        return self._profiles.get(match.found.profile_id)

    async def record(self, match: Match) -> None:
        """Record the first login of a device.

        Where the profile answers requests again until then, this is on disk when the call returns.
        """
        if match.found.first_login_at_ms is not None:
            return
        recorded = self._commits.submit(RecordLogin(match.found.device_id, self._clock.now_ms()))
        profile = self.profile_of(match)
        if profile is not None and profile.reprovision is not ReprovisionPolicy.REJECT:
            await recorded
        else:
            recorded.add_done_callback(_log_failure)

    def refused(self, origin: Origin, code: str, reason: str) -> float:
        """Log a refused login; return how many seconds to hold the answer back."""
        penalty = self._throttle.record(f"login {source_of(origin.address)}")
        if penalty.report:
            logger.info(
                "login refused",
                extra={"code": code, "reason": reason, "address": origin.address, "transport": origin.transport},
            )
        return penalty.delay_s


def _log_failure(recorded: asyncio.Future[WriteResult]) -> None:
    if not recorded.cancelled() and recorded.exception() is not None:
        logger.warning("a first login could not be recorded: %s", recorded.exception())
