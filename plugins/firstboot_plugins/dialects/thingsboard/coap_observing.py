"""What a device observes over CoAP: its shared attributes, and calls (contract section 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from firstboot.app import Services
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import NotFound
from firstboot.model import DeviceRef
from firstboot.sessions import SessionEnd, device_owner
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import TEXT, Answer, Observer


class _Observed(ABC):
    """A session of the device while it observes; a device that registers again takes the place of itself."""

    slot: str

    def __init__(self, services: Services, device: DeviceRef, observer: Observer) -> None:
        self._services = services
        self._device = device
        self._observer = observer
        self._owner = device_owner(device.id)
        self._stop_listening: Callable[[], None] | None = None

    def begin(self, judged_at: float) -> None:
        """Tell the device from now on. ``judged_at``: when its token was looked up.

        Raises: `NotFound` when the token has ended since.
        """
        if not self._services.sessions.open(self._owner, self, judged_at=judged_at, slot=self.slot):
            raise NotFound("The credentials of the device have ended.")
        self._observer.begin(self)
        self._stop_listening = self._services.downlinks.listen(self._device.id, self)

    def closed(self) -> None:
        if self._stop_listening is not None:
            self._stop_listening()
        self._services.sessions.close(self._owner, self, slot=self.slot)

    def end(self, why: SessionEnd) -> None:
        if why is SessionEnd.TAKEN_OVER:
            self._observer.end(None)
        else:
            stops = why is SessionEnd.SERVER_STOPS
            self._observer.end(Answer(Code.SERVICE_UNAVAILABLE if stops else Code.UNAUTHORIZED))

    @abstractmethod
    def still_there(self) -> Answer: ...

    @abstractmethod
    def attributes_changed(self, update: AttributeUpdate) -> None: ...

    @abstractmethod
    def rpc_requested(self, request: RpcRequest) -> bool: ...


class ObservedAttributes(_Observed):
    """Tells the device which of its shared attributes were set or deleted."""

    slot = "coap attributes"

    def still_there(self) -> Answer:
        return Answer(Code.CONTENT, b"{}", TEXT)

    def attributes_changed(self, update: AttributeUpdate) -> None:
        news = Answer(Code.CONTENT, device_json.attributes_changed(update), TEXT)
        if not self._observer.notify(news):
            # It would never learn what it has missed; registered again, it gets all of them.
            self._observer.end(Answer(Code.SERVICE_UNAVAILABLE))

    def rpc_requested(self, request: RpcRequest) -> bool:
        return False


class ObservedCalls(_Observed):
    """Calls the device; it answers with a request of its own."""

    slot = "coap calls"

    def still_there(self) -> Answer:
        return Answer(Code.VALID)

    def attributes_changed(self, update: AttributeUpdate) -> None:
        pass

    def rpc_requested(self, request: RpcRequest) -> bool:
        return self._observer.notify(Answer(Code.CONTENT, device_json.called(request, with_id=True), TEXT))
