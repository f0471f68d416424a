"""One MQTT connection: from its first byte to its last."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from firstboot.errors import Unavailable
from firstboot.events import DeviceConnected, DeviceDisconnected
from firstboot.logins import Match
from firstboot.model import Origin
from firstboot.secret import random_text
from firstboot.sessions import SessionEnd
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Message, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Disconnect,
    MalformedPacket,
    Packet,
    PacketReader,
    Pingreq,
    Pingresp,
    Properties,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Reason,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
    UnsupportedProtocol,
)

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

logger = logging.getLogger(__name__)

V5 = 5
MAX_HELD_PACKETS = 100
"""Packets that may follow a CONNECT before it is answered (contract AU-7)."""
FLUSH_S = 5.0
"""Time for the last bytes to reach a peer before the socket is torn down."""

V3_REFUSED_VERSION = 1
V3_REFUSED_CLIENT_ID = 2
V3_UNAVAILABLE = 3
V3_NOT_AUTHORIZED = 5

_END_REASONS = {
    SessionEnd.TAKEN_OVER: Reason.SESSION_TAKEN_OVER,
    SessionEnd.CREDENTIALS_CHANGED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.DEVICE_DELETED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.KICKED: Reason.ADMINISTRATIVE_ACTION,
    SessionEnd.SERVER_STOPS: Reason.SERVER_SHUTTING_DOWN,
}


class Phase(enum.Enum):
    """How far a connection has come."""

    SILENT = enum.auto()
    """No CONNECT yet."""
    JUDGED = enum.auto()
    """Its credentials are being looked up."""
    OPEN = enum.auto()
    CLOSED = enum.auto()
    """Nothing is read any more; the last bytes may still be on their way."""


class Connection(asyncio.Protocol):
    """Reads packets and answers them; asks the dialects what they mean."""

    __slots__ = (
        "_device", "_door", "_filled_at", "_filters", "_held", "_keep_alive_s", "_linger_until",
        "_max_outgoing_size", "_outbox", "_packet_id", "_peer_window", "_quiet_since", "_reader", "_tokens",
        "_topics", "_transport", "_unacknowledged", "_waiting", "_worker", "address", "level", "origin", "phase",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        self._door = door
        self.phase = Phase.SILENT
        self.address = ""
        self.level = 4
        self._reader = PacketReader(door.config.max_packet_size, door.config.max_connect_size)
        self._quiet_since = self._filled_at = door.now()
        self._tokens = float(door.config.burst)
        self._keep_alive_s = door.connect_timeout_s
        self._linger_until = 0.0
        self._device: Match | None = None
        self._topics: SessionTopics | None = None
        self._filters = 0
        self._held: deque[Packet] | None = None
        self._waiting: deque[Publish] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._outbox: deque[Message] | None = None
        self._unacknowledged: dict[int, Callable[[], Awaitable[None]] | None] | None = None
        self._packet_id = 0
        self._peer_window = door.config.max_in_flight
        self._max_outgoing_size = 0

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self.origin = Origin(transport="mqtt", dialect="", address=self.address)
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        try:
            for packet in self._reader.feed(data):
                if self.phase is Phase.CLOSED:
                    return
                self._take(packet)
        except UnsupportedProtocol as error:
            # Whoever speaks a later version reads the answer of version 5, the others that of 3.1.1.
            self.level = V5 if error.level > V5 else 4
            self._refuse(V3_REFUSED_VERSION, Reason.UNSUPPORTED_PROTOCOL_VERSION, parting=False)
        except MalformedPacket as error:
            self._violation(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._close_session("connection lost")
        self.phase = Phase.CLOSED
        self._door.lost(self)

    # -- limits in time ----------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Close what has been silent or lingering for too long; called every now and then."""
        if self.phase is Phase.CLOSED:
            if now - self._quiet_since > FLUSH_S:
                self._transport.abort()
        elif self._linger_until and now > self._linger_until:
            self._close("answered")
        elif now - self._quiet_since > self._keep_alive_s and self.phase is not Phase.JUDGED:
            self._leave(Reason.KEEP_ALIVE_TIMEOUT, "keep-alive")

    def drop(self) -> None:
        """Make room for another peer."""
        self._leave(Reason.SERVER_BUSY, "crowded out")
        self._transport.abort()

    def end(self, why: SessionEnd) -> None:
        """End the session from the server's side."""
        self._leave(_END_REASONS[why], why.value)

    # -- packets -----------------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        self._quiet_since = now = self._door.now()
        if not self._spend_token(now):
            self._leave(Reason.QUOTA_EXCEEDED, "too many packets")
        elif self.phase is Phase.JUDGED:
            self._hold(packet)
        elif self.phase is Phase.SILENT:
            self._on_connect(packet)  # type: ignore[arg-type]  # the reader lets nothing else pass first
        else:
            handler = _HANDLERS.get(type(packet))
            if handler is not None:
                handler(self, packet)
            elif self._device is not None:
                self._leave(Reason.PROTOCOL_ERROR, "unexpected packet")

    def _spend_token(self, now: float) -> bool:
        config = self._door.config
        self._tokens = min(config.burst, self._tokens + (now - self._filled_at) * config.messages_per_second) - 1
        self._filled_at = now
        return self._tokens >= 0

    def _hold(self, packet: Packet) -> None:
        if self._held is None:
            self._held = deque()
        if len(self._held) >= MAX_HELD_PACKETS:
            self._leave(Reason.QUOTA_EXCEEDED, "too many packets before the answer to CONNECT")
        else:
            self._held.append(packet)

    # -- CONNECT -----------------------------------------------------------------------------------

    def _on_connect(self, connect: Connect) -> None:
        self.level = connect.level
        if Property.AUTHENTICATION_METHOD in connect.properties:
            self._refuse(V3_NOT_AUTHORIZED, Reason.BAD_AUTHENTICATION_METHOD)
            return
        if self.level == V5:
            self._peer_window = min(
                self._peer_window, connect.properties.get(Property.RECEIVE_MAXIMUM, self._peer_window)
            )
            self._max_outgoing_size = connect.properties.get(Property.MAXIMUM_PACKET_SIZE, 0)
        for dialect in self._door.dialects:
            topics = dialect.provision_session(connect, self.origin)
            if topics is not None:
                self._topics = topics
                self._accept(connect, {})
                return
        if self.level < V5 and not connect.client_id and not connect.clean_start:
            self._refuse(V3_REFUSED_CLIENT_ID, Reason.CLIENT_ID_NOT_VALID)  # MQTT-3.1.3-8
            return
        self.phase = Phase.JUDGED
        self._door.spawn(self._login(connect))

    def _accept(self, connect: Connect, properties: Properties) -> None:
        keep_alive = connect.keep_alive
        self._keep_alive_s = keep_alive * 1.5 + 1 if keep_alive else self._door.longest_silence_s
        self.phase = Phase.OPEN
        self._write(Connack(False, 0, properties).encode(self.level))

    async def _login(self, connect: Connect) -> None:
        judged_at = time.monotonic()
        try:
            match = await self._door.login(connect, self.origin)
            await self._door.services.logins.record(match)
        except ConnectRefused as refusal:
            if refusal.delay_s:
                await asyncio.sleep(refusal.delay_s)
            self._refuse(refusal.v3, refusal.v5)
            return
        except Unavailable as error:
            logger.error("a login is not possible now", extra={"reason": str(error)})
            self._refuse(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)
            return
        except Exception:
            logger.exception("a login failed")
            self._refuse(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)
            return
        if self.phase is not Phase.JUDGED:
            return
        if not self._door.services.sessions.open(match.found.device_id, self, judged_at=judged_at):
            self._refuse(V3_NOT_AUTHORIZED, Reason.NOT_AUTHORIZED)
            return
        self._device = match
        self._topics = self._door.device_topics(match)
        self._door.crowd.leave(self)
        self._accept(connect, self._terms(connect) if self.level == V5 else {})
        self._tell_connected(match)
        held, self._held = self._held, None
        while held and self._is_open():
            self._take(held.popleft())

    def _terms(self, connect: Connect) -> Properties:
        """Return what a version 5 client must know of this server's limits."""
        config = self._door.config
        terms: dict[Property, object] = {
            Property.RECEIVE_MAXIMUM: config.max_in_flight,
            Property.MAXIMUM_PACKET_SIZE: config.max_packet_size,
        }
        if connect.properties.get(Property.SESSION_EXPIRY_INTERVAL):
            terms[Property.SESSION_EXPIRY_INTERVAL] = 0  # nothing outlives the connection
        if not connect.client_id:
            terms[Property.ASSIGNED_CLIENT_IDENTIFIER] = f"auto-{random_text(18)}"
        return terms

    def _refuse(self, v3: int, v5: int, *, parting: bool = True) -> None:
        """Answer CONNECT with a refusal and close; nothing anywhere has changed."""
        if self.phase is Phase.CLOSED:
            return
        if self.level == V5:
            answer = Connack(False, v5).encode(V5)
            self._write(answer + Disconnect(v5).encode(V5) if parting else answer)
        else:
            self._write(Connack(False, v3).encode(self.level))
        self._close("refused")

    # -- PUBLISH from the client -------------------------------------------------------------------

    def _on_publish(self, packet: Publish) -> None:
        if Property.TOPIC_ALIAS in packet.properties:
            self._leave(Reason.TOPIC_ALIAS_INVALID, "topic alias")
            return
        if self._waiting is None:
            self._waiting = deque()
        if len(self._waiting) >= self._door.config.max_in_flight:
            self._leave(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages in flight")
            return
        self._waiting.append(packet)
        if self._device is None:
            self._door.crowd.stirred(self)
        if self._worker is None:
            self._worker = self._door.spawn(self._work(self._waiting))

    async def _work(self, waiting: deque[Publish]) -> None:
        """Serve messages in order; also what was sent before the client closed, because it was sent."""
        topics = self._topics
        assert topics is not None  # an open session has topics
        while waiting:
            packet = waiting[0]
            try:
                reply = await topics.publish(packet)
            except Exception:
                logger.exception("a message could not be served")
                reply = Reply(Reason.IMPLEMENTATION_SPECIFIC_ERROR, close=True)
            waiting.popleft()
            if self.phase is Phase.OPEN:
                self._answer(packet, reply)
        self._worker = None

    def _answer(self, packet: Publish, reply: Reply) -> None:
        refused = reply.reason >= Reason.UNSPECIFIED_ERROR
        if refused and reply.must_tell and (self.level < V5 or packet.qos == 0):
            self._leave(reply.reason, "unreadable message")
            return
        parts: list[bytes] = []
        if packet.packet_id is not None:
            # A provision-only session answers QoS 2 with PUBACK (contract PM-10).
            kind = Pubrec if packet.qos == 2 and self._device is not None else Puback
            parts.append(kind(packet.packet_id, reply.reason).encode(self.level))
        parts += [self._outgoing(message) for message in reply.messages]
        self._write(b"".join(parts))
        if reply.close:
            self._leave(reply.reason, "refused message")
        elif self._device is None:
            self._linger_until = self._door.now() + self._door.provision_linger_s

    def _on_pubrel(self, packet: Pubrel) -> None:
        self._write(Pubcomp(packet.packet_id).encode(self.level))

    # -- PUBLISH to the client ---------------------------------------------------------------------

    def _outgoing(self, message: Message) -> bytes:
        """Return the bytes to send now; none when the client must acknowledge others first."""
        if message.qos == 0:
            return self._sized(Publish(message.topic, message.payload).encode(self.level))
        if self._unacknowledged is None:
            self._unacknowledged = {}
        if len(self._unacknowledged) >= self._peer_window:
            if self._outbox is None:
                self._outbox = deque()
            self._outbox.append(message)  # bounded: one answer per request, and those are bounded
            return b""
        self._packet_id = self._packet_id % 0xFFFF + 1
        self._unacknowledged[self._packet_id] = message.delivered
        packet = Publish(message.topic, message.payload, qos=1, packet_id=self._packet_id)
        return self._sized(packet.encode(self.level))

    def _sized(self, frame: bytes) -> bytes:
        # MQTT-3.1.2-25: what is too large for the client is not sent, and counts as sent.
        return frame if not self._max_outgoing_size or len(frame) <= self._max_outgoing_size else b""

    def _on_puback(self, packet: Puback) -> None:
        unacknowledged = self._unacknowledged
        if unacknowledged is None or packet.packet_id not in unacknowledged:
            return
        delivered = unacknowledged.pop(packet.packet_id)
        if delivered is not None:
            self._door.spawn(_report_delivery(delivered))
        if self._outbox:
            self._write(self._outgoing(self._outbox.popleft()))

    # -- the other packets -------------------------------------------------------------------------

    def _on_subscribe(self, packet: Subscribe) -> None:
        topics = self._topics
        assert topics is not None  # an open session has topics
        refusal = Reason.TOPIC_FILTER_INVALID if self.level == V5 else 0x80
        reasons: list[int] = []
        for topic_filter, options in packet.filters:
            granted = None
            if self._filters < self._door.config.max_filters:
                granted = topics.subscribe(topic_filter, options & 0x03)
            if granted is not None:
                self._filters += 1
            reasons.append(refusal if granted is None else granted)
        self._write(Suback(packet.packet_id, reasons).encode(self.level))

    def _on_unsubscribe(self, packet: Unsubscribe) -> None:
        topics = self._topics
        assert topics is not None  # an open session has topics
        reasons: list[int] = []
        for topic_filter in packet.filters:
            existed = topics.unsubscribe(topic_filter)
            self._filters -= existed
            reasons.append(Reason.SUCCESS if existed else Reason.NO_SUBSCRIPTION_EXISTED)
        self._write(Unsuback(packet.packet_id, reasons).encode(self.level))

    def _on_pingreq(self, packet: Pingreq) -> None:
        self._write(Pingresp().encode(self.level))

    def _on_disconnect(self, packet: Disconnect) -> None:
        if self.level == V5 and self._device is None:
            self._write(Disconnect().encode(V5))  # contract PM-7
        self._close("disconnected")

    # -- ending ------------------------------------------------------------------------------------

    def _violation(self, error: MalformedPacket) -> None:
        if self._door.may_log(self.address):
            logger.info("an MQTT peer broke the protocol", extra={"address": self.address, "reason": str(error)})
        self.level = self._reader.level or self.level
        if self.phase is Phase.SILENT and self.level == V5:
            self._refuse(V3_REFUSED_VERSION, error.reason, parting=False)
        elif self.phase is Phase.OPEN:
            self._leave(error.reason, "protocol violation")
        else:
            self._close("protocol violation")

    def _leave(self, reason: int, why: str) -> None:
        """Tell a version 5 client why, and close."""
        if self.level == V5 and self.phase is Phase.OPEN:
            self._write(Disconnect(reason).encode(V5))
        self._close(why)

    def _close(self, why: str) -> None:
        if self.phase is Phase.CLOSED:
            return
        self._close_session(why)
        self.phase = Phase.CLOSED
        self._quiet_since = self._door.now()
        self._transport.close()

    def _close_session(self, why: str) -> None:
        match, self._device = self._device, None
        if match is None:
            return
        self._door.services.sessions.close(match.found.device_id, self)
        observers = self._door.services.observers
        if observers.wanted("firstboot_device_disconnected"):
            event = DeviceDisconnected(
                device_name=match.found.device_name,
                device_id=match.found.device_id,
                origin=self.origin,
                reason=why,
                at_ms=self._door.services.clock.now_ms(),
            )
            observers.tell("firstboot_device_disconnected", event)

    def _tell_connected(self, match: Match) -> None:
        observers = self._door.services.observers
        if observers.wanted("firstboot_device_connected"):
            event = DeviceConnected(
                device_name=match.found.device_name,
                device_id=match.found.device_id,
                origin=self.origin,
                at_ms=self._door.services.clock.now_ms(),
            )
            observers.tell("firstboot_device_connected", event)

    def _is_open(self) -> bool:
        return self.phase is Phase.OPEN

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if not data or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._door.config.max_write_buffer:
            self._close("does not read")
            transport.abort()


async def _report_delivery(delivered: Callable[[], Awaitable[None]]) -> None:
    try:
        await delivered()
    except Unavailable as error:
        logger.error("a delivery could not be recorded", extra={"reason": str(error)})


_HANDLERS: dict[type, Callable[[Connection, Any], None]] = {
    Publish: Connection._on_publish,
    Puback: Connection._on_puback,
    Pubrel: Connection._on_pubrel,
    Subscribe: Connection._on_subscribe,
    Unsubscribe: Connection._on_unsubscribe,
    Pingreq: Connection._on_pingreq,
    Disconnect: Connection._on_disconnect,
}
