"""How many requests one address and one token may make (contract section 13)."""

from __future__ import annotations

import logging
import math
from collections import OrderedDict
from collections.abc import Callable, Sequence

from firstboot.throttle import source_of
from firstboot_plugins.dialects.thinger.config import ThingerConfig
from firstboot_plugins.dialects.thinger.errors import too_many

logger = logging.getLogger(__name__)

MAX_KEYS = 20_000


class Pace:
    """Allows each key a burst, and then one request after another at an even pace."""

    def __init__(self, burst: int, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._interval_s = 60.0 / per_minute
        self._slack_s = (burst - 1) * self._interval_s
        self._monotonic = monotonic
        self._due: OrderedDict[str, float] = OrderedDict()
        """When the next request of a key would come at the even pace."""

    def wait_s(self, *keys: str) -> float:
        """Return how long the next request has to wait that is of each of the keys; 0: not at all."""
        return self._wait_s(keys, self._monotonic())

    def take(self, *keys: str) -> float:
        """Count a request of each of the keys, unless it has to wait; return how long."""
        now, due = self._monotonic(), self._due
        wait_s = self._wait_s(keys, now)
        if wait_s > 0:
            return wait_s
        for key in keys:
            due[key] = max(now, due.get(key, now)) + self._interval_s
            due.move_to_end(key)
            if len(due) > MAX_KEYS:
                due.popitem(last=False)
        return 0.0

    def _wait_s(self, keys: Sequence[str], now: float) -> float:
        return max(0.0, max([self._due.get(key, now) for key in keys]) - self._slack_s - now)


class Limits:
    """The bounds of all transports together. Refused requests count for nothing."""

    def __init__(self, config: ThingerConfig, requests_per_minute: int, monotonic: Callable[[], float]) -> None:
        self._provisioning = Pace(config.provisioning_burst, config.provisioning_per_minute, monotonic)
        self._requests = Pace(requests_per_minute, requests_per_minute, monotonic)
        failures = config.failed_tokens_per_minute
        self._failures = Pace(failures, failures, monotonic)
        self._news = Pace(1, 1, monotonic)

    def request(self, key: str) -> None:
        """Count a request of any kind with one token.

        Raises: `ThingerError` (429).
        """
        self._take("requests", self._requests, key)

    def provisioning(self, key: str, address: str) -> None:
        """Count a request that may make a device: ``key`` is that of its asker.

        Raises: `ThingerError` (429).
        """
        self._take("provisioning requests", self._provisioning, key, f"from {source_of(address)}")

    def may_search(self, address: str) -> bool:
        """Say whether a token from there that is not known is worth a look into the database."""
        return self._failures.wait_s(f"from {source_of(address)}") <= 0

    def failed_token(self, address: str) -> None:
        """Count a token that opens nothing.

        Raises: `ThingerError` (429).
        """
        self._take("wrong tokens", self._failures, f"from {source_of(address)}")

    def _take(self, what: str, pace: Pace, *keys: str) -> None:
        wait_s = pace.take(*keys)
        if wait_s > 0:
            if self._news.take(*keys) <= 0:  # once a minute: who asks too often asks again
                logger.info("too many %s", what, extra={"asker": keys[0], "source": keys[-1]})
            raise too_many(math.ceil(wait_s))
