"""How often a password may be guessed, without locking out whoever it belongs to (threat LG-2).

Counted in memory, by each server on its own. A change of the user counts as a new account, so whoever may
change it (`firstboot user unlock`) lets everybody try again, on every server.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from firstboot.config import LoginConfig
from firstboot.errors import NotAuthenticated
from firstboot.throttle import source_of

HOUR_S = 3600.0
KNOWN_FOR_S = 30 * 86_400.0
"""How long after a good login an address counts as the account owner's."""
MAX_PAIRS = 20_000
"""Guesses are so slow that more than these cannot be counted within the time that they count."""
MAX_ACCOUNTS = 10_000
MAX_KNOWN = 10_000

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Account(NamedTuple):
    """Whose password is tried: an address that somebody typed, whether or not there is such a user."""

    email: str
    version: int
    """Of the user; 0 when there is none."""


@dataclass(slots=True)
class _Failures:
    """When the last failures were, and how many attempts are not decided yet."""

    at: deque[float] = field(default_factory=deque)
    under_way: int = 0

    def forget(self, before: float) -> None:
        while self.at and self.at[0] <= before:
            self.at.popleft()


class Attempt:
    """One password that is being checked. One that nobody judges counts for nothing."""

    def __init__(self) -> None:
        self.right: bool | None = None

    def judge(self, right: bool) -> None:
        """Say whether the password was the right one."""
        self.right = right


class LoginThrottle:
    """Counts wrong passwords per account and address, and per account."""

    def __init__(self, config: LoginConfig, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._monotonic = monotonic
        self._pairs: OrderedDict[tuple[Account, str], _Failures] = OrderedDict()
        self._accounts: OrderedDict[Account, _Failures] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._turns: WeakValueDictionary[tuple[Account, str], asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, account: Account, address: str) -> AsyncIterator[Attempt]:
        """Let a password be checked, and count how that ends.

        Attempts on one account from one address take turns: side by side they would all pass before the
        first of them counts.

        Raises: `NotAuthenticated` (``locked``) when the password is not to be looked at.
        """
        pair = (account, source_of(address))
        turn = self._turns.setdefault(pair, asyncio.Lock())
        async with turn:
            self._raise_if_pair_waits(pair)
            failures = self._account_of(account)
            self._raise_if_account_is_guessed(failures, pair)
            failures.under_way += 1
            attempt = Attempt()
            try:
                yield attempt
            finally:
                failures.under_way -= 1
                if attempt.right is not None:
                    self._count(pair, failures, attempt.right)

    def _raise_if_pair_waits(self, pair: tuple[Account, str]) -> None:
        failures = self._pairs.get(pair)
        if failures is None or len(failures.at) < self._config.failures:
            return
        wait_s = failures.at[-1] + self._config.failure_wait.total_seconds() - self._monotonic()
        if wait_s > 0:
            raise _locked(wait_s)
        del self._pairs[pair]

    def _raise_if_account_is_guessed(self, failures: _Failures, pair: tuple[Account, str]) -> None:
        account, source = pair
        now = self._monotonic()
        failures.forget(now - HOUR_S)
        if len(failures.at) + failures.under_way < self._config.failures_per_hour:
            return
        known_since = self._known.get((account.email, source))
        if known_since is None or now - known_since > KNOWN_FOR_S:
            raise _locked(failures.at[0] + HOUR_S - now if failures.at else 1.0)

    def _account_of(self, account: Account) -> _Failures:
        failures = self._accounts.setdefault(account, _Failures())
        self._accounts.move_to_end(account)
        _bound(self._accounts, MAX_ACCOUNTS)
        return failures

    def _count(self, pair: tuple[Account, str], of_account: _Failures, right: bool) -> None:
        now = self._monotonic()
        if right:
            self._pairs.pop(pair, None)
            known = (pair[0].email, pair[1])
            self._known[known] = now
            self._known.move_to_end(known)
            _bound(self._known, MAX_KNOWN)
            return
        of_account.at.append(now)
        failures = self._pairs.setdefault(pair, _Failures())
        self._pairs.move_to_end(pair)
        _bound(self._pairs, MAX_PAIRS)
        failures.forget(now - self._config.failure_window.total_seconds())
        failures.at.append(now)


def _locked(wait_s: float) -> NotAuthenticated:
    return NotAuthenticated(
        "locked", "User account is locked due to security policy", retry_after_s=max(1, math.ceil(wait_s))
    )


def _bound(entries: OrderedDict[_Key, _Value], most: int) -> None:
    while len(entries) > most:
        entries.popitem(last=False)
