"""Settings of the HTTP transport."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from firstboot.config import Address, Bind, Count, Duration

_DEFAULT_BIND = Address("127.0.0.1", 8080)


@dataclass(frozen=True, kw_only=True)
class HttpConfig:
    """Section ``[http]``: HTTP/1.1 on TCP."""

    bind: Bind = _DEFAULT_BIND
    """Where to listen; port 0 is any free port."""

    tls_bind: Bind | None = None
    """Where to listen for HTTPS, with the certificates of ``[tls]``; without it there is none."""

    client_certificates: Literal["off", "optional"] = "off"
    """Whether HTTPS asks peers for a certificate; what it is good for is up to whoever gets the request."""

    max_header_size: Count = 16384
    """Bytes of request line and headers together."""

    max_request_line: Count = 8192
    """Bytes of the request line."""

    max_device_body: Count = 65536
    """Bytes of the body of a device's request."""

    max_admin_body: Count = 1048576
    """Bytes of the body of an administrator's request."""

    max_import_body: Count = 16777216
    """Bytes of the body of an import."""

    max_event_streams: Count = 8
    """Streams of live events of one person or API token at the same time."""

    public_url: str | None = None
    """How people reach this server, such as ``https://iot.example.com``; links begin with it. Without it
    ``http``, ``public_host`` and the port; ``https`` where others reach that one only."""

    header_timeout: Duration = timedelta(seconds=10)
    """Time from accepting a connection to its complete headers."""

    body_timeout: Duration = timedelta(seconds=30)
    """Time from the headers to the complete body."""

    keep_alive: Duration = timedelta(seconds=15)
    """How long an idle connection is kept."""

    max_connections: Count = 1000
    """Connections at the same time; above, the one that has waited longest for a request is closed."""

    max_idle_per_address: Count = 100
    """Connections of one address (IPv6: /64) that wait for a request."""

    max_in_flight: Count = 100
    """Requests at the same time; more get 503 and are asked to come again."""
