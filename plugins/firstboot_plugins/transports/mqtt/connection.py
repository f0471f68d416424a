"""One MQTT connection: from its first byte to its last."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from firstboot.model import Origin
from firstboot.sessions import SessionEnd
from firstboot.tls_settings import PEER_CERTIFICATE
from firstboot_plugins.transports.mqtt.admission import (
    V3_CODES,
    V3_NOT_AUTHORIZED,
    V3_REFUSED_VERSION,
    V3_UNAVAILABLE,
    judge,
    terms,
)
from firstboot_plugins.transports.mqtt.client_session import ClientSession
from firstboot_plugins.transports.mqtt.dialect import FAILURES, ConnectRefused, Login, Message, SessionTopics
from firstboot_plugins.transports.mqtt.exchange import Exchange
from firstboot_plugins.transports.mqtt.open_session import END_REASONS, OpenSession
from firstboot_plugins.transports.mqtt.outgoing import NotAcknowledged, Outgoing
from firstboot_plugins.transports.mqtt.packets import (
    V5,
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
    Subscribe,
    Unsubscribe,
    UnsupportedProtocol,
)

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

logger = logging.getLogger(__name__)

FLUSH_S = 5.0
"""Time for the last bytes to reach a peer before the socket is torn down."""
PUSHED_TOGETHER = 64
"""Messages for one client, at most, that one write waits for."""
HIGH_WATER = 65536
"""Bytes in the write buffer above which messages wait where they can be counted; asyncio's own mark."""


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
    """Keeps a peer to the order and the limits of the protocol; its `Exchange` serves what it asks for."""

    __slots__ = (
        "_client", "_exchange", "_filled_at", "_is_stalled", "_keep_alive_s", "_left_behind", "_linger_until",
        "_quiet_since", "_reader", "_session", "_tokens", "_topics", "_transport", "_will_flush", "address",
        "door", "is_expelled", "level", "origin", "phase",
    )  # fmt: skip

    def __init__(self, door: Door) -> None:
        self.door = door
        self.phase = Phase.SILENT
        self.address = ""
        self.level = 4
        self.is_expelled = False
        self._reader = PacketReader(door.config.max_packet_size, door.config.max_connect_size)
        self._quiet_since = self._filled_at = door.now()
        self._tokens = float(door.config.burst)
        self._keep_alive_s = door.connect_timeout_s
        self._linger_until = 0.0
        self._is_stalled = False
        self._will_flush = False
        self._session: OpenSession | None = None
        self._topics: SessionTopics | None = None
        self._client: ClientSession | None = None
        self._exchange: Exchange | None = None
        self._left_behind: ClientSession | None = None

    # -- the socket --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if peer else ""
        self.origin = Origin(
            transport="mqtt",
            dialect="",
            address=self.address,
            certificate=transport.get_extra_info(PEER_CERTIFICATE),
        )
        self.door.opened(self)

    def data_received(self, data: bytes) -> None:
        packets = self._reader.feed(data)
        if self.phase is Phase.JUDGED or self._is_stalled:
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
                if self._exchange is not None and self._exchange.is_full:
                    self._is_stalled = True
                    self._transport.pause_reading()
                    return
        except UnsupportedProtocol as error:
            # Whoever speaks a later version reads the answer of version 5, the others that of 3.1.1.
            self.level = V5 if error.level > V5 else 4
            self._refuse(V3_REFUSED_VERSION, Reason.UNSUPPORTED_PROTOCOL_VERSION, parting=False)
        except MalformedPacket as error:
            self._violation(error)
        except FAILURES:
            logger.exception("an MQTT packet could not be served", extra={"address": self.address})
            if self.phase is Phase.SILENT:
                self._refuse(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)
            self.leave(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "failed")

    def connection_lost(self, exc: Exception | None) -> None:
        self._close_session("connection lost")
        self.phase = Phase.CLOSED
        self.door.lost(self)

    # -- limits in time ----------------------------------------------------------------------------

    def check(self, now: float) -> None:
        """Close what has been silent or lingering for too long; called every now and then."""
        if self.phase is Phase.CLOSED:
            if now - self._quiet_since > FLUSH_S:
                self._transport.abort()
        elif self._linger_until and now > self._linger_until and not (self._exchange and self._exchange.is_busy):
            self._close("answered")
        elif self.phase is Phase.JUDGED or self._is_stalled:
            pass  # the silence is ours
        elif now - self._quiet_since > self._keep_alive_s:
            self.leave(Reason.KEEP_ALIVE_TIMEOUT, "keep-alive")

    def drop(self) -> None:
        """Make room for another peer."""
        self.leave(Reason.SERVER_BUSY, "crowded out")
        self._transport.abort()

    def end(self, why: SessionEnd) -> None:
        """End the session from the server's side."""
        if self._session is not None and why is not SessionEnd.TAKEN_OVER:
            self._session.revoke()
        self.leave(END_REASONS[why], why.value)

    # -- packets -----------------------------------------------------------------------------------

    def _take(self, packet: Packet) -> None:
        self._quiet_since = now = self.door.now()
        if not self._is_answer(packet) and not self._spend_token(now):
            self.leave(Reason.QUOTA_EXCEEDED, "too many packets")
        elif self.phase is Phase.SILENT:
            self._on_connect(packet)  # type: ignore[arg-type]  # the reader lets nothing else pass first
        elif (serve := _SERVED.get(type(packet))) is not None:
            if self._session is None:
                self.door.crowd.stirred(self)
            assert self._exchange is not None  # an open connection has one
            serve(self._exchange, packet)
        elif isinstance(packet, Pingreq):
            self.write(Pingresp().encode(self.level))
        elif isinstance(packet, Disconnect):
            self._on_disconnect(packet)
        elif self._session is not None:
            self.leave(Reason.PROTOCOL_ERROR, "unexpected packet")

    def _is_answer(self, packet: Packet) -> bool:
        """Say whether a packet is what the client owes us: it cannot choose not to send it."""
        if self._client is None:
            return False
        if isinstance(packet, Pubrel):
            return packet.packet_id in self._client.received
        return isinstance(packet, Puback | Pubrec | Pubcomp) and self._client.outgoing.expects(packet)

    def _spend_token(self, now: float) -> bool:
        self._tokens = self.door.rates.refilled(self._tokens, self._filled_at, now) - 1
        self._filled_at = now
        return self._tokens >= 0

    # -- CONNECT -----------------------------------------------------------------------------------

    def _on_connect(self, connect: Connect) -> None:
        self.level = connect.level
        self.door.crowd.stirred(self)
        if Property.AUTHENTICATION_METHOD in connect.properties:
            # Reason 0x8C has no place in a DISCONNECT.
            self._refuse(V3_NOT_AUTHORIZED, Reason.BAD_AUTHENTICATION_METHOD, parting=False)
            return
        for dialect in self.door.dialects:
            topics = dialect.provision_session(connect, self.origin)
            if topics is not None:
                outgoing = Outgoing(connect, self.door.config.max_in_flight)
                client = ClientSession(self.door.pubsub, None, None, connect.client_id, outgoing)
                self._accept(connect, client, topics, {}, proven=False)
                return
        self.phase = Phase.JUDGED
        self.door.spawn(self._login(connect))

    async def _login(self, connect: Connect, *, again: bool = False) -> None:
        judged_at = time.monotonic()
        try:
            login = await judge(self.door, connect, self.origin)
            if self.phase is Phase.JUDGED:
                await self._begin(connect, login, judged_at, again=again)
        except ConnectRefused as refusal:
            self._refuse(refusal.v3, refusal.v5)
        except FAILURES:
            logger.exception("a session could not be opened", extra={"address": self.address})
            if self.phase is Phase.JUDGED:
                self._refuse(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)
            self.leave(Reason.IMPLEMENTATION_SPECIFIC_ERROR, "failed")

    async def _begin(self, connect: Connect, login: Login, judged_at: float, *, again: bool) -> None:
        told = terms(connect, self.door.config)
        client_id = connect.client_id or str(told.get(Property.ASSIGNED_CLIENT_IDENTIFIER, ""))
        if login.is_fleeting:
            if connect.properties.get(Property.SESSION_EXPIRY_INTERVAL, 0):
                told[Property.SESSION_EXPIRY_INTERVAL] = 0
        elif login.slot and client_id:
            # One session for each client id: also for one that has just been given, by which it comes back.
            login = replace(login, slot=client_id)
        session = OpenSession(self.door, login, connect, self.origin, self)
        if not session.open(judged_at=judged_at):
            if again:
                self._refuse(V3_NOT_AUTHORIZED, Reason.NOT_AUTHORIZED)
            else:  # the credentials were replaced meanwhile, perhaps by those that the device has just shown
                await self._login(connect, again=True)
            return
        try:
            topics = login.topics(self.push)
        except BaseException:
            session.abandon()
            raise
        self._tokens = min(self._tokens, self.door.rates.come_back(login.owner, login.slot, self.door.now()))
        resumed = session.take_client(client_id)
        session.client.sink = self.push
        self._session = session
        self.door.crowd.leave(self)
        self._accept(connect, session.client, topics, told, resumed=resumed)
        session.tell_connected()
        self._transport.resume_reading()
        self._read(self._reader)

    def _accept(
        self,
        connect: Connect,
        client: ClientSession,
        topics: SessionTopics,
        told: Properties,
        *,
        proven: bool = True,
        resumed: bool = False,
    ) -> None:
        keep_alive = connect.keep_alive
        self._keep_alive_s = keep_alive * 1.5 + 1 if keep_alive else self.door.longest_silence_s
        self._client = client
        self._topics = topics
        self._exchange = Exchange(self, topics, client, proven=proven)
        self.phase = Phase.OPEN
        self.write(Connack(resumed, 0, told).encode(self.level))
        if resumed:
            self._exchange.resume()

    def _refuse(self, v3: int, v5: int, *, parting: bool = True) -> None:
        """Answer CONNECT with a refusal and close; nothing anywhere has changed."""
        if self.phase is Phase.CLOSED:
            return
        if self.level == V5:
            answer = Connack(False, v5).encode(V5)
            self.write(answer + Disconnect(v5).encode(V5) if parting else answer)
        else:
            self.write(Connack(False, v3).encode(self.level))
        self._close("refused")

    # -- what the exchange needs -------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        return self.phase is Phase.OPEN

    def go_on(self) -> None:
        """Read again, if reading has paused because too much was waiting."""
        if self._is_stalled and self.phase is Phase.OPEN:
            self._is_stalled = False
            self._quiet_since = self.door.now()
            self._transport.resume_reading()
            self._read(self._reader)

    def served(self) -> None:
        """Take note that nothing waits to be served any more."""
        if self._left_behind is not None:
            self._left_behind.close()

    def linger(self) -> None:
        """Let a provision-only session live a little longer."""
        self._linger_until = self.door.now() + self.door.provision_linger_s

    def push(self, message: Message) -> None:
        """Send something that no message of the client has asked for."""
        if self.phase is not Phase.OPEN:
            return
        assert self._client is not None  # an open connection has one
        try:
            self._client.outgoing.send(message)
        except NotAcknowledged:
            self.overflow()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """Write what is pushed in one turn of the event loop together: most of its cost is the system call."""
        if self._client is not None and self._client.outgoing.waiting >= PUSHED_TOGETHER:
            self.flush()
        elif not self._will_flush:
            self._will_flush = True
            asyncio.get_running_loop().call_soon(self._flush_pushed)

    def _flush_pushed(self) -> None:
        self._will_flush = False
        self.flush()

    def overflow(self) -> None:
        """Drop a client that does not take what is sent to it (threat MQ-11)."""
        self.leave(Reason.QUOTA_EXCEEDED, "does not acknowledge")
        if self._transport.get_write_buffer_size():  # nor does it read why
            self._transport.abort()

    def flush(self, first: bytes = b"") -> None:
        """Write ``first``, and of what waits as much as the peer reads; the rest when it has read that."""
        parts = [first]
        if self.phase is Phase.OPEN and self._client is not None:
            size = self._transport.get_write_buffer_size()
            while size <= HIGH_WATER and (frame := self._client.outgoing.next()):
                parts.append(frame)
                size += len(frame)
        self.write(b"".join(parts))

    def resume_writing(self) -> None:
        self.flush()

    def write(self, data: bytes) -> None:
        transport = self._transport
        if not data or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > self.door.config.max_write_buffer:
            self._close("does not read")
            transport.abort()

    # -- ending ------------------------------------------------------------------------------------

    def _on_disconnect(self, packet: Disconnect) -> None:
        if self._session is None:
            if self.level == V5:
                self.write(Disconnect().encode(V5))  # contract PM-7
        elif not self._session.take_leave(packet):
            self.leave(Reason.PROTOCOL_ERROR, "protocol violation")
        self._close("disconnected")

    def _violation(self, error: MalformedPacket) -> None:
        if self.door.may_log(self.address):
            logger.info("an MQTT peer broke the protocol", extra={"address": self.address, "reason": str(error)})
        self.level = self._reader.level or self.level
        v3 = V3_CODES.get(error.reason)
        if self.phase is Phase.SILENT and (self.level == V5 or v3 is not None):
            self._refuse(v3 or V3_NOT_AUTHORIZED, error.reason, parting=False)
        elif self.phase is Phase.OPEN:
            self.leave(error.reason, "protocol violation")
        else:
            self._close("protocol violation")

    def leave(self, reason: int, why: str) -> None:
        """Send the client away: tell it why in version 5, close, and serve nothing more of what it sent."""
        self.is_expelled = True
        if self.level == V5 and self.phase is Phase.OPEN:
            self.write(Disconnect(reason).encode(V5))
        self._close(why)

    def _close(self, why: str) -> None:
        if self.phase is Phase.CLOSED:
            return
        self._close_session(why)
        self.phase = Phase.CLOSED
        self._quiet_since = self.door.now()
        self._transport.close()

    def _close_session(self, why: str) -> None:
        session, self._session = self._session, None
        if session is None:
            return
        assert self._topics is not None  # an open session has topics
        assert self._exchange is not None  # and this
        self.door.rates.leave(session.login.owner, session.login.slot, self._tokens, self._filled_at)
        may_come_back = session.close(why)
        try:
            self._topics.close()
        except FAILURES:
            logger.exception("a session could not be closed", extra={"address": self.address})
        if may_come_back:
            return
        if self._exchange.is_busy:
            self._left_behind = session.client  # what it has sent is served first
        else:
            session.client.close()


_SERVED: dict[type, Callable[[Exchange, Any], None]] = {
    Publish: Exchange.on_publish,
    Puback: Exchange.on_puback,
    Pubrec: Exchange.on_pubrec,
    Pubrel: Exchange.on_pubrel,
    Pubcomp: Exchange.on_puback,
    Subscribe: Exchange.on_subscribe,
    Unsubscribe: Exchange.on_unsubscribe,
}
