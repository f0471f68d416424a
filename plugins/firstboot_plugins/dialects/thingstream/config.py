"""Settings of u-blox Thingstream's wire contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from firstboot.config import Count, TimeLimit
from firstboot_plugins.dialects.thingstream.ca_file import readable
from firstboot_plugins.dialects.thingstream.plans import Plan

CaFile = Annotated[Path, AfterValidator(readable)]
DataTypes = Annotated[str, Field(pattern=r"^[a-z0-9_]+(,[a-z0-9_]+)*$", max_length=1000)]
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

    plans: Mapping[str, Plan] = field(default_factory=dict)
    """Plans of PointPerfect, each a table ``[thingstream.plans.<name>]``: ``delivery`` is ``lband``, ``ip`` or
    ``both`` (the default), ``regions`` are some of ``eu`` (the default), ``us``, ``kr``, ``au`` and ``jp``."""

    certificate_life: TimeLimit = timedelta(days=3650)
    """How long a certificate of PointPerfect is good; never longer than that of the authority."""

    key_stock: Count = 16
    """RSA keys for PointPerfect that are made before devices ask for them."""

    ca_file: CaFile | None = None
    """PEM file with the authority that vouches for the server's own certificate, for devices that download it
    (``/ztp/ca.pem``, ``/repository/AmazonRootCA1.pem``). Without it these have the authority for devices."""

    rtcm_host: str | None = None
    """Host name of the NTRIP server that devices of PointPerfect are told; without it ``server.public_host``."""

    rtcm_port: Port = 2101
    """Port of the NTRIP server."""

    rtcm_mount_point: str = "NEAR-RTCM"
    """Mount point at the NTRIP server."""

    assistnow_url: str | None = None
    """Where devices of AssistNow get data; without it ``/GetAssistNowData.ashx`` at the server's own URL."""

    assistnow_data: DataTypes = "ulorb_l1,uporb_7,ualm"
    """What devices of AssistNow may get, in the words of its service."""

    max_body: Count = 16_384
    """Bytes of the body of a device's request."""

    requests_per_minute: Count = 30
    """Requests for credentials from one address (IPv6: /64); more get 429. Raise it for a production line."""

    bad_tokens_per_minute: Count = 5
    """Wrong tokens from one address that are answered as such; more get 429."""
