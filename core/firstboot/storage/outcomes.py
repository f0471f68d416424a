"""How writes end."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """How one write ended."""

    DONE = "done"
    NAME_TAKEN = "name-taken"
    """Also the title of a customer, the e-mail address of a user, the name of a token."""
    KEY_TAKEN = "key-taken"
    CREDENTIALS_IN_USE = "credentials-in-use"
    DEVICE_LIMIT = "device-limit"
    PROFILE_GONE = "profile-gone"
    DEVICE_GONE = "device-gone"
    GONE = "gone"
    """The tenant, customer, user, user session or token is not there."""
    CUSTOMER_GONE = "customer-gone"
    """The customer that was named is not there, or is another tenant's."""
    STALE = "stale"
    """The write was to happen only in a certain state or version, and that is over."""
    IN_USE = "in-use"
    """A profile that has devices cannot be deleted."""
    DEFAULT_TAKEN = "default-taken"
    """The tenant has another default profile."""
    POOL_EMPTY = "pool-empty"
    """No member of the pool is ready."""


@dataclass(frozen=True, slots=True)
class WriteResult:
    """The outcome of one write, and the id of what it made, if it made something."""

    outcome: Outcome
    id: int = 0
    version: int = 0
    """The new version of what was updated."""
    parts: tuple[WriteResult, ...] = ()
    """The results of `firstboot.storage.Together`, when all of it was done."""
