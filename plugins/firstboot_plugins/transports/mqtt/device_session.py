"""A device that has logged in, as the rest of the server sees it."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.logins import Match
from firstboot.model import Origin
from firstboot.sessions import LiveSession, SessionEnd
from firstboot_plugins.transports.mqtt.packets import Reason

END_REASONS = {
    SessionEnd.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    SessionEnd.CREDENTIALS_CHANGED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.DEVICE_DELETED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.KICKED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.SERVER_STOPS: Reason.SERVER_SHUTTING_DOWN,
}
"""What a version 5 client is told when the server ends its session."""


class DeviceSession:
    """The registered session of a device. Observers hear of its begin and its end."""

    __slots__ = ("_live", "_match", "_origin", "_services")

    def __init__(self, services: Services, match: Match, origin: Origin, live: LiveSession) -> None:
        self._services = services
        self._match = match
        self._origin = origin
        self._live = live

    def open(self, *, judged_at: float) -> bool:
        """Take the place of the device's former session; False when these credentials may be void by now."""
        return self._services.sessions.open(self._match.found.device_id, self._live, judged_at=judged_at)

    def tell_connected(self) -> None:
        observers = self._services.observers
        if observers.wanted("firstboot_device_connected"):
            event = DeviceConnected(
                device_name=self._match.found.device_name,
                device_id=self._match.found.device_id,
                origin=self._origin,
                at_ms=self._services.clock.now_ms(),
            )
            observers.tell("firstboot_device_connected", event)

    def close(self, why: str) -> None:
        """Forget the session. ``why`` is a word for observers."""
        self._services.sessions.close(self._match.found.device_id, self._live)
        observers = self._services.observers
        if observers.wanted("firstboot_device_disconnected"):
            event = DeviceDisconnected(
                device_name=self._match.found.device_name,
                device_id=self._match.found.device_id,
                origin=self._origin,
                reason=why,
                at_ms=self._services.clock.now_ms(),
            )
            observers.tell("firstboot_device_disconnected", event)
