"""Asking plugins whether a customer may own a device, or give it back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from firstboot.calls import PluginFailed, PluginRunner
from firstboot.deciding import refusal_of
from firstboot.errors import ClaimRefused, InvalidValue, Refused, Unavailable
from firstboot.events import Claim
from firstboot.plugin_manager import PluginManager

_CLAIMING = "firstboot_device_claiming"
_RELEASING = "firstboot_device_releasing"


class ClaimDeciders:
    """The deciding hooks for claiming and releasing."""

    def __init__(self, plugins: PluginManager) -> None:
        self._claiming = plugins.implementations(_CLAIMING)
        self._releasing = plugins.implementations(_RELEASING)

    async def may_claim(self, claim: Claim) -> None:
        """Ask whether a customer may own a device.

        Raises: `ClaimRefused` with the code of the plugin that refused, or ``plugin-error``.
        """
        await _ask(self._claiming, claim)

    async def may_release(self, claim: Claim) -> None:
        """Ask whether an owner may give a device back.

        Raises: as `may_claim`.
        """
        await _ask(self._releasing, claim)


async def _ask(implementations: list[tuple[PluginRunner, Callable[..., Any]]], claim: Claim) -> None:
    for runner, function in implementations:
        try:
            answer = await runner.call(function, {"claim": replace(claim, origin=replace(claim.origin))})
        except PluginFailed as failure:
            raise ClaimRefused("plugin-error", str(failure)) from failure
        except (Refused, Unavailable) as error:  # only `Refuse` refuses
            raise _error(runner, f"raised {type(error).__name__}") from error
        if answer is None:
            continue
        try:
            code, reason = refusal_of(answer)
        except InvalidValue as error:
            raise _error(runner, f"gave an answer that is not allowed: {error}") from error
        except Exception as error:  # whatever the objects of a plugin may do when they are looked at
            raise _error(runner, f"gave an answer that cannot be used ({type(error).__name__})") from error
        raise ClaimRefused(code, f"{runner.name}: {reason}")


def _error(runner: PluginRunner, what: str) -> ClaimRefused:
    return ClaimRefused("plugin-error", str(runner.count_failure(what)))
