"""The description of all this, for programs."""

from __future__ import annotations

from functools import cache
from typing import Any

from firstboot_plugins.admin.operation import PUBLIC, Call, operation
from firstboot_plugins.admin.own.health import TAG
from firstboot_plugins.admin.own.problems import FIRSTBOOT


@cache
def _document() -> dict[str, Any]:
    from firstboot_plugins.admin.openapi import document
    from firstboot_plugins.admin.registry import operations

    return document(operations())


@operation("GET", "/api/firstboot/openapi.json", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, answers=dict[str, Any])
async def openapi(call: Call) -> dict[str, Any]:
    """Get this document."""
    return _document()


OPERATIONS = (openapi,)
