"""What a gateway's session says of other devices (contract 4.6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from firstboot.attributes import DEVICE
from firstboot.errors import NotFound
from firstboot.model import Device, DeviceRef, Scope
from firstboot.sessions import SessionEnd
from firstboot_plugins.dialects.thingsboard import gateway_json
from firstboot_plugins.dialects.thingsboard.claim_json import BadGatewayClaim, ClaimMessage, NoClaims
from firstboot_plugins.dialects.thingsboard.claim_payloads import decode_gateway_claim
from firstboot_plugins.dialects.thingsboard.device_filters import UNSUBSCRIBED_QOS
from firstboot_plugins.dialects.thingsboard.gateway_attached import AttachedDevices, GatewayLink
from firstboot_plugins.dialects.thingsboard.gateway_refusals import REFUSALS, Refusal, refusal_of
from firstboot_plugins.dialects.thingsboard.own_row import OwnRow
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.transports.mqtt.dialect import Message, Reply
from firstboot_plugins.transports.mqtt.packets import Publish, Reason

AT_A_TIME = 50
"""Devices of one message that are served together: no gateway takes all of the storage's time."""
MAX_NOTICES = 50
"""Notices after one message: a client that is sent too much at once is dropped."""
MAX_NAME_LOGGED = 64
ATTRIBUTES_FOUND = "v1/gateway/attributes/response"

Act = Callable[[DeviceRef], Awaitable[None]]


class GatewaySession:
    """Serves what a gateway publishes. What is wrong with one device harms no other of the same message."""

    __slots__ = ("_attached", "_link", "_refused", "_row")

    def __init__(self, link: GatewayLink, row: OwnRow, refused: RefusedMessages) -> None:
        self._link = link
        self._row = row
        self._refused = refused
        self._attached = AttachedDevices(link)

    def listen(self) -> None:
        """Take note of what the gateway has subscribed to."""
        self._attached.listen()

    def close(self) -> None:
        """Disconnect all devices: their gateway has left."""
        self._attached.close()

    async def publish(self, message: Publish) -> Reply:
        """Serve a message on a topic of gateways.

        Raises: `InvalidValue` for a payload that is unreadable as a whole, `NotFound` when the gateway was
        deleted, `Unavailable`.
        """
        gateway = await self._row.as_gateway()
        serve = _SERVED.get(message.topic)
        if gateway is None:
            self._attached.detach_all("no gateway any more")
            self._log(message, "Only a gateway may speak for other devices.")
            return Reply(Reason.TOPIC_NAME_INVALID)
        if serve is None:
            return Reply(Reason.TOPIC_NAME_INVALID)
        try:
            return await serve(self, gateway, message)
        except gateway_json.EmptyName as error:
            self._log(message, str(error))
            return _reply(refusal_of(error))

    # -- topics ------------------------------------------------------------------------------------

    async def _connect(self, gateway: Device, message: Publish) -> Reply:
        name, type_ = gateway_json.connected(message.payload)

        async def nothing_more(device: DeviceRef) -> None:
            pass

        return await self._each(gateway, message, {name: nothing_more}, type_)

    async def _disconnect(self, gateway: Device, message: Publish) -> Reply:
        self._attached.detach(gateway_json.disconnected(message.payload), "disconnected")
        return Reply()

    async def _telemetry(self, gateway: Device, message: Publish) -> Reply:
        reports = gateway_json.by_device(message.payload)
        return await self._each(
            gateway, message, {name: partial(self._save_telemetry, report) for name, report in reports.items()}
        )

    async def _save_telemetry(self, report: Any, device: DeviceRef) -> None:
        services = self._link.services
        points = gateway_json.telemetry(report, services.clock.now_ms())
        await services.telemetry.save(device, points, self._link.origin)

    async def _attributes(self, gateway: Device, message: Publish) -> Reply:
        reports = gateway_json.by_device(message.payload)
        return await self._each(
            gateway, message, {name: partial(self._save_attributes, report) for name, report in reports.items()}
        )

    async def _save_attributes(self, report: Any, device: DeviceRef) -> None:
        values = gateway_json.attributes(report)
        attributes = self._link.services.attributes
        await attributes.save(device, Scope.CLIENT, values, actor=DEVICE, origin=self._link.origin)

    async def _attributes_wanted(self, gateway: Device, message: Publish) -> Reply:
        wanted = gateway_json.attributes_wanted(message.payload)
        answers: list[bytes] = []

        async def read(device: DeviceRef) -> None:
            stored = await self._link.services.attributes.read(device.id, wanted.scope, wanted.keys)
            answers.append(gateway_json.attributes_found(wanted, stored))

        reply = await self._each(gateway, message, {wanted.device: read})
        for payload in answers:
            if not self._link.fits(payload, message.topic):
                return Reply(Reason.QUOTA_EXCEEDED)
            qos = self._link.filters.granted_qos(ATTRIBUTES_FOUND)
            answer = Message(ATTRIBUTES_FOUND, payload, UNSUBSCRIBED_QOS if qos is None else qos)
            return replace(reply, messages=(answer,))
        return reply

    async def _answer(self, gateway: Device, message: Publish) -> Reply:
        answer = gateway_json.answer(message.payload)

        async def take(device: DeviceRef) -> None:
            self._link.services.rpc.answer(device.id, answer.id, answer.value)

        return await self._each(gateway, message, {answer.device: take})

    async def _claim(self, gateway: Device, message: Publish) -> Reply:
        profile = self._link.services.profile_directory.get(gateway.profile_id)
        fault: BadGatewayClaim | None = None
        try:
            claims = decode_gateway_claim(message.payload, profile)
        except NoClaims as error:
            self._log(message, str(error))
            return Reply(Reason.IMPLEMENTATION_SPECIFIC_ERROR, close=True)
        except BadGatewayClaim as error:
            fault, claims = error, error.readable
        reply = await self._each(
            gateway, message, {name: partial(self._open_claim, claim) for name, claim in claims.items()}
        )
        if fault is not None:
            self._log(message, str(fault))
            reply = replace(reply, reason=Reason.PAYLOAD_FORMAT_INVALID)
        # A bad claim ends the connection of MQTT 3, once those of the others have been served (contract 4.2).
        return replace(reply, must_tell=reply.reason == Reason.PAYLOAD_FORMAT_INVALID)

    async def _open_claim(self, claim: ClaimMessage, device: DeviceRef) -> None:
        windows = self._link.services.claim_windows
        await windows.open_by_device(device, claim.secret, claim.duration_ms, self._link.origin)

    # -- one device after the other ----------------------------------------------------------------

    async def _each(
        self, gateway: Device, message: Publish, acts: Mapping[str, Act], type_: str | None = None
    ) -> Reply:
        """Do something for each device, by its name; ``type_`` is for one that has to be made."""
        refused: list[tuple[str, Refusal]] = []
        names = list(acts)
        for start in range(0, len(names), AT_A_TIME):
            some = names[start : start + AT_A_TIME]
            work = (self._one(gateway, message, name, acts[name], type_) for name in some)
            for name, outcome in zip(some, await asyncio.gather(*work, return_exceptions=True), strict=True):
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is not None:
                    refused.append((name, outcome))
        for name, refusal in refused[:MAX_NOTICES]:
            if name:
                self._attached.notice(name, refusal.notice)
        worst = [refusal for _, refusal in refused if refusal.close] + [refusal for _, refusal in refused]
        return _reply(worst[0]) if worst else Reply()

    async def _one(
        self, gateway: Device, message: Publish, name: str, act: Act, type_: str | None
    ) -> Refusal | None:
        try:
            session = await self._attached.attach(gateway, name, type_)
            try:
                await act(session.device.ref)
            except NotFound:  # deleted, and nobody has noticed yet: a gateway that still has it makes it again
                self._attached.detach(name, SessionEnd.DEVICE_DELETED.value)
                session = await self._attached.attach(gateway, name, type_)
                await act(session.device.ref)
        except REFUSALS as error:
            self._log(message, f"{name[:MAX_NAME_LOGGED]!r}: {error}")
            return refusal_of(error)
        return None

    def _log(self, message: Publish, reason: str) -> None:
        self._refused.log(self._link.device, message.topic, reason)


def _reply(refusal: Refusal) -> Reply:
    return Reply(refusal.reason, close=refusal.close)


_SERVED: Mapping[str, Callable[[GatewaySession, Device, Publish], Awaitable[Reply]]] = {
    "v1/gateway/connect": GatewaySession._connect,
    "v1/gateway/disconnect": GatewaySession._disconnect,
    "v1/gateway/telemetry": GatewaySession._telemetry,
    "v1/gateway/attributes": GatewaySession._attributes,
    "v1/gateway/attributes/request": GatewaySession._attributes_wanted,
    "v1/gateway/rpc": GatewaySession._answer,
    "v1/gateway/claim": GatewaySession._claim,
}
