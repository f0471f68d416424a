"""How often claims may fail, without locking out whoever bought the device (threats CM-1 to CM-3).

Failures belong to whoever fails: a person, the people of a customer on one device, an address as far as its people
have failed. Counted in memory, by each server on its own.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import TypeAlias
from weakref import WeakValueDictionary

from firstboot.claimants import Claimant
from firstboot.clock import Clock
from firstboot.config import ClaimingConfig
from firstboot.errors import ClaimRefused
from firstboot.throttle import source_of

HOUR_S = 3600.0
MAX_COUNTED = 50_000
"""Persons, addresses and devices of which failures are remembered; the oldest are forgotten first."""

_Failures: TypeAlias = deque[float]


class ClaimThrottle:
    """Counts failed claims."""

    def __init__(self, config: ClaimingConfig, clock: Clock) -> None:
        self._config = config
        self._monotonic = clock.monotonic
        self._counted: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._turns: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, claimant: Claimant) -> AsyncIterator[None]:
        """Let a person claim. One at a time: side by side all would pass before the first of them counts.

        Raises: `ClaimRefused` (``locked``) when no secret is to be looked at.
        """
        turn = self._turns.setdefault(claimant.person, asyncio.Lock())
        async with turn:
            self._raise_if_locked(claimant)
            yield

    def _raise_if_locked(self, claimant: Claimant) -> None:
        config, now = self._config, self._monotonic()
        failures = self._recent(claimant.person)
        if not failures:
            return  # whoever has not failed is not held up by those who did (threat CM-2)
        window_s, wait_s = config.failure_window.total_seconds(), config.failure_wait.total_seconds()
        recent = [at for at in failures if at > now - window_s]
        if len(recent) >= config.failures:
            _lock(failures[-1] + wait_s - now)
        if len(failures) >= config.failures_per_hour:
            _lock(failures[0] + HOUR_S - now)
        of_address = self._recent(("address", source_of(claimant.address)))
        if len(of_address) >= config.address_failures_per_hour:
            _lock(of_address[0] + HOUR_S - now)

    def check_device(self, claimant: Claimant, device_id: int) -> None:
        """Look whether the people of a customer have failed too often on one device.

        Raises: `ClaimRefused` (``locked``), not for somebody who has never failed on it.
        """
        if not self.has_failed(claimant, device_id):
            return
        failures = self._recent(("customer", claimant.group, device_id))
        if len(failures) >= self._config.device_failures_per_hour:
            _lock(failures[0] + HOUR_S - self._monotonic())

    def has_failed(self, claimant: Claimant, device_id: int) -> bool:
        """Say whether this person has failed on this device not long ago."""
        return bool(self._recent((claimant.person, device_id)))

    def failed(self, claimant: Claimant, device_id: int | None) -> bool:
        """Count a failed claim; return whether the device is being guessed at, the moment that this begins."""
        now = self._monotonic()
        self._count(claimant.person, now)
        self._count(("address", source_of(claimant.address)), now)
        if device_id is None:
            return False
        self._count((claimant.person, device_id), now)
        self._count(("customer", claimant.group, device_id), now)
        of_device = self._count(("device", device_id), now)
        if len(of_device) <= self._config.guessed_failures_per_hour:
            return False
        of_device.clear()  # begins to count anew, so that it is told once
        return True

    def _recent(self, key: Hashable) -> _Failures:
        failures = self._counted.get(key)
        if failures is None:
            return deque()
        # What makes somebody wait may be set longer than an hour.
        config = self._config
        kept_s = max(HOUR_S, config.failure_window.total_seconds(), config.failure_wait.total_seconds())
        while failures and failures[0] <= self._monotonic() - kept_s:
            failures.popleft()
        return failures

    def _count(self, key: Hashable, now: float) -> _Failures:
        failures = self._recent(key)
        failures.append(now)
        self._counted[key] = failures
        self._counted.move_to_end(key)
        if len(self._counted) > MAX_COUNTED:
            self._counted.popitem(last=False)
        return failures


def _lock(wait_s: float) -> None:
    if wait_s > 0:
        raise ClaimRefused(
            "locked", "Too many claims have failed; try again later.", retry_after_s=math.ceil(wait_s)
        )
