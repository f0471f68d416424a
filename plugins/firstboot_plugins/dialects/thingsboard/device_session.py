"""The device API on the topics of one device's MQTT session (contract section 6)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from firstboot.app import Services
from firstboot.attributes import DEVICE
from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import InvalidValue, NotAllowed, NotFound, Unavailable
from firstboot.model import DeviceRef, Origin, Scope
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.dialects.thingsboard.claim_json import BadClaim, check_release
from firstboot_plugins.dialects.thingsboard.claim_payloads import decode_claim
from firstboot_plugins.dialects.thingsboard.device_filters import Filters
from firstboot_plugins.dialects.thingsboard.device_requests import ask, read_attributes
from firstboot_plugins.dialects.thingsboard.device_topics import (
    Downlink,
    Published,
    Uplink,
    is_ours,
    published,
)
from firstboot_plugins.dialects.thingsboard.gateway_attached import GatewayLink
from firstboot_plugins.dialects.thingsboard.gateway_session import GatewaySession
from firstboot_plugins.dialects.thingsboard.own_row import OwnRow
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.dialects.thingsboard.session_limits import METHOD, session_limits
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.dialect import Message, Reply, Sender
from firstboot_plugins.transports.mqtt.packets import V5, Publish, Reason


class DeviceSession:
    """Serves what one device publishes, and sends it what it has asked for or subscribed to."""

    __slots__ = ("_address", "_answered", "_closed", "_device", "_filters", "_gateway_session", "_level",
                 "_own_row", "_refused", "_send", "_services", "_stop_listening")  # fmt: skip

    def __init__(
        self,
        services: Services,
        device: DeviceRef,
        address: str,
        send: Sender,
        refused: RefusedMessages,
        *,
        level: int,
    ) -> None:
        """``level``: of the protocol, 5 for MQTT 5."""
        self._services = services
        self._device = device
        self._address = address
        self._send = send
        self._refused = refused
        self._level = level
        self._own_row = OwnRow(services, device)
        self._gateway_session: GatewaySession | None = None
        """None until the device says something of others."""
        self._filters = Filters()
        self._stop_listening: Callable[[], None] | None = None
        self._closed = False
        self._answered: tuple[int, int, Reply] | None = None
        """Packet id, hash of the payload and answer of the last call that the client may send again."""

    # -- subscriptions -----------------------------------------------------------------------------

    def owns(self, topic: str) -> bool:
        return is_ours(topic)

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        granted = self._filters.grant(topic_filter, qos)
        if granted is not None and (self._filters.wants_news() or self._gateway_session is not None):
            # Not at once: a call that waits for the device should not overtake the SUBACK.
            asyncio.get_running_loop().call_soon(self._listen)
        return granted

    def unsubscribe(self, topic_filter: str) -> bool:
        existed = self._filters.remove(topic_filter)
        if not self._filters.wants_news():
            self._do_not_listen()
        if self._gateway_session is not None:
            self._gateway_session.listen()
        return existed

    def close(self) -> None:
        self._closed = True
        self._do_not_listen()
        if self._gateway_session is not None:
            self._gateway_session.close()

    def _listen(self) -> None:
        if self._closed:
            return
        if self._gateway_session is not None:
            self._gateway_session.listen()
        if not self._filters.wants_news():
            return
        downlinks = self._services.downlinks
        if self._stop_listening is None:
            self._stop_listening = downlinks.listen(self._device.id, self)
        else:
            downlinks.offer_again(self._device.id)

    def _do_not_listen(self) -> None:
        stop, self._stop_listening = self._stop_listening, None
        if stop is not None:
            stop()

    # -- what the device is told -------------------------------------------------------------------

    def attributes_changed(self, update: AttributeUpdate) -> None:
        subscription = self._filters.newest(Downlink.ATTRIBUTES_CHANGED)
        if subscription is None:
            return
        meant, qos = subscription
        payload = device_json.attributes_changed(update)
        if self._fits(payload, meant.spelling.attributes):
            self._send(Message(meant.spelling.attributes, payload, qos))

    def rpc_requested(self, request: RpcRequest) -> bool:
        subscription = self._filters.newest(Downlink.CALL)
        if subscription is None:
            return False
        meant, qos = subscription
        self._send(Message(f"{meant.spelling.call}{request.id}", device_json.called(request), qos))
        return True

    def _fits(self, payload: bytes, topic: str) -> bool:
        """Say whether this can be sent in one message.

        A device that is sent more at once is dropped like one that does not read; it would come back for more.
        """
        fits = len(payload) <= self._services.config.section(MqttConfig).max_write_buffer // 2
        if not fits:
            self._refused.log(self._device, topic, f"{len(payload)} bytes of attributes are too many at once.")
        return fits

    def _answer(self, topic: str, request_id: int, payload: bytes) -> Reply:
        return Reply(messages=(Message(f"{topic}{request_id}", payload, self._filters.qos_of(topic)),))

    # -- what the device says ----------------------------------------------------------------------

    async def publish(self, message: Publish) -> Reply:
        meant = published(message.topic)
        if meant is None:
            return Reply(Reason.TOPIC_NAME_INVALID)
        try:
            return await _SERVED[meant.kind](self, message, meant)
        except BadClaim as error:
            self._refused.log(self._device, message.topic, str(error))
            # No acknowledgement may have this reason, so none is sent (contract 4.2).
            return Reply(Reason.SERVER_SHUTTING_DOWN, must_tell=True)
        except InvalidValue as error:
            self._refused.log(self._device, message.topic, str(error))
            return Reply(Reason.PAYLOAD_FORMAT_INVALID, must_tell=True)
        except NotAllowed as error:
            self._refused.log(self._device, message.topic, str(error))
            return Reply(Reason.NOT_AUTHORIZED)
        except NotFound:
            return Reply(Reason.NOT_AUTHORIZED, close=True)
        except Unavailable as error:
            self._refused.log(self._device, message.topic, str(error))
            # Without an acknowledgement an MQTT 3 client sends it again; of QoS 0 nobody expects that.
            return Reply(Reason.IMPLEMENTATION_SPECIFIC_ERROR, must_tell=message.qos > 0)

    async def _telemetry(self, message: Publish, meant: Published) -> Reply:
        points = device_json.telemetry(message.payload, self._services.clock.now_ms())
        await self._services.telemetry.save(self._device, points, self._origin)
        return Reply()

    async def _attributes(self, message: Publish, meant: Published) -> Reply:
        values = device_json.attributes(message.payload)
        await self._services.attributes.save(self._device, Scope.CLIENT, values, actor=DEVICE, origin=self._origin)
        return Reply()

    async def _attributes_wanted(self, message: Publish, meant: Published) -> Reply:
        wanted = device_json.attributes_wanted(message.payload)
        found = await read_attributes(self._services, self._device, wanted)
        if not self._fits(found, message.topic):
            return Reply(Reason.QUOTA_EXCEEDED)
        return self._answer(meant.spelling.attributes_found, meant.request_id, found)

    async def _call(self, message: Publish, meant: Published) -> Reply:
        if message.packet_id is None:
            return await self._ask(message, meant)
        sent = message.packet_id, hash(message.payload)
        if message.dup and self._answered is not None and self._answered[:2] == sent:
            return self._answered[2]  # what a call does may not be harmless to do twice (threat PV-9)
        reply = await self._ask(message, meant)
        self._answered = (*sent, reply)
        return reply

    async def _ask(self, message: Publish, meant: Published) -> Reply:
        call = device_json.call(message.payload)
        if call.method == METHOD:
            is_gateway = await self._own_row.as_gateway() is not None
            answer = device_json.encode(session_limits(self._services, is_gateway=is_gateway))
        else:
            answer = await ask(self._services, self._device, call, self._origin)
        return self._answer(meant.spelling.answer, meant.request_id, answer)

    async def _answer_to_call(self, message: Publish, meant: Published) -> Reply:
        self._services.rpc.answer(self._device.id, meant.request_id, device_json.answer(message.payload))
        return Reply()

    async def _claim(self, message: Publish, meant: Published) -> Reply:
        profile = self._services.profile_directory.get(self._device.profile_id)
        claim = decode_claim(message.payload, profile)
        await self._services.claim_windows.open_by_device(
            self._device, claim.secret, claim.duration_ms, self._origin
        )
        return Reply()

    async def _release(self, message: Publish, meant: Published) -> Reply:
        check_release(message.payload)
        await self._services.releasing.release_by_device(self._device, self._origin)
        return Reply()

    async def _protobuf(self, message: Publish, meant: Published) -> Reply:
        raise device_json.BadPayload("Protobuf needs a schema in the device profile, which is not supported.")

    async def _gateway(self, message: Publish, meant: Published) -> Reply:
        if self._gateway_session is None:
            link = GatewayLink(
                services=self._services,
                device=self._device,
                origin=self._origin,
                filters=self._filters,
                send=self._send,
                fits=self._fits,
                hears_notices=self._level == V5,
            )
            self._gateway_session = GatewaySession(link, self._own_row, self._refused)
            if self._closed:
                self._gateway_session.close()
        return await self._gateway_session.publish(message)

    @property
    def _origin(self) -> Origin:
        return Origin(transport="mqtt", dialect="thingsboard", address=self._address)


_SERVED: Mapping[Uplink, Callable[[DeviceSession, Publish, Published], Awaitable[Reply]]] = {
    Uplink.TELEMETRY: DeviceSession._telemetry,
    Uplink.ATTRIBUTES: DeviceSession._attributes,
    Uplink.ATTRIBUTES_WANTED: DeviceSession._attributes_wanted,
    Uplink.CALL: DeviceSession._call,
    Uplink.ANSWER: DeviceSession._answer_to_call,
    Uplink.CLAIM: DeviceSession._claim,
    Uplink.RELEASE: DeviceSession._release,
    Uplink.PROTOBUF: DeviceSession._protobuf,
    Uplink.GATEWAY: DeviceSession._gateway,
}
