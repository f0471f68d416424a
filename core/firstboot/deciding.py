"""Asking plugins whether a device may be provisioned, and as what."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from firstboot.calls import PluginFailed, PluginRunner, is_refusal_code
from firstboot.errors import InvalidValue, ProvisioningRefused, Refused, Unavailable
from firstboot.hookspecs import Change, Refuse
from firstboot.model import (
    CLAIMING_DATA,
    PROVISION_STATE,
    Attribute,
    Device,
    DeviceProfile,
    DeviceProposal,
    ProvisioningRequest,
    Scope,
)
from firstboot.names import clean_name
from firstboot.plugin_manager import PluginManager

MAX_ATTRIBUTES = 100
MAX_JSON_BYTES = 65536
MAX_REASON_LENGTH = 256


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
            # Copies: a plugin may keep or change what it is given, and the next one must not see that.
            given = {"request": _copy_of_request(request), "proposal": _copy_of_proposal(proposal)}
            try:
                answer = await runner.call(function, given)
            except PluginFailed as failure:
                raise ProvisioningRefused(str(failure), code="plugin-error") from failure
            except (Refused, Unavailable) as error:  # only `Refuse` refuses
                raise _error(runner, f"raised {type(error).__name__}") from error
            proposal = _apply(runner, proposal, answer)
        return proposal

    async def ask_about(
        self, device: Device, request: ProvisioningRequest, profile: DeviceProfile
    ) -> tuple[Attribute, ...]:
        """Ask whether a device that exists may be given; return the attributes that it gets.

        Raises: as `ask`.
        """
        if not self:
            return ()
        proposal = DeviceProposal(
            name=device.name, profile=profile.name, tenant=profile.tenant_id, label=device.label, existing=True
        )
        return (await self.ask(request, proposal)).attributes


def _copy_of_request(request: ProvisioningRequest) -> ProvisioningRequest:
    return replace(
        request, wanted=replace(request.wanted), facts=dict(request.facts), origin=replace(request.origin)
    )


def _copy_of_proposal(proposal: DeviceProposal) -> DeviceProposal:
    return replace(
        proposal,
        attributes=tuple(Attribute(each.scope, each.key, _copied(each.value)) for each in proposal.attributes),
        additional_info=_copied(proposal.additional_info),
    )


def _error(runner: PluginRunner, what: str) -> ProvisioningRefused:
    return ProvisioningRefused(str(runner.count_failure(what)), code="plugin-error")


def _apply(runner: PluginRunner, proposal: DeviceProposal, answer: object) -> DeviceProposal:
    if answer is None:
        return proposal
    try:
        if isinstance(answer, Change):
            return _changed(proposal, answer)
        code, reason = refusal_of(answer)
    except InvalidValue as error:
        raise _error(runner, f"gave an answer that is not allowed: {error}") from error
    except Exception as error:  # whatever the objects of a plugin may do when they are looked at
        raise _error(runner, f"gave an answer that cannot be used ({type(error).__name__})") from error
    raise ProvisioningRefused(f"{runner.name}: {reason}", code=code)


def refusal_of(answer: object) -> tuple[str, str]:
    """Return code and reason of the `Refuse` that a plugin has answered with.

    Raises: `InvalidValue` when it is none, or has a code that is not allowed.
    """
    if not isinstance(answer, Refuse):
        raise InvalidValue(f"it answered with {type(answer).__name__}")
    code, reason = answer.code, str(answer.reason)[:MAX_REASON_LENGTH]
    if not is_refusal_code(code):
        raise InvalidValue("its code is not lower-case letters, digits and '-'")
    return code, reason


def _changed(proposal: DeviceProposal, change: Change) -> DeviceProposal:
    room = MAX_ATTRIBUTES - len(proposal.attributes)
    added = tuple(_checked(attribute) for attribute in islice(_iterable(change.attributes), room + 1))
    if len(added) > room:
        raise InvalidValue(f"a device gets at most {MAX_ATTRIBUTES} attributes")
    if change.gateway is not None and not isinstance(change.gateway, bool):
        raise InvalidValue("gateway is True, False or None")
    return replace(
        proposal,
        name=proposal.name if change.name is None else clean_name(_text(change.name, "name")),
        label=proposal.label if change.label is None else clean_name(_text(change.label, "label"), "label"),
        gateway=proposal.gateway if change.gateway is None else change.gateway,
        attributes=(*proposal.attributes, *added),
        additional_info=_merged(proposal.additional_info, change.additional_info),
    )


def _iterable(attributes: object) -> Iterable[Any]:
    if not isinstance(attributes, Iterable):
        raise InvalidValue("attributes is a tuple of Attribute")
    return attributes


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise InvalidValue(f"{what} is a text")
    return value


def _checked(attribute: object) -> Attribute:
    if not isinstance(attribute, Attribute) or not isinstance(attribute.scope, Scope):
        raise InvalidValue("attributes are of type Attribute, with a Scope")
    key = clean_name(_text(attribute.key, "attribute key"), "attribute key")
    if attribute.scope is Scope.SERVER and key in (PROVISION_STATE, CLAIMING_DATA):
        raise InvalidValue(f"{key} is set by the server")
    return Attribute(attribute.scope, key, _copied(attribute.value))


def _merged(info: Mapping[str, Any], added: object) -> dict[str, Any]:
    if not isinstance(added, Mapping):
        raise InvalidValue("additional_info is a mapping")
    merged: dict[str, Any] = _copied({**info, **added})
    return merged


def _copied(value: Any) -> Any:
    """Return a copy through JSON: nothing that JSON cannot say, and no reference that a plugin may keep."""
    text = json.dumps(dict(value) if isinstance(value, Mapping) else value, allow_nan=False)
    if len(text) > MAX_JSON_BYTES:
        raise InvalidValue(f"a value has more than {MAX_JSON_BYTES} bytes of JSON")
    return json.loads(text)
