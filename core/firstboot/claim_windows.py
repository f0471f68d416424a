"""Opening devices for claiming, for a time: by themselves, by an administrator or by their owner."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from firstboot.batching import Batcher
from firstboot.claim_secrets import MAX_LENGTH, claim_digest, is_weak, new_claim_secret
from firstboot.claiming_data import ClaimingData, opening
from firstboot.clock import Clock, milliseconds
from firstboot.config import ClaimingConfig
from firstboot.errors import CLAIM_REFUSAL_CODES, InvalidValue, NotFound
from firstboot.events import ClaimWindowOpened
from firstboot.keyring import Keyring
from firstboot.model import (
    CLAIMING_ALLOWED,
    CLAIMING_DATA,
    ClaimOpener,
    ClaimWindow,
    Device,
    DeviceRef,
    Origin,
    Scope,
)
from firstboot.moments import moment_text
from firstboot.observing import Observers
from firstboot.secret import Secret
from firstboot.steady_clock import SteadyClock
from firstboot.storage import (
    AppendAudit,
    AuditEntry,
    CloseClaimWindows,
    OpenClaimWindow,
    Outcome,
    SaveAttributes,
    Storage,
    Write,
    WriteResult,
)
from firstboot.throttle import FailureThrottle

logger = logging.getLogger(__name__)

ADMINISTRATORS_DURATION = timedelta(days=365)
"""How long a window of an administrator is open who has not said until when: goods lie in stores."""
DEVICE_SIDE = (ClaimOpener.DEVICE, ClaimOpener.ADMINISTRATOR)
"""Who opens a device that has no owner yet; the first one's window stands before the other's."""
OWNERS_DURATION = timedelta(hours=24)
TOLD_PER_MINUTE = 5
"""Claim messages of one device that are audited one by one: it may send as many as it wants (threat OP-18)."""
_HOOK = "firstboot_claim_window_opened"
_OPENED = "claim-window-opened"
_REFUSED = "claim-window-refused"


@dataclass(frozen=True, slots=True)
class OpenedWindow:
    """What is told once to whoever opened a window."""

    secret: Secret
    until_ms: int


class ClaimWindows:
    """Opens, lists and closes claim windows. Each is a row: it survives a restart (threat CM-11)."""

    def __init__(
        self,
        config: ClaimingConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        clock: Clock,
        observers: Observers | None = None,
    ) -> None:
        """``observers``: None where there are none, such as in a command."""
        self._config = config
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._clock = clock
        self._steady = SteadyClock(clock)
        self._observers = observers
        self._news = FailureThrottle(per_minute=TOLD_PER_MINUTE, max_delay_s=0.0, monotonic=clock.monotonic)
        self._claiming_data = ClaimingData(keyring, config)

    def now_ms(self) -> int:
        """Return the time by which windows end: a clock that was put back neither opens nor shortens one."""
        return self._steady.now_ms()

    async def list(self, device: Device) -> Sequence[ClaimWindow]:
        """Return the claim windows of a device, also those that are over."""
        return await self._storage.claim_windows(device.id)

    async def open_by_device(
        self, device: DeviceRef, secret: Secret, duration_ms: int | None, origin: Origin
    ) -> None:
        """Open a device that wishes so, in place of the window that it opened last.

        ``duration_ms`` None or not above zero: as long as is usual. What is refused is logged and audited, and the
        device is not told (contract CL-1). Of many messages in a minute the first are audited, and all counted.

        Raises: `InvalidValue` for a secret of more than 255 characters, `NotFound`, `Unavailable`.
        """
        _check_length(secret)
        now_ms = self.now_ms()
        is_news = self._news.is_news(f"claim messages of device {device.public_id}")
        refusal = await self._refusal(device, secret)
        if refusal is None:
            window = ClaimWindow(
                device_id=device.id,
                opened_by=ClaimOpener.DEVICE,
                secret_digest=claim_digest(self._keyring, device.public_id, secret),
                expires_at_ms=now_ms + self._duration_ms(secret, duration_ms),
                opened_at_ms=now_ms,
                weak=is_weak(secret),
            )
            result = await self._open(
                device, window, owner_id=None, actor="device", origin=origin, is_news=is_news
            )
            if result.outcome is Outcome.STALE:
                refusal = "already-claimed"
        if refusal is not None and is_news:
            logger.info("a device is not opened for claiming", extra={"code": refusal, "device": device.name})
            reason = CLAIM_REFUSAL_CODES[refusal]
            audit = AuditEntry.of_device(_REFUSED, device, origin, at_ms=now_ms, code=refusal, detail=reason)
            await self._commits.submit(AppendAudit(audit))

    async def _refusal(self, device: DeviceRef, secret: Secret) -> str | None:
        if not secret and not self._config.allow_empty_secret:
            return "empty-secret"
        if not self._config.allow_by_default:
            found = await self._storage.device_attributes(device.id, Scope.SERVER, [CLAIMING_ALLOWED])
            if not found or found[0].value is not True:
                return "claiming-not-allowed"
        return None

    def _duration_ms(self, secret: Secret, wanted_ms: int | None) -> int:
        config = self._config
        if wanted_ms is None or wanted_ms <= 0:
            wanted_ms = milliseconds(config.duration)
        most = config.max_duration if secret else min(config.max_duration, config.empty_secret_duration)
        return min(wanted_ms, milliseconds(most))

    async def open_by_administrator(
        self, device: Device, *, secret: Secret | None = None, until_ms: int | None = None, actor: str
    ) -> OpenedWindow:
        """Open a device until a moment, in place of the administrators' last window.

        Without a secret one is made. ``until_ms`` None: for a year.

        Raises: `InvalidValue`, also for what could open nothing: a moment that is over, a device that somebody
        owns; `NotFound`, `Unavailable`.
        """
        now_ms = self.now_ms()
        if device.customer_id is not None:
            raise InvalidValue(f"{device.name} belongs to a customer: release it first.")
        if until_ms is not None and until_ms < now_ms:
            raise InvalidValue("That moment is over; give a later one.")
        if secret is None:
            secret = new_claim_secret()
        if not secret:
            raise InvalidValue("A secret has at least one character.")
        _check_length(secret)
        if until_ms is None:
            until_ms = now_ms + milliseconds(ADMINISTRATORS_DURATION)
        sealed = self._claiming_data.seal(device.public_id, opening(secret, until_ms), now_ms)
        write = SaveAttributes(
            device_id=device.id,
            scope=Scope.SERVER,
            values={CLAIMING_DATA: sealed.attribute},
            claim_window=sealed.window,
            at_ms=now_ms,
            audit=AuditEntry.of_device(_OPENED, device.ref, at_ms=now_ms, actor=actor, detail=_until(until_ms)),
        )
        _raise_unless_done(await self._commits.submit(write), device.ref)
        self._tell(device.ref, ClaimOpener.ADMINISTRATOR, until_ms, now_ms)
        return OpenedWindow(secret, until_ms)

    async def open_by_owner(self, device: Device, *, actor: str, origin: Origin) -> OpenedWindow:
        """Open a device that a customer owns for the customer who is to own it next, for a day.

        Raises: `NotFound`, also when the customer has just lost the device; `Unavailable`.
        """
        secret, now_ms = new_claim_secret(), self.now_ms()
        window = ClaimWindow(
            device_id=device.id,
            opened_by=ClaimOpener.OWNER,
            secret_digest=claim_digest(self._keyring, device.public_id, secret),
            expires_at_ms=now_ms + milliseconds(OWNERS_DURATION),
            opened_at_ms=now_ms,
        )
        result = await self._open(device.ref, window, owner_id=device.customer_id, actor=actor, origin=origin)
        _raise_unless_done(result, device.ref)
        return OpenedWindow(secret, window.expires_at_ms)

    async def use_up(self, device: Device, *, actor: str) -> None:
        """Close what opened a device before it got its owner, and take its leave to open itself (contract 4.4).

        Raises: `NotFound`, `Unavailable`.
        """
        await self._close(device, DEVICE_SIDE, actor, permission=True)

    async def close(
        self, device: Device, *, opened_by: Sequence[ClaimOpener] = tuple(ClaimOpener), actor: str
    ) -> None:
        """Close the windows of a device, those of everybody unless some are named.

        Raises: `NotFound`, `Unavailable`.
        """
        await self._close(device, opened_by, actor)

    async def _close(
        self, device: Device, opened_by: Sequence[ClaimOpener], actor: str, *, permission: bool = False
    ) -> None:
        at_ms = self._clock.now_ms()
        audit = AuditEntry.of_device("claim-window-closed", device.ref, at_ms=at_ms, actor=actor)
        write = CloseClaimWindows(
            device_id=device.id, opened_by=tuple(opened_by), permission=permission, audit=audit
        )
        _raise_unless_done(await self._commits.submit(write), device.ref)

    async def _open(
        self,
        device: DeviceRef,
        window: ClaimWindow,
        *,
        owner_id: int | None,
        actor: str,
        origin: Origin,
        is_news: bool = True,
    ) -> WriteResult:
        at_ms, detail = window.opened_at_ms, _until(window.expires_at_ms)
        audit = None
        if is_news:
            audit = AuditEntry.of_device(_OPENED, device, origin, at_ms=at_ms, actor=actor, detail=detail)
        result = await self._commits.submit(OpenClaimWindow(window=window, owner_id=owner_id, audit=audit))
        if result.outcome is Outcome.DEVICE_GONE:
            raise _gone(device)
        if result.outcome is Outcome.DONE:
            self._tell(device, window.opened_by, window.expires_at_ms, window.opened_at_ms)
        return result

    def _tell(self, device: DeviceRef, opener: ClaimOpener, until_ms: int, at_ms: int) -> None:
        if self._observers is not None and self._observers.wanted(_HOOK):
            event = ClaimWindowOpened(device=device, opened_by=opener.value, until_ms=until_ms, at_ms=at_ms)
            self._observers.tell(_HOOK, event)


def _check_length(secret: Secret) -> None:
    if len(secret) > MAX_LENGTH:
        raise InvalidValue(f"A claim secret has at most {MAX_LENGTH} characters.")


def _until(until_ms: int) -> str:
    return f"until {moment_text(until_ms)}"


def _raise_unless_done(result: WriteResult, device: DeviceRef) -> None:
    if result.outcome is not Outcome.DONE:
        raise _gone(device)


def _gone(device: DeviceRef) -> NotFound:
    return NotFound(f"There is no device named {device.name!r}.")
