"""Telling the operator why a device's message was refused, without letting one device fill the log."""

from __future__ import annotations

import logging

from firstboot.clock import Clock
from firstboot.model import DeviceRef
from firstboot.throttle import FailureThrottle

logger = logging.getLogger(__name__)

LINES_PER_MINUTE = 10
"""For each device."""


class RefusedMessages:
    """Logs refusals of messages. Neither payloads nor values are in the lines."""

    def __init__(self, clock: Clock) -> None:
        self._throttle = FailureThrottle(per_minute=LINES_PER_MINUTE, max_delay_s=0.0, monotonic=clock.monotonic)

    def log(self, device: DeviceRef, topic: str, reason: str) -> None:
        """Write a line, if the device has not had too many of them."""
        if self._throttle.is_news(f"messages of device {device.public_id}"):
            logger.info(
                "a message of a device was refused",
                extra={"device": device.name, "topic": topic, "reason": reason},
            )
