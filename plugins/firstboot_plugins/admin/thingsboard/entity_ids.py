"""ThingsBoard's way to name things: ``{"entityType": "DEVICE", "id": "..."}`` (contract 5.3)."""

from __future__ import annotations

import enum
from uuid import UUID

from firstboot.access_tokens import NO_ENTITY
from firstboot.errors import NotFound
from firstboot_plugins.admin.thingsboard.shapes import Shape

NOBODY = NO_ENTITY
"""What stands for no customer, and for the tenant of those who have none."""


class EntityType(enum.StrEnum):
    """Kinds of things that have an id."""

    TENANT = "TENANT"
    CUSTOMER = "CUSTOMER"
    USER = "USER"
    DEVICE = "DEVICE"
    DEVICE_PROFILE = "DEVICE_PROFILE"


class EntityId(Shape):
    """A thing, and what kind of thing it is."""

    entity_type: EntityType
    id: UUID


class GivenId(Shape):
    """An id as clients send it; what kind of thing it is follows from where it stands."""

    id: UUID


def entity_id(kind: EntityType, public_id: UUID | None) -> EntityId:
    """Return an id for an answer; None is nobody."""
    return EntityId(entity_type=kind, id=public_id or NOBODY)


def given(sent: GivenId | None) -> UUID | None:
    """Return the id that a client sent; null, nothing and nobody are the same."""
    return None if sent is None or sent.id == NOBODY else sent.id


def not_found(kind: str, public_id: UUID) -> NotFound:
    """Return the error of a thing that is not there, or is another's. ``kind``: such as ``Device profile``."""
    return NotFound(f"{kind} with id [{public_id}] is not found")
