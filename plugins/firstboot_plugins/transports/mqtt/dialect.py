"""What a dialect offers to the MQTT transport through `firstboot_mqtt_dialects`.

The door owns sockets, packets, acknowledgements and limits; a dialect knows topics and payloads. Topics that
a dialect serves belong to one session: what is published there reaches the dialect and nobody else, and what
the dialect sends reaches this session's socket and no other.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from firstboot.logins import Match
from firstboot.model import Origin
from firstboot_plugins.transports.mqtt.packets import Connect, Publish


class ConnectRefused(Exception):
    """The CONNECT is refused, with the code that each protocol generation knows."""

    def __init__(self, v3: int, v5: int, delay_s: float = 0.0) -> None:
        super().__init__(f"refused with {v3} or 0x{v5:02x}")
        self.v3 = v3
        self.v5 = v5
        self.delay_s = delay_s


@dataclass(frozen=True, slots=True)
class Message:
    """Something to send to this session's client."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    delivered: Callable[[], Awaitable[None]] | None = None
    """Awaited once the client has acknowledged the message (QoS 1)."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What became of a message that a client published."""

    reason: int = 0
    """MQTT 5 reason code of the acknowledgement; 0x80 and above: the message was not taken."""

    messages: tuple[Message, ...] = ()
    """Sent after the acknowledgement."""

    close: bool = False
    """Whether the connection ends after all this."""

    must_tell: bool = False
    """Whether a client that cannot be told the reason in an acknowledgement is told by closing: MQTT 3 has
    no reasons, and QoS 0 no acknowledgement."""


class SessionTopics(Protocol):
    """The topics of one session."""

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        """Return the granted QoS, None to refuse."""
        ...

    def unsubscribe(self, topic_filter: str) -> bool:
        """Say whether there was such a subscription."""
        ...

    async def publish(self, message: Publish) -> Reply:
        """Act on a message, one at a time in the order of their arrival; the door acknowledges it then."""
        ...


class MqttDialect(Protocol):
    """A vendor's contract over MQTT."""

    name: str

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Return the topics of a session that may only provision, None when this CONNECT asks for no such one.

        Asked before any credentials are looked at.
        """
        ...

    async def login(self, connect: Connect, origin: Origin) -> Match:
        """Return the device that the CONNECT proves.

        Raises: `ConnectRefused`; then the next dialect is asked. `firstboot.errors.Unavailable`.
        """
        ...
