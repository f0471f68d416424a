"""Settings of u-blox Thingstream's wire contract."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from firstboot.config import Count

Port = Annotated[int, Field(ge=1, le=65_535, strict=True)]


@dataclass(frozen=True, kw_only=True)
class ThingstreamConfig:
    """Section ``[thingstream]``: zero touch provisioning of devices with u-blox modules."""

    broker_host: str | None = None
    """Host name of the broker that devices are told; without it ``server.public_host``."""

    broker_port: Port | None = None
    """Port of the broker that devices are told; without it that of ``mqtt.tls_bind``, else of ``mqtt.bind``."""

    cloudlocate_topic: str = "cloudlocate/response"
    """Where a Thing hears positions, below its own ``device:<uuid>/``."""

    max_body: Count = 16_384
    """Bytes of the body of a device's request."""

    requests_per_minute: Count = 30
    """Requests for credentials from one address (IPv6: /64); more get 429. Raise it for a production line."""

    bad_tokens_per_minute: Count = 5
    """Wrong tokens from one address that are answered as such; more get 429."""
