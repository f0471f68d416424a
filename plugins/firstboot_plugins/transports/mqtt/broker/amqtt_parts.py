"""The parts of amqtt that are replaced or closed off: sessions, packets of a client, the login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.broker.embedded import EmbeddedBroker


class TrustTheDoor(BaseAuthPlugin):
    """Accept every client: only inner sessions can reach the broker, and the door has judged whose they are."""

    async def authenticate(self, *, session: Session) -> bool | None:
        return True


class _States:
    """What amqtt asks of a session's state machine; its own costs 17 KiB and 0.2 ms for each session."""

    __slots__ = ("state",)

    def __init__(self) -> None:
        self.state = "new"

    def connect(self) -> None:
        self.state = "connected"

    def disconnect(self) -> None:
        self.state = "disconnected"

    def is_connected(self) -> bool:
        return self.state == "connected"


class LeanSession(Session):
    """An amqtt session with a small state machine."""

    def _init_states(self) -> None:
        self.transitions = _States()  # type: ignore[assignment]


class InnerHandler(BrokerProtocolHandler):
    """Reads what an inner session sends."""

    def __init__(self, broker: EmbeddedBroker) -> None:
        super().__init__(broker.plugins_manager)
        self._broker = broker

    async def start(self) -> None:
        await super().start()
        if self._reader_stopped.is_set():
            # The session has ended before amqtt began to wait for that; it would wait for ever.
            await self.handle_connection_closed()

    async def handle_publish(self, publish_packet: PublishPacket) -> None:
        """Acknowledge a message when it is with all its receivers; amqtt itself does so before anybody has it."""
        header, payload, session = publish_packet.variable_header, publish_packet.payload, self.session
        assert header is not None
        assert payload is not None
        assert header.packet_id is not None  # inner sessions publish with QoS 1
        assert session is not None
        assert session.client_id is not None
        retained_by = self._broker.retainer(session.client_id) if publish_packet.retain_flag else None
        self._broker.distribute(header.topic_name, payload.data or b"", retained_by)
        await self._send_packet(PubackPacket.build(header.packet_id))
