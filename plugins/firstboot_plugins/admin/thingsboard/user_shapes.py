"""People as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from firstboot.model import Authority, User
from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, EntityType, GivenId, entity_id
from firstboot_plugins.admin.thingsboard.shapes import Shape, Text


class UserBody(Shape):
    """A user as clients send it; the tenant is always the asker's own (threat LG-8)."""

    id: GivenId | None = None
    email: str | None = None
    authority: Authority | None = None
    customer_id: GivenId | None = None
    first_name: Text | None = None
    last_name: Text | None = None
    phone: Text | None = None
    additional_info: dict[str, Any] | None = None
    version: int | None = None

    def details(self) -> Mapping[str, Any]:
        """Return what is kept beside names and rights."""
        sent = {"phone": self.phone, "additionalInfo": self.additional_info}
        return {name: value for name, value in sent.items() if value is not None}


class UserShape(Shape):
    """A user."""

    id: EntityId
    created_time: int
    tenant_id: EntityId
    customer_id: EntityId
    email: str
    name: str
    """The e-mail address."""
    authority: Authority
    first_name: str | None
    last_name: str | None
    phone: str | None
    additional_info: dict[str, Any] | None
    version: int


class ActivationParameters(Shape):
    """Whether to send an e-mail."""

    send_activation_mail: bool = True


class ActivationLinkInfo(Shape):
    """Where a user chooses a first password, and for how long."""

    value: str
    ttl_ms: int


class EnabledParameters(Shape):
    """Whether the user may log in."""

    user_credentials_enabled: bool = True


def user_shape(user: User, tenant: UUID | None, customer: UUID | None) -> UserShape:
    """Return the user as JSON."""
    return UserShape(
        id=entity_id(EntityType.USER, user.public_id),
        created_time=user.created_at_ms,
        tenant_id=entity_id(EntityType.TENANT, tenant),
        customer_id=entity_id(EntityType.CUSTOMER, customer),
        email=user.email,
        name=user.email,
        authority=user.authority,
        first_name=user.first_name,
        last_name=user.last_name,
        phone=user.details.get("phone"),
        additional_info=user.details.get("additionalInfo"),
        version=user.version,
    )
