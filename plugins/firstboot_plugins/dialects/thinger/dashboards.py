"""Dashboards: documents that programs draw, and the server only keeps (contract section 9)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot_plugins.dialects.thinger.assets import AssetKind
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.errors import ThingerError

_KEPT = {"widgets": list, "tabs": list, "controls": object, "functions": object, "placeholders": object,
         "properties": object}  # fmt: skip
"""Members that are kept as they are, and what they must be."""


def read_dashboard(fields: BodyFields, before: Mapping[str, Any] | None) -> dict[str, Any]:
    """Read a create body (``before`` None), or one that changes some members.

    Raises: `ThingerError`.
    """
    sent: dict[str, Any] = {
        name: text for name in ("name", "description") if (text := fields.text(name)) is not None
    }
    for name, kind in _KEPT.items():
        if fields.has(name):
            value = fields.take(name)
            if not isinstance(value, kind):
                raise ThingerError(400, f"invalid field: {name}")
            sent[name] = value
    if before is None:
        for name in ("name", "widgets"):
            if name not in sent:
                raise ThingerError(400, f"missing field: {name}")
    return {**(before or {}), **sent}


DASHBOARD = AssetKind("dashboard", "Dashboard", read_dashboard)
