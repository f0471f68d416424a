"""Settings of the MQTT transport."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from firstboot.config import Address, Bind, Count, Duration


@dataclass(frozen=True, kw_only=True)
class MqttConfig:
    """Section ``[mqtt]``: MQTT 3.1, 3.1.1 and 5, on TCP, TLS and WebSocket."""

    bind: Bind = Address("127.0.0.1", 1883)
    """Where to listen; port 0 is any free port."""

    tls_bind: Bind | None = None
    """Where to listen for MQTT over TLS, with the certificates of ``[tls]``; without it there is none."""

    ws_bind: Bind | None = None
    """Where to listen for MQTT over WebSocket; without it there is none."""

    wss_bind: Bind | None = None
    """Where to listen for MQTT over WebSocket and TLS; without it there is none."""

    ws_path: str = "/mqtt"
    """The path of WebSocket connections."""

    ws_origins: tuple[str, ...] | None = None
    """Web pages that may open WebSocket connections, such as ``https://iot.example.com``; without it those of
    the host that they connect to. Clients that are no browsers do not say where they come from, and may."""

    client_certificates: Literal["off", "optional"] = "off"
    """Whether TLS asks clients for a certificate; one that nobody vouches for is accepted, and may be a device's
    credentials."""

    connect_timeout: Duration = timedelta(seconds=10)
    """Time from accepting a connection to its complete CONNECT, that of TLS and WebSocket included."""

    max_connect_size: Count = 8192
    """Bytes of the largest CONNECT."""

    max_packet_size: Count = 65536
    """Bytes of the largest packet of any other kind."""

    max_unauthenticated: Count = 2000
    """Connections that have not proven to be a device; above, the one that was quiet longest is dropped."""

    max_unauthenticated_per_address: Count = 200
    """The same, for one address (IPv6: /64)."""

    max_in_flight: Count = 20
    """Messages of one connection that wait for their answer, each way."""

    messages_per_second: Count = 50
    """Packets of one client, on average; also over reconnects."""

    burst: Count = 200
    """Packets of one client at once."""

    max_filters: Count = 64
    """Subscriptions of one session."""

    max_write_buffer: Count = 262144
    """Bytes that wait for a peer to read them; above, it is dropped."""

    longest_silence: Duration = timedelta(hours=1)
    """After which a client that asked for no keep-alive is dropped."""

    provision_linger: Duration = timedelta(seconds=60)
    """How long a provision-only session stays open after its last answer."""

    max_queued_messages: Count = 1000
    """Messages of the broker that wait for a client that is connected; above, it is dropped."""

    max_queued_bytes: Count = 524288
    """Bytes of them; above, the client is dropped."""

    longest_session: Duration = timedelta(hours=24)
    """How long a session may outlive its connection (MQTT 5: the largest Session Expiry Interval)."""

    max_stored_sessions: Count = 20
    """Sessions of absent clients, for one device or API token; above, the one that was left first ends."""

    max_stored_messages: Count = 100
    """Messages with QoS 1 and 2 that wait for a client that is absent; later ones are lost."""

    max_stored_bytes: Count = 67108864
    """Bytes of such messages, for all absent clients."""

    max_retained: Count = 10000
    """Retained messages of one tenant; above, further messages are delivered and not retained."""

    max_retained_bytes: Count = 16777216
    """Bytes of them."""
