"""Asking an object that a plugin offers, such as a strategy or a credential generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firstboot.calls import PluginFailed, PluginRunner
from firstboot.errors import ProvisioningRefused


@dataclass(frozen=True, slots=True)
class Offered:
    """What a plugin offers for requests, with the runner that contains it."""

    runner: PluginRunner
    object: Any

    async def ask(self, start: Callable[[], Any]) -> Any:
        """Call the object. What it returns at once costs nothing more; what it awaits is cut off.

        Raises: what the object refuses with, or `ProvisioningRefused` (``plugin-error``).
        """
        try:
            return await self.runner.ask(start)
        except PluginFailed as failure:
            raise ProvisioningRefused(str(failure), code="plugin-error") from failure

    def unusable(self, what: str) -> ProvisioningRefused:
        """Count an answer that cannot be used as the plugin's failure, and return the refusal to raise."""
        return ProvisioningRefused(str(self.runner.count_failure(what)), code="plugin-error")
