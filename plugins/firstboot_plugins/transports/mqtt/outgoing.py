"""Messages on their way to one client: their numbers, their acknowledgements, and the client's limits."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from firstboot_plugins.transports.mqtt.dialect import Message
from firstboot_plugins.transports.mqtt.packets import (
    V5,
    Connect,
    Properties,
    Property,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Reason,
)
from firstboot_plugins.transports.mqtt.properties import property_bytes

Delivered = Callable[[], Awaitable[None]]

_PACKET_IDS = 0xFFFF
_NEVER = float("inf")


class NotAcknowledged(Exception):
    """The client has left so many messages unread or unacknowledged that no more are kept for it."""


@dataclass(frozen=True, slots=True)
class Ordinary(Message):
    """A message of the broker. It survives the connection, if the session does."""

    retain: bool = False
    properties: Properties = field(default_factory=dict, repr=False)
    expires_at: float = _NEVER
    """On the clock of `time.monotonic`."""

    @property
    def size(self) -> int:
        return len(self.topic) + len(self.payload) + property_bytes(self.properties)


@dataclass(slots=True)
class _Sent:
    """A message that the client has not acknowledged."""

    message: Ordinary | None
    """None: nothing to send again."""
    delivered: Delivered | None
    qos: int
    received: bool = False
    """The client has it (QoS 2), and must only learn that we know."""


class Outgoing:
    """Turns messages into frames.

    At most ``most`` are unacknowledged; as many wait behind them, or ``most_waiting`` with at most ``most_bytes``.
    """

    __slots__ = (
        "_allowed_bytes", "_bytes", "_largest", "_last_id", "_later", "_level", "_most", "_most_bytes",
        "_most_waiting", "_unacknowledged", "_unnumbered", "_waiting", "_window",
    )  # fmt: skip

    def __init__(
        self, connect: Connect, most: int, *, most_waiting: int | None = None, most_bytes: float = math.inf
    ) -> None:
        self._most = most
        self._most_waiting = most if most_waiting is None else most_waiting
        self._most_bytes = most_bytes
        self._bytes = 0
        self._last_id = 0
        self._unacknowledged: dict[int, _Sent] = {}
        # Lists, though they are queues: most are always empty, and an empty deque takes 600 bytes.
        self._waiting: list[Message] = []
        self._unnumbered: list[Message] = []
        self._later: list[Ordinary] = []
        self.attach(connect)

    def attach(self, connect: Connect) -> None:
        """Take the limits of the client's new connection; what was kept for it does not count against them."""
        self._allowed_bytes = self._bytes + self._most_bytes
        self._level = connect.level
        # Only MQTT 5 has these two properties.
        self._window = min(self._most, connect.properties.get(Property.RECEIVE_MAXIMUM, self._most))
        self._largest = connect.properties.get(Property.MAXIMUM_PACKET_SIZE)

    @property
    def waiting(self) -> int:
        """How many messages wait for the client."""
        return len(self._waiting) + len(self._unnumbered)

    @property
    def held_bytes(self) -> int:
        """How much is kept for the client."""
        return self._bytes + sum(each.message.size for each in self._unacknowledged.values() if each.message)

    def send(self, message: Message) -> None:
        """Put a message behind those that wait; `next` gives it out. Raises: `NotAcknowledged`."""
        queue = self._waiting if message.qos else self._unnumbered
        size = message.size
        if queue and (len(queue) >= self._most_waiting or self._bytes + size > self._allowed_bytes):
            raise NotAcknowledged
        self._bytes += size
        queue.append(message)

    def store(self, message: Ordinary) -> None:
        """Put a message behind those that wait for a client that is absent; the caller keeps the bounds."""
        self._bytes += message.size
        self._waiting.append(message)

    def send_later(self, messages: Iterable[Ordinary], most: int) -> None:
        """Send messages when nothing else waits. Raises: `NotAcknowledged` if they become more than ``most``."""
        self._later.extend(messages)
        if len(self._later) > most:
            raise NotAcknowledged

    def next(self) -> bytes:
        """Return the next frame to write; nothing when the client must acknowledge others first."""
        while self._unnumbered or (self._waiting and self._has_room(self._waiting[0])):
            message = (self._unnumbered or self._waiting).pop(0)
            self._bytes -= message.size
            if message.written is not None:
                message.written()
            if frame := self._frame(message):
                return frame
        while self._later and self._has_room(self._later[0]):
            if frame := self._frame(self._later.pop(0)):
                return frame
        return b""

    def expects(self, answer: Puback | Pubrec | Pubcomp) -> bool:
        """Say whether this is the next answer to one of our messages."""
        sent = self._unacknowledged.get(answer.packet_id)
        if sent is None:
            return False
        if isinstance(answer, Puback):
            return sent.qos == 1
        return sent.qos == 2 and sent.received is isinstance(answer, Pubcomp)

    def acknowledged(self, packet_id: int) -> Delivered | None:
        """Take the last acknowledgement of a message; return what to call for it."""
        sent = self._unacknowledged.get(packet_id)
        if sent is None or (sent.qos == 2 and not sent.received):
            return None
        del self._unacknowledged[packet_id]
        return sent.delivered

    def received(self, packet_id: int, reason: int) -> bytes:
        """Take a PUBREC; return the bytes to answer it with."""
        sent = self._unacknowledged.get(packet_id)
        if sent is not None and sent.qos == 2 and reason < Reason.UNSPECIFIED_ERROR:
            sent.received = True
            sent.message = None
            return Pubrel(packet_id).encode(self._level)
        if reason >= Reason.UNSPECIFIED_ERROR:
            if sent is not None and sent.qos == 2:
                del self._unacknowledged[packet_id]
            return b""
        return Pubrel(packet_id, Reason.PACKET_ID_NOT_FOUND).encode(self._level)

    def keep_ordinary(self, most: int, largest: int, most_bytes: float = math.inf) -> None:
        """Forget what does not outlive the connection, and what is too much or too large to be kept."""
        self._later.clear()
        self._unnumbered.clear()
        self._unacknowledged = {
            packet_id: sent
            for packet_id, sent in self._unacknowledged.items()
            if sent.message is not None or sent.received
        }
        kept: list[Message] = []
        self._bytes = 0
        for message in self._waiting:
            size = message.size
            if not isinstance(message, Ordinary) or size > largest:
                continue
            if len(kept) == most or self._bytes + size > most_bytes:
                break
            kept.append(message)
            self._bytes += size
        self._waiting = kept

    def again(self) -> bytes:
        """Return what a client that is back must get again, in the old order (MQTT-4.4.0-1)."""
        frames = []
        for packet_id, sent in list(self._unacknowledged.items()):
            if sent.received:
                frames.append(Pubrel(packet_id).encode(self._level))
            elif sent.message is not None and (frame := self._publish(sent.message, packet_id, dup=True)):
                frames.append(frame)
            else:  # it has expired, or is too large for the new connection
                del self._unacknowledged[packet_id]
        return b"".join(frames)

    def _has_room(self, message: Message) -> bool:
        return not message.qos or len(self._unacknowledged) < self._window

    def _frame(self, message: Message) -> bytes:
        if not message.qos:
            return self._publish(message, None)
        packet_id = self._last_id % _PACKET_IDS + 1
        while packet_id in self._unacknowledged:
            packet_id = packet_id % _PACKET_IDS + 1
        frame = self._publish(message, packet_id)
        if frame:
            self._last_id = packet_id
            kept = message if isinstance(message, Ordinary) else None
            self._unacknowledged[packet_id] = _Sent(kept, message.delivered, message.qos)
        return frame

    def _publish(self, message: Message, packet_id: int | None, *, dup: bool = False) -> bytes:
        packet = Publish(message.topic, message.payload, message.qos, dup=dup, packet_id=packet_id)
        if isinstance(message, Ordinary):
            packet.retain = message.retain
            if self._level == V5:
                packet.properties = message.properties
            if message.expires_at < _NEVER:
                left = math.ceil(message.expires_at - time.monotonic())
                if left <= 0:
                    return b""
                packet.properties = {**packet.properties, Property.MESSAGE_EXPIRY_INTERVAL: left}
        frame = packet.encode(self._level)
        # MQTT-3.1.2-25: what is too large for the client is dropped as if it had been sent.
        return b"" if self._largest is not None and len(frame) > self._largest else frame
