"""Tortoise models over the tables of the migrations, for reading.

They are made anew for each kind of database, because Tortoise keeps the SQL dialect in the class: shared by an
SQLite and a PostgreSQL storage in one process, they would speak to both in the dialect of the last one opened.
"""

from __future__ import annotations

from typing import TypeVar, cast

from tortoise import fields
from tortoise.models import Model

M = TypeVar("M", bound=Model)


class MetaValue(Model):
    name = fields.CharField(255, primary_key=True)
    value = fields.BinaryField()

    class Meta:
        abstract = True


class DeviceProfile(Model):
    id = fields.BigIntField(primary_key=True)
    public_id = fields.BinaryField()
    tenant_id = fields.BigIntField()
    name = fields.TextField()
    strategy = fields.TextField()
    provision_key = fields.TextField(null=True)
    secret_digest = fields.BinaryField(null=True)
    secret_sealed = fields.BinaryField(null=True)
    previous_secret_digest = fields.BinaryField(null=True)
    previous_secret_until_ms = fields.BigIntField(null=True)
    enabled = fields.SmallIntField()
    settings = fields.TextField()
    created_at_ms = fields.BigIntField()
    is_default = fields.SmallIntField()
    version = fields.IntField()

    class Meta:
        abstract = True


class Change(Model):
    id = fields.BigIntField(primary_key=True)
    kind = fields.TextField()
    ref = fields.BigIntField()
    at_ms = fields.BigIntField()
    detail = fields.TextField(null=True)

    class Meta:
        abstract = True


class Models:
    """One set of classes that can be queried. Devices, people and the audit log are read with SQL."""

    def __init__(self) -> None:
        self.meta = _concrete(MetaValue, "meta")
        self.profile = _concrete(DeviceProfile, "device_profile")
        self.change = _concrete(Change, "change")

    def all(self) -> list[type[Model]]:
        """Return the classes for Tortoise to find."""
        return list(vars(self).values())


def _concrete(base: type[M], table: str) -> type[M]:
    meta = type("Meta", (), {"table": table})
    return cast("type[M]", type(base.__name__, (base,), {"Meta": meta, "__module__": __name__}))
