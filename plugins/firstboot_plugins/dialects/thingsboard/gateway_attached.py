"""The devices that are connected through one gateway's session."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from firstboot.app import Services
from firstboot.errors import LimitReached
from firstboot.model import Device, DeviceRef, Origin
from firstboot.sessions import SessionEnd, device_owner
from firstboot_plugins.dialects.thingsboard import gateway_json
from firstboot_plugins.dialects.thingsboard.config import ThingsBoardConfig
from firstboot_plugins.dialects.thingsboard.device_filters import UNSUBSCRIBED_QOS, Filters
from firstboot_plugins.dialects.thingsboard.gateway_device_session import ATTRIBUTES, CALLS, GatewayDeviceSession
from firstboot_plugins.dialects.thingsboard.gateway_devices import GatewayDevices
from firstboot_plugins.dialects.thingsboard.gateway_pace import Pace
from firstboot_plugins.dialects.thingsboard.gateway_refusals import UNSPECIFIED
from firstboot_plugins.dialects.thingsboard.gateway_rights import are_one_fleet
from firstboot_plugins.transports.mqtt.dialect import Message, Sender

NOTICES = "v1/gateway/disconnect"
_UNTOLD = (SessionEnd.TAKEN_OVER, SessionEnd.SERVER_STOPS)
"""Ends of a device's session of which its gateway hears nothing, or has heard."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayLink:
    """What there is of the gateway itself."""

    services: Services
    device: DeviceRef
    origin: Origin
    filters: Filters
    send: Sender
    fits: Callable[[bytes, str], bool]
    """Whether this payload for this topic is not too much for one message."""
    hears_notices: bool
    """Whether it is told of what is refused for one of its devices: in MQTT 5."""


class AttachedDevices:
    """Connects devices when they are first named, and disconnects them when their gateway leaves."""

    __slots__ = ("_devices", "_is_closed", "_link", "_most", "_pace", "_sessions")

    def __init__(self, link: GatewayLink) -> None:
        self._link = link
        self._devices = GatewayDevices(link.services)
        self._pace = Pace(link.send)
        self._most = link.services.config.section(ThingsBoardConfig).devices_per_gateway
        self._sessions: dict[str, GatewayDeviceSession] = {}
        """By the names that the gateway writes."""
        self._is_closed = False

    async def attach(self, gateway: Device, name: str, type_: str | None = None) -> GatewayDeviceSession:
        """Return the session of a device; it is connected, and made, if need be.

        Raises: `InvalidValue` (`EmptyName`, `LimitReached`), `NotAllowed`, `ProvisioningRefused`, `NotFound`,
        `Unavailable`.
        """
        session = self._sessions.get(name)
        if session is not None:
            return session
        gateway_json.check_name(name)
        self._check_room()
        while True:
            judged_at = time.monotonic()
            device, former = await self._devices.find(gateway, name, type_, self._link.origin)
            session = GatewayDeviceSession(self._link.services, self, gateway.id, device, name, self._link.origin)
            if self._is_closed:
                return session  # what a gateway has sent before it left is served, and connects nothing
            self._check_room()
            if session.open(judged_at=judged_at):
                break
        self._sessions[name] = session
        if self._wants_news():
            session.listen()
        if former is not None and not are_one_fleet(gateway, former):
            self._cut_off(device, former)
        return session

    def _check_room(self) -> None:
        if len(self._sessions) >= self._most:
            raise LimitReached(
                f"A gateway connects at most {self._most} devices; see devices_per_gateway in [thingsboard]."
            )

    def _cut_off(self, device: Device, former: Device) -> None:
        """End a device's session through the gateway that may not speak for it any more."""
        for session in list(self._link.services.sessions.of(device_owner(device.id))):
            if isinstance(session, GatewayDeviceSession) and session.is_through(former.id):
                session.end(SessionEnd.TAKEN_OVER)

    def detach(self, name: str, why: str) -> None:
        """Disconnect a device, if it is connected. ``why`` is a word for observers."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close(why)

    def detach_all(self, why: str) -> None:
        for name in list(self._sessions):
            self.detach(name, why)

    def close(self) -> None:
        """Disconnect all, and connect none any more."""
        self._is_closed = True
        self.detach_all("gateway disconnected")

    # -- what the gateway is told ------------------------------------------------------------------

    def _wants_news(self) -> bool:
        granted_qos = self._link.filters.granted_qos
        return granted_qos(ATTRIBUTES) is not None or granted_qos(CALLS) is not None

    def listen(self) -> None:
        """Take what is for the devices, or not, as the gateway has subscribed by now."""
        wants_news = self._wants_news()
        for session in list(self._sessions.values()):
            if wants_news:
                session.listen()
            else:
                session.do_not_listen()

    def push(self, topic: str, payload: bytes) -> bool:
        """Send something, if the gateway has subscribed to this topic, and say so."""
        message = self._message(topic, payload)
        if message is not None:
            self._link.send(message)
        return message is not None

    def has_news(self, session: GatewayDeviceSession) -> None:
        """Send what has changed for a device, when it is its turn."""

        def news() -> Message | None:
            update = session.take_news()
            if update is None:
                return None
            return self._message(ATTRIBUTES, gateway_json.attributes_changed(session.name, update))

        self._pace.put(session, news)

    def notice(self, name: str, reason: int) -> None:
        """Tell a gateway of MQTT 5 that something of a device was refused. It need not have subscribed."""
        if self._link.hears_notices and len(self._pace) < self._most:
            payload = gateway_json.sent_away(name, reason)
            self._pace.put(name, lambda: self._message(NOTICES, payload, UNSUBSCRIBED_QOS))

    def _message(self, topic: str, payload: bytes, qos_unsubscribed: int | None = None) -> Message | None:
        qos = self._link.filters.granted_qos(topic)
        if qos is None:
            qos = qos_unsubscribed
        return None if qos is None or not self._link.fits(payload, topic) else Message(topic, payload, qos)

    def sent_away(self, session: GatewayDeviceSession, why: SessionEnd) -> None:
        """Take note that the server has ended a device's session."""
        if self._sessions.get(session.name) is session:
            del self._sessions[session.name]
            if why not in _UNTOLD:
                self.notice(session.name, UNSPECIFIED)
