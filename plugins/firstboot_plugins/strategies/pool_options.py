"""What a profile says about its pool, in its details: who gets a prepared device, which one, and for how long."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from firstboot.errors import InvalidValue
from firstboot.model import DeviceProfile
from firstboot.pool_names import NamePattern, read_pattern
from firstboot.pools import check_hardware_id
from firstboot.storage import PoolOrder, Rebind

STRATEGY = "pool"
POOL = "pool"
"""Key of the options in a profile's details."""
MAX_LEASE = timedelta(days=3650)
ANY = "any"


class Order(enum.StrEnum):
    """Which device a hardware gets for which none is reserved. One that has a reservation always gets that one."""

    FIFO = "fifo"
    LOWEST = "lowest"
    RANDOM = "random"
    MATCH = "match"
    """None: only those come in for which a device is reserved."""
    MATCH_FIFO = "match_fifo"
    """The same as ``fifo``; thinger.io's word says more plainly that reservations count."""


class OnEmpty(enum.StrEnum):
    """What happens when no device is ready."""

    FAIL = "fail"
    WAIT = "wait"
    """As ``fail``, but a dialect in which devices can wait lets them wait."""
    CREATE = "create"


_ORDERS = {
    Order.FIFO: PoolOrder.FIFO,
    Order.LOWEST: PoolOrder.LOWEST,
    Order.RANDOM: PoolOrder.RANDOM,
    Order.MATCH: PoolOrder.NONE,
    Order.MATCH_FIFO: PoolOrder.FIFO,
}
_REBINDS = {rebind.value.replace("-", "_"): rebind for rebind in Rebind}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """The options of a pool, each with what holds where nothing is said."""

    order: Order = Order.FIFO
    lease: timedelta | None = timedelta(minutes=10)
    """How long a device is held that never logs in; None: for ever."""
    on_empty: OnEmpty = OnEmpty.FAIL
    id_pattern: NamePattern | None = None
    """How devices are named that are made when none is ready, and those with which the pool is filled."""
    rebind: Rebind = Rebind.UNTIL_CONFIRMED
    hardware_ids: frozenset[str] | None = None
    """Who may ask; None: everybody."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """What a dialect gives each device of the pool beside its name, by the dialect's field names."""

    @property
    def picks(self) -> PoolOrder:
        """What the storage is asked for."""
        return _ORDERS[self.order]

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> PoolOptions:
        """Read options as they are kept and sent.

        Raises: `InvalidValue`, with what is wrong and what may be said instead.
        """
        unknown = sorted(set(told) - set(_READERS))
        if unknown:
            raise InvalidValue(f"A pool has no option {unknown[0]!r}; it has {', '.join(_READERS)}.")
        options = cls(**{name: _READERS[name](value) for name, value in told.items()})
        if options.on_empty is OnEmpty.CREATE and options.id_pattern is None:
            raise InvalidValue("on_empty is create: say in id_pattern how the devices are named.")
        return options

    @classmethod
    def of(cls, profile: DeviceProfile) -> PoolOptions:
        """Return the options of a profile.

        Raises: `InvalidValue`.
        """
        told = profile.details.get(POOL, {})
        if not isinstance(told, Mapping):
            raise InvalidValue("The options of a pool are a JSON object.")
        return cls.read(told)

    def told(self) -> dict[str, Any]:
        """Return what `read` reads."""
        return {
            "order": self.order.value,
            "lease": 0 if self.lease is None else round(self.lease.total_seconds()),
            "on_empty": self.on_empty.value,
            **({} if self.id_pattern is None else {"id_pattern": self.id_pattern.text}),
            "rebind": self.rebind.value.replace("-", "_"),
            "hardware_ids": ANY if self.hardware_ids is None else sorted(self.hardware_ids),
            **({"template": dict(self.template)} if self.template else {}),
        }


def _one_of(name: str, words: Mapping[str, Any]) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise InvalidValue(f"{name} is one of {', '.join(words)}.")
        return words[value]

    return read


def _lease(value: Any) -> timedelta | None:
    most = int(MAX_LEASE.total_seconds())
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise InvalidValue(f"lease is a number of seconds from 0 (for ever) to {most}.")
    return timedelta(seconds=value) if value else None


def _id_pattern(value: Any) -> NamePattern | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidValue("id_pattern is a text, such as meter-{seq:05d}.")
    return read_pattern(value)


def _hardware_ids(value: Any) -> frozenset[str] | None:
    if value == ANY:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(each, str) for each in value):
        raise InvalidValue(f'hardware_ids is "{ANY}", or a list of texts.')
    return frozenset(map(check_hardware_id, value))


def _template(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidValue("template is a JSON object.")
    return value


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "order": _one_of("order", {order.value: order for order in Order}),
    "lease": _lease,
    "on_empty": _one_of("on_empty", {each.value: each for each in OnEmpty}),
    "id_pattern": _id_pattern,
    "rebind": _one_of("rebind", _REBINDS),
    "hardware_ids": _hardware_ids,
    "template": _template,
}
