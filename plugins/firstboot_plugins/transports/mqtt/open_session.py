"""A session that has logged in, as the rest of the server sees it."""

from __future__ import annotations

from firstboot.app import Services
from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.model import Origin
from firstboot.sessions import LiveSession, SessionEnd
from firstboot_plugins.transports.mqtt.dialect import Login
from firstboot_plugins.transports.mqtt.packets import Reason

END_REASONS = {
    SessionEnd.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    SessionEnd.CREDENTIALS_CHANGED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.DEVICE_DELETED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.KICKED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.SERVER_STOPS: Reason.SERVER_SHUTTING_DOWN,
}
"""What a version 5 client is told when the server ends its session."""


class OpenSession:
    """The registered session of a device or an application. Observers hear of the begin and end of a device's."""

    __slots__ = ("_live", "_origin", "_services", "login")

    def __init__(self, services: Services, login: Login, origin: Origin, live: LiveSession) -> None:
        self._services = services
        self.login = login
        self._origin = origin
        self._live = live

    def open(self, *, judged_at: float) -> bool:
        """Take the place of the former session; False when these credentials may be void by now."""
        login = self.login
        return self._services.sessions.open(login.owner, self._live, judged_at=judged_at, slot=login.slot)

    def tell_connected(self) -> None:
        device = self.login.device
        observers = self._services.observers
        if device is not None and observers.wanted("firstboot_device_connected"):
            event = DeviceConnected(
                device=device,
                origin=self._origin,
                at_ms=self._services.clock.now_ms(),
            )
            observers.tell("firstboot_device_connected", event)

    def close(self, why: str) -> None:
        """Forget the session. ``why`` is a word for observers."""
        login = self.login
        self._services.sessions.close(login.owner, self._live, slot=login.slot)
        observers = self._services.observers
        if login.device is not None and observers.wanted("firstboot_device_disconnected"):
            event = DeviceDisconnected(
                device=login.device,
                origin=self._origin,
                reason=why,
                at_ms=self._services.clock.now_ms(),
            )
            observers.tell("firstboot_device_disconnected", event)
