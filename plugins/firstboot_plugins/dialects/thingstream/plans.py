"""Plans of PointPerfect: which corrections a Thing may have, on which topics (contract section 6.1)."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ConfigDict


class Delivery(enum.StrEnum):
    """How corrections reach the devices of a plan."""

    LBAND = "lband"
    """By satellite."""
    IP = "ip"
    """By MQTT."""
    BOTH = "both"


class Region(enum.StrEnum):
    """Where corrections are good."""

    EU = "eu"
    US = "us"
    KR = "kr"
    AU = "au"
    JP = "jp"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic, with the description by whose words clients find it."""

    description: str
    path: str
    is_part: bool = False
    """Whether it is a part of what another topic has as a whole."""

    def to_json(self, *, brief: bool = False) -> dict[str, str]:
        """Return it as devices read it; ``brief``: a part without its description."""
        if brief and self.is_part:
            return {"path": self.path}
        return {"description": self.description, "path": self.path}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A table ``[thingstream.plans.<name>]``. A plan that has none gets what is written here."""

    __pydantic_config__ = ConfigDict(extra="forbid", hide_input_in_errors=True)

    delivery: Delivery = Delivery.BOTH
    regions: tuple[Region, ...] = (Region.EU,)

    @property
    def has_lband(self) -> bool:
        """Whether corrections come by satellite."""
        return self.delivery is not Delivery.IP

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """The topics; that of the keys first."""
        return tuple(self._subscriptions())

    @property
    def topics(self) -> frozenset[str]:
        """What a Thing may subscribe to."""
        return frozenset(each.path for each in self._subscriptions())

    def _subscriptions(self) -> Iterator[Subscription]:
        source, words = ("Lb", _WORDS[self.delivery]) if self.has_lband else ("ip", _WORDS[Delivery.IP])
        yield Subscription(f"{words} key distribution topic", f"/pp/ubx/0236/{source}")
        yield Subscription("AssistNow (MGA) topic", "/pp/ubx/mga")
        for region in dict.fromkeys(self.regions):
            of_region, topic = f"topic for {_REGION_WORDS[region]} region", f"/pp/{source}/{region.value}"
            yield Subscription(f"{words} correction {of_region}", topic)
            for part, what in _PARTS:
                yield Subscription(f"{words} {what} {of_region}", f"{topic}/{part}", is_part=True)
        if self.has_lband:
            yield Subscription("L-band frequencies topic", "/pp/frequencies/Lb")


_WORDS = {Delivery.LBAND: "L-band", Delivery.IP: "IP", Delivery.BOTH: "L-band + IP"}
_REGION_WORDS = {Region.EU: "EU", Region.US: "US", Region.KR: "KR", Region.AU: "AU", Region.JP: "Japan"}
_PARTS = (
    ("gad", "geographic area definition"),
    ("hpac", "high-precision atmosphere correction"),
    ("ocb", "GNSS orbit, clocks and bias"),
    ("clk", "GNSS clock"),
)
