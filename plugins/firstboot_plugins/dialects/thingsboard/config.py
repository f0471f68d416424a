"""Settings of ThingsBoard's wire contract."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from firstboot.config import Count, TimeLimit


@dataclass(frozen=True, kw_only=True)
class ThingsBoardConfig:
    """Section ``[thingsboard]``: what devices may do over ThingsBoard's device API."""

    poll_timeout: TimeLimit = timedelta(seconds=60)
    """How long an HTTP request waits for news when it does not say how long."""

    longest_poll: TimeLimit = timedelta(minutes=5)
    """How long an HTTP request may wait for news at most."""

    max_polls: Count = 500
    """HTTP requests that wait for news at the same time."""

    max_polls_per_device: Count = 4
    """The same, of one device."""

    devices_per_gateway: Count = 10_000
    """Devices for which one gateway speaks, and that it may have connected at the same time."""

    skip_validity_check_for_client_cert: bool = False
    """Whether devices may log in with certificates that have expired or are not valid yet. ThingsBoard's name."""

    gateways_take: Literal["own", "fleet", "any"] = "fleet"
    """For which devices that exist a gateway may speak beside those behind it. ``own``: none. ``fleet``: those of
    the same customer that have never spoken for themselves, and those behind gateways of the same profile and
    customer, but none that an administrator has opened for claiming. ``any``: all of the tenant, as on
    ThingsBoard."""
