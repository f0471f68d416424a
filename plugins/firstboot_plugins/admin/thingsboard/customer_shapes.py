"""Customers as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field

from firstboot.model import Customer
from firstboot_plugins.admin.thingsboard.entity_ids import EntityId, EntityType, GivenId, entity_id
from firstboot_plugins.admin.thingsboard.shapes import Shape, Text


class ContactFields(Shape):
    """Where somebody is to be found; kept, and shown again."""

    country: Text | None = None
    state: Text | None = None
    city: Text | None = None
    address: Text | None = None
    address2: Text | None = None
    zip: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    additional_info: dict[str, Any] | None = None


class CustomerBody(ContactFields):
    """A customer as clients send it; the tenant is always the asker's own (threat LG-8)."""

    id: GivenId | None = None
    title: str | None = None
    version: int | None = None

    def details(self) -> Mapping[str, Any]:
        """Return what is kept beside the title."""
        sent = {field.alias or name: getattr(self, name) for name, field in ContactFields.model_fields.items()}
        return {name: value for name, value in sent.items() if value is not None}


class CustomerShape(ContactFields):
    """A customer."""

    id: EntityId
    created_time: int
    tenant_id: EntityId
    title: str
    name: str
    """The title."""
    external_id: None = None
    version: int


class CustomerShortInfo(Shape):
    """A customer's title."""

    title: str
    is_public: bool


class TitleParameters(Shape):
    """Which customer."""

    customer_title: Annotated[str, Field(min_length=1, max_length=255)]


def customer_shape(customer: Customer, tenant: UUID) -> CustomerShape:
    """Return the customer as JSON."""
    kept = {name: customer.details.get(field.alias or name) for name, field in ContactFields.model_fields.items()}
    return CustomerShape(
        **kept,
        id=entity_id(EntityType.CUSTOMER, customer.public_id),
        created_time=customer.created_at_ms,
        tenant_id=entity_id(EntityType.TENANT, tenant),
        title=customer.title,
        name=customer.title,
        version=customer.version,
    )
