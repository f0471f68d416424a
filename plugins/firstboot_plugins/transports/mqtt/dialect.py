"""What a dialect offers to the MQTT transport through `firstboot_mqtt_dialects`.

The door owns sockets, packets, acknowledgements and limits; a dialect knows topics and payloads. Topics that
a dialect serves belong to one session: what is published there reaches the dialect and nobody else, and what
the dialect sends reaches this session's socket and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from firstboot.model import DeviceRef, Origin
from firstboot.sessions import Owner
from firstboot_plugins.transports.mqtt.packets import Connect, Publish

FAILURES = (Exception, asyncio.CancelledError, SystemExit, KeyboardInterrupt)
"""What a dialect may raise though it must not: that connection ends, and the server lives (threat PL-1)."""


class ConnectRefused(Exception):
    """The CONNECT is refused, with the code that each protocol generation knows."""

    def __init__(
        self, v3: int, v5: int, delay_s: float = 0.0, *, code: str = "bad-credentials", reason: str | None = None
    ) -> None:
        """``reason``: what is logged, and counted against the address, if no other dialect takes the CONNECT; None
        for a refusal that is reported already, with the seconds to hold the answer back.
        """
        super().__init__(f"refused with {v3} or 0x{v5:02x}")
        self.v3 = v3
        self.v5 = v5
        self.delay_s = delay_s
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Message:
    """Something to send to this session's client."""

    topic: str
    payload: bytes = field(repr=False)
    qos: int
    delivered: Callable[[], Awaitable[None]] | None = None
    """Awaited once the client has acknowledged the message (QoS 1)."""
    written: Callable[[], None] | None = None
    """Called when the message waits no longer to be written; for those who send many."""

    @property
    def size(self) -> int:
        """How many bytes it counts for while it waits."""
        return len(self.topic) + len(self.payload)


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
    no reasons, QoS 0 no acknowledgement, and some reasons may not stand in one."""


class SessionTopics(Protocol):
    """The topics of one session that a dialect serves."""

    def owns(self, topic: str) -> bool:
        """Say whether this topic name or filter is the dialect's to grant or refuse; the broker has the others."""
        ...

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        """Return the granted QoS, None to refuse."""
        ...

    def unsubscribe(self, topic_filter: str) -> bool:
        """Say whether there was such a subscription."""
        ...

    async def publish(self, message: Publish) -> Reply:
        """Act on a message, one at a time in the order of their arrival; the door acknowledges it then."""
        ...

    def close(self) -> None:
        """Let go of what the session holds; called once, when it has ended."""
        ...


@runtime_checkable
class DecidesOnFilters(Protocol):
    """Topics of a session whose dialect has to ask somebody before it grants or refuses a subscription."""

    async def decide(self, topic_filters: Sequence[str]) -> None:
        """Decide on the filters of a SUBSCRIBE; `SessionTopics.subscribe` is asked for each then."""
        ...


class TopicRights(Protocol):
    """What a session may do on the topics of the broker, and how it sees them.

    The broker's own topics ("inner") begin with the tenant, so that tenants never meet. Inner and outer form
    are computed from the verified identity alone.
    """

    @property
    def may_retain(self) -> bool:
        """Whether messages may be retained; otherwise RETAIN is cleared (threat MQ-9)."""
        ...

    def publish_to(self, topic: str) -> str | None:
        """Return the inner topic, None when the session may not publish there."""
        ...

    def subscribe_to(self, topic_filter: str) -> str | None:
        """Return the inner filter, None when the session may not subscribe there."""
        ...

    def seen_as(self, inner_topic: str) -> str | None:
        """Return how a delivered topic is named to the client, None when it may not see it."""
        ...


Sender = Callable[[Message], None]
"""Sends something to the client at any time, while its session lives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who a CONNECT has proven to be, and what the session may do."""

    owner: Owner
    """Whose credentials these are: the session ends with them."""
    name: str
    """For logs and events."""
    dialect: str
    """Name of the dialect that the credentials are of, for events."""
    topics: Callable[[Sender], SessionTopics]
    """Makes the session's topics once the session is open."""
    slot: str = ""
    """The owner has one session in each slot: a device one in all, an application one for each client id."""
    rights: TopicRights | None = None
    """None: no ordinary publish and subscribe at all."""
    device: DeviceRef | None = None
    """The device, if it is one."""
    collect: Callable[[str, bytes], Awaitable[None]] | None = None
    """Awaited with topic and payload of each message to the broker, before it is passed on and acknowledged."""
    is_fleeting: bool = False
    """Whether nothing of the session outlives its connection. Then ``slot`` stays as it is here, and any number
    of clients may have one client id at the same time."""


class MqttDialect(Protocol):
    """A vendor's contract over MQTT."""

    name: str

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Return the topics of a session that may only provision, None when this CONNECT asks for no such one.

        Asked before any credentials are looked at.
        """
        ...

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        """Return what the CONNECT proves; None when its credentials are not of this dialect's form.

        Raises: `ConnectRefused`; then the next dialect is asked. `firstboot.errors.Unavailable`.
        """
        ...
