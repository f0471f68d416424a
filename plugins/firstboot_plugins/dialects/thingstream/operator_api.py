"""The REST API of operators: all calls, and the form of errors that none of them has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from firstboot_plugins.admin.error_shapes import shape
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.dialects.thingstream import (
    operator_keys,
    operator_profiles,
    operator_things,
    operator_tokens,
)

if TYPE_CHECKING:
    from firstboot.app import Services
    from firstboot_plugins.transports.http.answers import ErrorShape

PREFIX = "/thingstream"
OPERATIONS = (
    *operator_profiles.OPERATIONS, *operator_tokens.OPERATIONS, *operator_things.OPERATIONS,
    *operator_keys.OPERATIONS,
)  # fmt: skip


def error_shape(services: Services) -> ErrorShape:
    """Return the form of errors below ``/thingstream``."""
    return shape(services, PREFIX, FIRSTBOOT)
