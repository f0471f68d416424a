"""One MQTT connection: from its first byte to its last."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from firstboot.errors import Unavailable
from firstboot.model import Origin
from firstboot.sessions import SessionEnd
from firstboot_plugins.transports.mqtt.admission import (
    V3_CODES,
    V3_NOT_AUTHORIZED,
    V3_REFUSED_VERSION,
    V3_UNAVAILABLE,
    V5,
    judge,
    terms,
)
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Message, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.open_session import END_REASONS, OpenSession
from firstboot_plugins.transports.mqtt.outgoing import Delivered, NotAcknowledged, Outgoing
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
from firstboot_plugins.transports.mqtt.subscriptions import Subscriptions

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

logger = logging.getLogger(__name__)

FLUSH_S = 5.0
"""Time for the last bytes to reach a peer before the socket is torn down."""


class Phase(enum.Enum):
    """How far a connection has come."""

    SILENT = enum.auto()
    """No CONNECT yet."""
    JUDGED = enum.auto()
    """Its credentials are being looked up; what follows the CONNECT waits unread (contract AU-7)."""
    OPEN = enum.auto()
    CLOSED = enum.auto()
    """Nothing is read any more; the last bytes may still be on their way."""


class Connection(asyncio.Protocol):
    """Reads packets and answers them; asks the dialects what they mean."""

    __slots__ = (
        "_door", "_expelled", "_filled_at", "_keep_alive_s", "_linger_until", "_outgoing",
        "_quiet_since", "_reader", "_session", "_subscriptions", "_tokens", "_topics", "_transport", "_waiting",
        "_worker", "address", "level", "origin", "phase",
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
        self._expelled = False
        self._session: OpenSession | None = None
        self._topics: SessionTopics | None = None
        self._subscriptions: Subscriptions | None = None
        self._waiting: deque[Publish] | None = None
        self._worker: asyncio.Task[None] | None = None
        self._outgoing: Outgoing | None = None

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self.origin = Origin(transport="mqtt", dialect="", address=self.address)
        self._door.opened(self)

    def data_received(self, data: bytes) -> None:
        packets = self._reader.feed(data)
        if self.phase is Phase.JUDGED:
            # The peer's socket buffers hold the rest: a stranger must not fill our memory meanwhile.
            self._transport.pause_reading()
        elif self.phase is not Phase.CLOSED:
            self._read(packets)

    def _read(self, packets: Iterator[Packet]) -> None:
        try:
            for packet in packets:
                self._take(packet)
                if self.phase is Phase.JUDGED or self.phase is Phase.CLOSED:
                    return
        except UnsupportedProtocol as error:
            # Whoever speaks a later version reads the answer of version 5, the others that of 3.1.1.
            self.level = V5 if error.level > V5 else 4
            self._refuse(V3_REFUSED_VERSION, Reason.UNSUPPORTED_PROTOCOL_VERSION, parting=False)
        except MalformedPacket as error:
            self._violation(error)
        except Exception:
            logger.exception("an MQTT packet could not be served", extra={"address": self.address})
            if self.phase is Phase.SILENT:
                self._refuse(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)
            self._leave(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "failed")

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
        elif self._linger_until and now > self._linger_until and not self._waiting:
            self._close("answered")
        elif now - self._quiet_since > self._keep_alive_s and self.phase is not Phase.JUDGED:
            self._leave(Reason.KEEP_ALIVE_TIMEOUT, "keep-alive")

    def drop(self) -> None:
        """Make room for another peer."""
        self._leave(Reason.SERVER_BUSY, "crowded out")
        self._transport.abort()

    def end(self, why: SessionEnd) -> None:
        """End the session from the server's side."""
        self._leave(END_REASONS[why], why.value)

    # -- packets -----------------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        self._quiet_since = now = self._door.now()
        if not self._spend_token(now):
            self._leave(Reason.QUOTA_EXCEEDED, "too many packets")
        elif self.phase is Phase.SILENT:
            self._on_connect(packet)  # type: ignore[arg-type]  # the reader lets nothing else pass first
        else:
            handler = _HANDLERS.get(type(packet))
            if handler is not None:
                handler(self, packet)
            elif self._session is not None:
                self._leave(Reason.PROTOCOL_ERROR, "unexpected packet")

    def _spend_token(self, now: float) -> bool:
        config = self._door.config
        self._tokens = min(config.burst, self._tokens + (now - self._filled_at) * config.messages_per_second) - 1
        self._filled_at = now
        return self._tokens >= 0

    # -- CONNECT -----------------------------------------------------------------------------------

    def _on_connect(self, connect: Connect) -> None:
        self.level = connect.level
        self._door.crowd.stirred(self)
        if Property.AUTHENTICATION_METHOD in connect.properties:
            # Reason 0x8C has no place in a DISCONNECT.
            self._refuse(V3_NOT_AUTHORIZED, Reason.BAD_AUTHENTICATION_METHOD, parting=False)
            return
        self._outgoing = Outgoing(connect, self._door.config.max_in_flight)
        for dialect in self._door.dialects:
            topics = dialect.provision_session(connect, self.origin)
            if topics is not None:
                self._topics = topics
                self._accept(connect, {})
                return
        self.phase = Phase.JUDGED
        self._door.spawn(self._login(connect))

    def _accept(self, connect: Connect, properties: Properties) -> None:
        keep_alive = connect.keep_alive
        self._keep_alive_s = keep_alive * 1.5 + 1 if keep_alive else self._door.longest_silence_s
        self.phase = Phase.OPEN
        self._write(Connack(False, 0, properties).encode(self.level))

    async def _login(self, connect: Connect, *, again: bool = False) -> None:
        judged_at = time.monotonic()
        try:
            login = await judge(self._door, connect, self.origin)
        except ConnectRefused as refusal:
            self._refuse(refusal.v3, refusal.v5)
            return
        if self.phase is not Phase.JUDGED:
            return
        session = OpenSession(self._door.services, login, self.origin, self)
        if not session.open(judged_at=judged_at):
            if again:
                self._refuse(V3_NOT_AUTHORIZED, Reason.NOT_AUTHORIZED)
            else:  # the credentials were replaced meanwhile, perhaps by those that the device has just shown
                await self._login(connect, again=True)
            return
        self._session = session
        self._topics = login.topics(self.push)
        self._door.crowd.leave(self)
        self._accept(connect, terms(connect, self._door.config))
        session.tell_connected()
        self._transport.resume_reading()
        self._read(self._reader)

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
        config = self._door.config
        if len(self._waiting) >= config.max_in_flight:
            self._leave(Reason.RECEIVE_MAXIMUM_EXCEEDED, "too many messages in flight")
            return
        if self._session is None:
            self._door.crowd.stirred(self)
            size = len(packet.payload) + sum(len(each.payload) for each in self._waiting)
            if size > config.max_packet_size:
                self._leave(Reason.QUOTA_EXCEEDED, "too many bytes in flight")
                return
        self._waiting.append(packet)
        if self._worker is None:
            self._worker = self._door.spawn(self._work(self._waiting))

    async def _work(self, waiting: deque[Publish]) -> None:
        """Serve messages in order: also after the client has left, but not after it was sent away."""
        topics = self._topics
        assert topics is not None  # an open session has topics
        while waiting and not self._expelled:
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
            kind = Pubrec if packet.qos == 2 and self._session is not None else Puback
            parts.append(kind(packet.packet_id, reply.reason).encode(self.level))
        assert self._outgoing is not None  # made with the CONNECT
        try:
            parts += [self._outgoing.send(message) for message in reply.messages]
        except NotAcknowledged:
            self._leave(Reason.QUOTA_EXCEEDED, "does not acknowledge")
            return
        self._write(b"".join(parts))
        if reply.close:
            self._leave(reply.reason, "refused message")
        elif self._session is None:
            self._linger_until = self._door.now() + self._door.provision_linger_s

    def push(self, message: Message) -> None:
        """Send something that no message of the client has asked for."""
        if self.phase is not Phase.OPEN:
            return
        assert self._outgoing is not None  # made with the CONNECT
        try:
            self._write(self._outgoing.send(message))
        except NotAcknowledged:
            self._leave(Reason.QUOTA_EXCEEDED, "does not acknowledge")

    def _on_pubrel(self, packet: Pubrel) -> None:
        if self._session is not None:
            self._write(Pubcomp(packet.packet_id).encode(self.level))

    def _on_puback(self, packet: Puback) -> None:
        assert self._outgoing is not None  # made with the CONNECT
        frames, delivered = self._outgoing.acknowledged(packet.packet_id)
        if delivered is not None and packet.reason < Reason.UNSPECIFIED_ERROR:
            self._door.spawn(_report_delivery(delivered))
        self._write(frames)

    # -- the other packets -------------------------------------------------------------------------

    def _filters(self) -> Subscriptions:
        if self._subscriptions is None:
            assert self._topics is not None  # an open session has topics
            self._subscriptions = Subscriptions(self._topics, self.level, self._door.config.max_filters)
        return self._subscriptions

    def _on_subscribe(self, packet: Subscribe) -> None:
        filters = self._filters()
        reasons = [filters.add(topic_filter, options & 0x03) for topic_filter, options in packet.filters]
        self._write(Suback(packet.packet_id, reasons).encode(self.level))

    def _on_unsubscribe(self, packet: Unsubscribe) -> None:
        filters = self._filters()
        reasons = [filters.remove(topic_filter) for topic_filter in packet.filters]
        self._write(Unsuback(packet.packet_id, reasons).encode(self.level))

    def _on_pingreq(self, packet: Pingreq) -> None:
        self._write(Pingresp().encode(self.level))

    def _on_disconnect(self, packet: Disconnect) -> None:
        if self.level == V5 and self._session is None:
            self._write(Disconnect().encode(V5))  # contract PM-7
        self._close("disconnected")

    # -- ending ------------------------------------------------------------------------------------

    def _violation(self, error: MalformedPacket) -> None:
        if self._door.may_log(self.address):
            logger.info("an MQTT peer broke the protocol", extra={"address": self.address, "reason": str(error)})
        self.level = self._reader.level or self.level
        v3 = V3_CODES.get(error.reason)
        if self.phase is Phase.SILENT and (self.level == V5 or v3 is not None):
            self._refuse(v3 or V3_NOT_AUTHORIZED, error.reason, parting=False)
        elif self.phase is Phase.OPEN:
            self._leave(error.reason, "protocol violation")
        else:
            self._close("protocol violation")

    def _leave(self, reason: int, why: str) -> None:
        """Send the client away: tell it why in version 5, close, and serve nothing more of what it sent."""
        self._expelled = True
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
        session, self._session = self._session, None
        if session is not None:
            session.close(why)
            assert self._topics is not None  # an open session has topics
            self._topics.close()

    def _write(self, data: bytes) -> None:
        transport = self._transport
        if not data or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self._door.config.max_write_buffer:
            self._close("does not read")
            transport.abort()


async def _report_delivery(delivered: Delivered) -> None:
    try:
        await delivered()
    except Unavailable as error:
        logger.error("a delivery could not be recorded", extra={"reason": str(error)})
    except Exception:
        logger.exception("a delivery could not be recorded")


_HANDLERS: dict[type, Callable[[Connection, Any], None]] = {
    Publish: Connection._on_publish,
    Puback: Connection._on_puback,
    Pubrel: Connection._on_pubrel,
    Subscribe: Connection._on_subscribe,
    Unsubscribe: Connection._on_unsubscribe,
    Pingreq: Connection._on_pingreq,
    Disconnect: Connection._on_disconnect,
}
