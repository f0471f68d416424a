"""Whether the server can do its work, in one word and with reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from firstboot.config import Address
from firstboot.errors import Unavailable
from firstboot.listening import open_listeners
from firstboot.plugin_manager import PluginManager
from firstboot.storage import Storage

if TYPE_CHECKING:
    from firstboot.tls import Tls

STORAGE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Health:
    """How the server is. The word is for everybody, the reasons are for operators."""

    status: str
    """``ok``, or ``degraded``: something that devices need does not work."""
    reasons: tuple[str, ...] = ()
    """Why it is degraded."""
    warnings: tuple[str, ...] = ()
    """What works, and an operator should know of."""


class HealthCheck:
    """Looks at what the server depends on."""

    def __init__(
        self,
        storage: Storage,
        write_failed: asyncio.Event,
        plugins: PluginManager,
        listeners: Mapping[str, Address],
        tls: Tls | None = None,
    ) -> None:
        """``write_failed`` is set while the last write has failed."""
        self._storage = storage
        self._write_failed = write_failed
        self._plugins = plugins
        self._listeners = listeners
        self._tls = tls

    async def __call__(self) -> Health:
        """Return how the server is now; takes no longer than two seconds."""
        reasons = []
        try:
            async with asyncio.timeout(STORAGE_TIMEOUT_S):
                await self._storage.last_change()
        except Unavailable:
            reasons.append("The database cannot be reached.")
        except TimeoutError:
            reasons.append("The database does not answer in time.")
        if self._write_failed.is_set():
            reasons.append("The last write to the database has failed.")
        reasons += [
            f"Plugin {info.name!r} keeps failing and is left alone for a while."
            for info in self._plugins.infos()
            if self._plugins.is_active(info.name) and self._plugins.runner(info.name).failing
        ]
        warnings = [
            f"Listener {name!r} is open to the network without encryption ({address})."
            for name, address in open_listeners(self._listeners).items()
        ]
        if self._tls is not None:
            reasons += self._tls.faults()
            warnings += self._tls.warnings()
        return Health("degraded" if reasons else "ok", tuple(reasons), tuple(warnings))
