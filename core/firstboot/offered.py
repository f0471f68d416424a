"""Asking an object that a plugin offers, such as a strategy or a credential generator."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from firstboot.calls import PluginFailed, PluginRunner
from firstboot.errors import ProvisioningRefused
from firstboot.model import Credentials


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

    def ask_at_once(self, start: Callable[[], Any]) -> Any:
        """Call a plain function of the object.

        Raises: what the object refuses with, or `ProvisioningRefused` (``plugin-error``).
        """
        try:
            return start()
        except ProvisioningRefused:
            raise
        except BaseException as error:
            raise self.unusable(f"raised {type(error).__name__}") from error

    def usable_credentials(self, type_: str, issued: object) -> Credentials:
        """Return what a generator has issued if it can be stored, and told to the device, as it is.

        Raises: `ProvisioningRefused` (``plugin-error``).
        """
        if not isinstance(issued, Credentials) or issued.type != type_:
            raise self.unusable(f"issued something that is not credentials of type {type_}")
        if not isinstance(issued.id, str) or not issued.id or not isinstance(issued.value, str | None):
            raise self.unusable("issued credentials without a text as their id, or with no text as their value")
        told = self.ask_at_once(lambda: self.object.reveal(issued))
        if not _is_plain(told):
            try:
                json.dumps(told)
            except (TypeError, ValueError, RecursionError) as error:
                raise self.unusable("issued credentials that cannot be told in JSON") from error
        return issued

    def unusable(self, what: str) -> ProvisioningRefused:
        """Count an answer that cannot be used as the plugin's failure, and return the refusal to raise."""
        return ProvisioningRefused(str(self.runner.count_failure(what)), code="plugin-error")


def _is_plain(told: object) -> bool:
    """Say at a glance that JSON can say it, as it can nearly always: a text, an object of texts, or nothing."""
    if type(told) is dict:
        for key, value in told.items():
            if type(key) is not str or (type(value) is not str and value is not None):
                return False
        return True
    return told is None or type(told) is str
