"""Asking plugins whether a device may be provisioned, and as what."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from firstboot.calls import PluginFailed, PluginRunner
from firstboot.errors import InvalidValue, ProvisioningRefused
from firstboot.hookspecs import Change, Refuse
from firstboot.model import PROVISION_STATE, Attribute, DeviceProposal, ProvisioningRequest, Scope
from firstboot.names import clean_name
from firstboot.plugin_manager import PluginManager

MAX_ATTRIBUTES = 100
MAX_KEY_LENGTH = 255
MAX_JSON_BYTES = 65536
_CODE = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")


class Deciders:
    """The deciding hooks for provisioning."""

    def __init__(self, plugins: PluginManager) -> None:
        self._implementations: list[tuple[PluginRunner, Callable[..., Any]]] = plugins.implementations(
            "firstboot_device_provisioning"
        )

    def __bool__(self) -> bool:
        return bool(self._implementations)

    async def ask(self, request: ProvisioningRequest, proposal: DeviceProposal) -> DeviceProposal:
        """Ask one after another; return the proposal as they have changed it.

        Raises: `ProvisioningRefused` with the code of the plugin that refused, or ``plugin-error``.
        """
        for runner, function in self._implementations:
            try:
                answer = await runner.call(function, {"request": request, "proposal": proposal})
                proposal = _apply(runner, proposal, answer)
            except PluginFailed as failure:
                raise ProvisioningRefused(str(failure), code="plugin-error") from failure
        return proposal


def _apply(runner: PluginRunner, proposal: DeviceProposal, answer: object) -> DeviceProposal:
    if answer is None:
        return proposal
    if isinstance(answer, Refuse):
        if not isinstance(answer.code, str) or not _CODE.fullmatch(answer.code):
            raise runner.count_failure("refused with a code that is not lower-case letters, digits and '-'")
        raise ProvisioningRefused(f"{runner.name}: {str(answer.reason)[:256]}", code=answer.code)
    if isinstance(answer, Change):
        try:
            return _changed(proposal, answer)
        except (InvalidValue, TypeError, ValueError, AttributeError) as error:
            raise runner.count_failure(f"asked for a change that is not allowed ({error})") from error
    raise runner.count_failure(f"answered with {type(answer).__name__}")


def _changed(proposal: DeviceProposal, change: Change) -> DeviceProposal:
    attributes = (*proposal.attributes, *(_checked(attribute) for attribute in change.attributes))
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidValue(f"more than {MAX_ATTRIBUTES} attributes")
    return replace(
        proposal,
        name=proposal.name if change.name is None else clean_name(change.name),
        label=proposal.label if change.label is None else clean_name(change.label, "label"),
        gateway=proposal.gateway if change.gateway is None else bool(change.gateway),
        attributes=attributes,
        additional_info={**proposal.additional_info, **_copied(change.additional_info)},
    )


def _checked(attribute: Attribute) -> Attribute:
    key = clean_name(attribute.key, "attribute key")
    if attribute.scope is Scope.SERVER and key == PROVISION_STATE:
        raise InvalidValue(f"{PROVISION_STATE} is set by the server")
    return Attribute(Scope(attribute.scope), key, _copied(attribute.value))


def _copied(value: Any) -> Any:
    """Return a copy through JSON: nothing that JSON cannot say, and no reference that a plugin may keep."""
    text = json.dumps(dict(value) if isinstance(value, Mapping) else value, allow_nan=False)
    if len(text) > MAX_JSON_BYTES:
        raise InvalidValue("a value is too large")
    return json.loads(text)
