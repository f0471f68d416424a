"""What processes tell each other through the storage."""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass

_encode = json.JSONEncoder(separators=(",", ":")).encode

TOKEN_CREATED = "created"
"""The ``detail`` of a change by which an API token was made: what was opened with it since goes on."""


class ChangeKind(enum.StrEnum):
    """What another process must look at again."""

    PROFILE = "profile"
    CREDENTIALS = "credentials"
    """``ref`` is the id of the device whose sessions must end."""
    DEVICE_DELETED = "device-deleted"
    DEVICE_DISABLED = "device-disabled"
    ATTRIBUTES = "attributes"
    """Shared attributes of the device ``ref`` changed; ``detail`` names the keys (`AttributeChange`)."""
    USER = "user"
    """The user ``ref`` was changed or deleted, or has lost its logins."""
    API_TOKEN = "api-token"
    """The token ``ref`` was made (``detail`` is `TOKEN_CREATED`), changed or revoked."""
    RESOURCE = "resource"
    """The resource ``ref`` was made, changed or deleted; ``detail`` is its kind."""
    POOL = "pool"
    """The pool of the profile ``ref`` has a member that is ready, and had it not before."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that a process other than the one that did it must know."""

    id: int
    kind: ChangeKind
    ref: int
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AttributeChange:
    """The ``detail`` of a change of shared attributes."""

    updated: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()

    def to_json(self) -> str:
        return _encode([self.updated, self.deleted])

    @classmethod
    def from_json(cls, text: str) -> AttributeChange:
        updated, deleted = json.loads(text)
        return cls(tuple(updated), tuple(deleted))
