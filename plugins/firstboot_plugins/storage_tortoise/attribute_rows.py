"""Attributes that other writes set and delete along with what they are about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from firstboot.model import Attribute, Scope
from firstboot_plugins.storage_tortoise.encoding import to_json
from firstboot_plugins.storage_tortoise.statements import Algorithm, Run

_SET = (
    "INSERT INTO attribute (device_id, scope, key, value, updated_at_ms) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (device_id, scope, key)"
    " DO UPDATE SET value = excluded.value, updated_at_ms = excluded.updated_at_ms"
)
_DELETE = "DELETE FROM attribute WHERE device_id = ? AND scope = ? AND key = ?"


def last_of_each(attributes: Sequence[Attribute]) -> Iterable[Attribute]:
    """Return the attributes without those that a later one of the same scope and key replaces."""
    if len(attributes) < 2:
        return attributes
    return {(each.scope, each.key): each for each in attributes}.values()


def set_attributes(device_id: int, attributes: Sequence[Attribute], at_ms: int) -> Algorithm[None]:
    """Set attributes of one device."""
    for each in last_of_each(attributes):
        yield Run(_SET, (device_id, int(each.scope), each.key, to_json(each.value), at_ms))


def delete_attribute(device_id: int, scope: Scope, key: str) -> Algorithm[None]:
    """Delete an attribute of one device, if it is there."""
    yield Run(_DELETE, (device_id, int(scope), key))
