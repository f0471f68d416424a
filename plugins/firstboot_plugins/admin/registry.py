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
    "own.pools",
    "own.pool_members",
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
OF_DIALECTS: Sequence[str] = ("firstboot_plugins.dialects.thingstream.operator_api",)
"""Modules of dialects with ``OPERATIONS`` for operators, whose routes the dialects offer themselves."""


@cache
def own_operations() -> tuple[Operation, ...]:
    """Return the calls of this plugin. A module that cannot be imported stops the start."""
    package = __name__.rpartition(".")[0]
    return tuple(each for module in MODULES for each in import_module(f"{package}.{module}").OPERATIONS)


@cache
def operations() -> tuple[Operation, ...]:
    """Return every call that the server may have, for whoever describes them all."""
    of_dialects = (each for module in OF_DIALECTS for each in import_module(module).OPERATIONS)
    return (*own_operations(), *of_dialects)
