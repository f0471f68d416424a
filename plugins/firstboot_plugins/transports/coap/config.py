"""Settings of the CoAP transport."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from firstboot.config import Address, Bind, Count, TimeLimit

_DEFAULT_BIND = Address("127.0.0.1", 5683)


@dataclass(frozen=True, kw_only=True)
class CoapConfig:
    """Section ``[coap]``: CoAP on UDP, without encryption and with DTLS."""

    bind: Bind = _DEFAULT_BIND
    """Where to listen; port 0 is any free port."""

    dtls_bind: Bind | None = None
    """Where to listen for CoAP over DTLS 1.2, with the certificates of ``[tls]``; without it there is none."""

    client_certificates: Literal["off", "optional"] = "off"
    """Whether DTLS asks devices for a certificate; one that nobody vouches for is accepted, and may be a device's
    credentials."""

    dtls_handshake_timeout: TimeLimit = timedelta(seconds=30)
    """Time from a client's hello to the end of its handshake."""

    dtls_idle_timeout: TimeLimit = timedelta(hours=48)
    """After so long without a message a DTLS session ends."""

    dtls_max_sessions: Count = 5000
    """DTLS sessions, of about 70 KiB each; above, the one that was quiet longest ends."""

    dtls_max_sessions_per_address: Count = 500
    """The same, for one address (IPv6: /64)."""

    max_body: Count = 65536
    """Bytes of a device's request, all its blocks together."""

    messages_per_second: Count = 50
    """Datagrams from one address (IPv6: /64); more are dropped unread once ``burst`` is used up."""

    burst: Count = 200
    """Datagrams from one address at once."""

    max_amplification: Count = 3
    """Bytes sent to an address for each byte that came from it, as long as it has sent back no Echo option. To be
    raised only where nobody can lie about addresses."""

    max_in_flight: Count = 1000
    """Requests at the same time; more are told to come again."""

    max_uploads: Count = 256
    """Requests in blocks that are not complete yet."""

    max_uploads_per_address: Count = 16
    """The same, from one address; more make the oldest of them start again."""

    upload_timeout: TimeLimit = timedelta(seconds=30)
    """Time from the first block of a request to its last."""

    max_remembered: Count = 65536
    """Requests whose answers are kept for the case that they come a second time."""

    max_remembered_bytes: Count = 33554432
    """Bytes of those answers."""

    max_observations: Count = 10000
    """Resources that devices observe at the same time."""

    observation_check: TimeLimit = timedelta(hours=24)
    """After so long without news a device is asked whether it still observes (RFC 7641: at most 24h)."""
