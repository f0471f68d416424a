"""A session that has logged in, as the rest of the server sees it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.model import Origin
from firstboot.sessions import LiveSession, SessionEnd
from firstboot_plugins.transports.mqtt.admission import session_life_s
from firstboot_plugins.transports.mqtt.client_session import ClientSession
from firstboot_plugins.transports.mqtt.dialect import Login
from firstboot_plugins.transports.mqtt.outgoing import Outgoing
from firstboot_plugins.transports.mqtt.packets import V5, Connect, Disconnect, Property, Reason
from firstboot_plugins.transports.mqtt.stored_sessions import LastWill

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

END_REASONS = {
    SessionEnd.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    SessionEnd.CREDENTIALS_CHANGED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.DEVICE_DELETED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.KICKED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.SERVER_STOPS: Reason.SERVER_SHUTTING_DOWN,
    SessionEnd.TIME_OVER: Reason.MAXIMUM_CONNECT_TIME,
}
"""What a version 5 client is told when the server ends its session."""


class OpenSession:
    """The registered session of a device or an application. Observers hear of the begin and end of a device's."""

    __slots__ = ("_connect", "_door", "_life_s", "_live", "_origin", "_will", "client", "login")

    client: ClientSession
    """Set by `take_client`."""

    def __init__(self, door: Door, login: Login, connect: Connect, origin: Origin, live: LiveSession) -> None:
        self._door = door
        self.login = login
        self._connect = connect
        self._origin = replace(origin, dialect=login.dialect)
        self._live = live
        self._life_s = 0.0 if login.is_fleeting else session_life_s(connect, door.config)
        will = connect.will
        self._will = None if will is None or login.rights is None else LastWill(will, login.rights, login.owner)

    def open(self, *, judged_at: float) -> bool:
        """Take the place of the former session; False when these credentials may be void by now."""
        login = self.login
        sessions = self._door.services.sessions
        return sessions.open(login.owner, self._live, judged_at=judged_at, slot=login.slot)

    def abandon(self) -> None:
        """Give back the place that `open` has taken."""
        self._door.services.sessions.close(self.login.owner, self._live, slot=self.login.slot)

    def take_client(self, client_id: str) -> bool:
        """Resume the session that the client has left, or begin one; say whether it was resumed."""
        login, door, connect = self.login, self._door, self._connect
        left = door.stored.resume(login.owner, login.slot, client_id, clean_start=connect.clean_start)
        if left is None:
            config = door.config
            outgoing = Outgoing(
                connect,
                config.max_in_flight,
                most_waiting=config.max_queued_messages,
                most_bytes=config.max_queued_bytes,
            )
            self.client = ClientSession(door.pubsub, login.owner, login.rights, client_id, outgoing)
            self.client.collect = login.collect
            return False
        self.client = left
        left.rights = login.rights
        left.collect = login.collect
        left.outgoing.attach(connect)
        return True

    def tell_connected(self) -> None:
        device = self.login.device
        services = self._door.services
        if device is not None and services.observers.wanted("firstboot_device_connected"):
            event = DeviceConnected(
                device=device,
                origin=self._origin,
                at_ms=services.clock.now_ms(),
            )
            services.observers.tell("firstboot_device_connected", event)

    def take_leave(self, packet: Disconnect) -> bool:
        """Heed what a client says with its DISCONNECT; False when that breaks the protocol."""
        if packet.reason == Reason.SUCCESS:
            self._will = None
        if Property.SESSION_EXPIRY_INTERVAL in packet.properties:
            life_s = packet.properties[Property.SESSION_EXPIRY_INTERVAL]
            if life_s and not self._life_s:
                return False  # MQTT-3.14.2-2
            self._life_s = min(life_s, self._door.longest_session_s)
        return True

    def revoke(self) -> None:
        """Leave nothing behind: neither a session nor a will (threat MQ-10)."""
        self._life_s = 0.0
        self._will = None

    def close(self, why: str) -> bool:
        """Forget the session; say whether its client may come back to it. ``why`` is a word for observers."""
        login, services = self.login, self._door.services
        self.abandon()
        if login.device is not None and services.observers.wanted("firstboot_device_disconnected"):
            event = DeviceDisconnected(
                device=login.device,
                origin=self._origin,
                reason=why,
                at_ms=services.clock.now_ms(),
            )
            services.observers.tell("firstboot_device_disconnected", event)
        return self._leave_behind(taken_over=why == SessionEnd.TAKEN_OVER.value)

    def _leave_behind(self, *, taken_over: bool) -> bool:
        will, delay_s = self._will, 0.0
        if will is not None and self._connect.level == V5:
            delay_s = min(will.will.properties.get(Property.WILL_DELAY_INTERVAL, 0), self._life_s)
        late_will = will if delay_s else None
        is_kept = self._life_s > 0 and self._door.stored.keep(
            self.client, self.login.slot, self._life_s, late_will, delay_s, taken_over=taken_over
        )
        if will is not None and not (is_kept and delay_s):
            self._door.fire(will)
        return is_kept
