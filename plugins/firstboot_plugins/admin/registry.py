"""All calls of the administrators' REST API."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module

from firstboot_plugins.admin.operation import Operation

MODULES: Sequence[str] = (
    "own.health",
    "own.server",
    "own.me",
    "own.profiles",
    "own.devices",
    "own.certificates",
    "own.claim_windows",
    "own.owners",
    "own.claims",
    "own.my_devices",
    "own.audit",
    "own.events",
    "own.tokens",
    "own.tenants",
    "own.openapi_document",
    "thingsboard.authentication",
    "thingsboard.activation",
    "thingsboard.customers",
    "thingsboard.users",
    "thingsboard.device_profiles",
    "thingsboard.device_profile_infos",
    "thingsboard.tenants",
    "thingsboard.claiming",
    "thingsboard.devices",
    "thingsboard.device_lists",
    "thingsboard.device_owners",
    "thingsboard.credentials",
    "thingsboard.attributes",
    "thingsboard.telemetry",
    "thingsboard.rpc",
    "thingsboard.bulk_import",
)
"""Modules below this package; each has its calls in ``OPERATIONS``."""


@cache
def operations() -> tuple[Operation, ...]:
    """Return every call. A module that cannot be imported stops the start: it is a part of this plugin."""
    package = __name__.rpartition(".")[0]
    return tuple(each for module in MODULES for each in import_module(f"{package}.{module}").OPERATIONS)
