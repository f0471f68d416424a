"""A device that is connected through a gateway, as the rest of the server sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from firstboot.app import Services
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.model import Device, Origin
from firstboot.sessions import SessionEnd, device_owner
from firstboot_plugins.dialects.thingsboard import gateway_json


class Gateway(Protocol):
    """The session through which the device is connected."""

    def push(self, topic: str, payload: bytes) -> bool:
        """Send something, if the gateway has subscribed to this topic, and say so."""
        ...

    def has_news(self, session: GatewayDeviceSession) -> None:
        """Take the device's news, and send them, when it is their turn."""
        ...

    def sent_away(self, session: GatewayDeviceSession, why: SessionEnd) -> None:
        """Take note that the server has ended the device's session."""
        ...


ATTRIBUTES = "v1/gateway/attributes"
CALLS = "v1/gateway/rpc"


class GatewayDeviceSession:
    """One device's session within that of its gateway. Observers hear of its begin and its end."""

    __slots__ = ("_gateway", "_news", "_origin", "_services", "_slot", "_stop_listening", "device", "name")

    def __init__(
        self, services: Services, gateway: Gateway, gateway_id: int, device: Device, name: str, origin: Origin
    ) -> None:
        """``name``: as the gateway writes it."""
        self._services = services
        self._gateway = gateway
        self._slot = ("gateway", gateway_id)
        self._origin = origin
        self._stop_listening: Callable[[], None] | None = None
        self._news: AttributeUpdate | None = None
        self.device = device
        self.name = name

    # -- life --------------------------------------------------------------------------------------

    def open(self, *, judged_at: float) -> bool:
        """Begin; False when the server has ended the device's sessions since ``judged_at``."""
        services = self._services
        owner = device_owner(self.device.id)
        if not services.sessions.open(owner, self, judged_at=judged_at, slot=self._slot):
            return False
        if services.observers.wanted("firstboot_device_connected"):
            event = DeviceConnected(device=self.device.ref, origin=self._origin, at_ms=services.clock.now_ms())
            services.observers.tell("firstboot_device_connected", event)
        return True

    def close(self, why: str) -> None:
        """End. ``why`` is a word for observers."""
        services = self._services
        services.sessions.close(device_owner(self.device.id), self, slot=self._slot)
        self.do_not_listen()
        self._news = None
        if services.observers.wanted("firstboot_device_disconnected"):
            event = DeviceDisconnected(
                device=self.device.ref, origin=self._origin, reason=why, at_ms=services.clock.now_ms()
            )
            services.observers.tell("firstboot_device_disconnected", event)

    def end(self, why: SessionEnd) -> None:
        """See `firstboot.sessions.LiveSession`."""
        self.close(why.value)
        self._gateway.sent_away(self, why)

    def is_through(self, gateway_id: int) -> bool:
        """Say whether the device is connected through this gateway."""
        return self._slot == ("gateway", gateway_id)

    # -- what the device is told -------------------------------------------------------------------

    def listen(self) -> None:
        """Take what is for the device; what waits is offered again."""
        downlinks = self._services.downlinks
        if self._stop_listening is None:
            self._stop_listening = downlinks.listen(self.device.id, self)
        else:
            downlinks.offer_again(self.device.id)

    def do_not_listen(self) -> None:
        stop, self._stop_listening = self._stop_listening, None
        if stop is not None:
            stop()

    def attributes_changed(self, update: AttributeUpdate) -> None:
        self._news = update if self._news is None else _merged(self._news, update)
        self._gateway.has_news(self)

    def take_news(self) -> AttributeUpdate | None:
        """Return what has changed since this was asked for last; None when nothing has."""
        news, self._news = self._news, None
        return news

    def rpc_requested(self, request: RpcRequest) -> bool:
        return self._gateway.push(CALLS, gateway_json.called(self.name, request))


def _merged(older: AttributeUpdate, newer: AttributeUpdate) -> AttributeUpdate:
    values = {key: value for key, value in older.values.items() if key not in newer.deleted}
    deleted = [key for key in older.deleted if key not in newer.values and key not in newer.deleted]
    return AttributeUpdate({**values, **newer.values}, (*deleted, *newer.deleted))
