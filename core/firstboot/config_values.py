"""Kinds of values that settings have: durations, addresses, counts."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

_DURATION = re.compile(r"([0-9]{1,12})\s*(ms|s|m|h|d)")
_PORT = re.compile(r"[0-9]{1,5}")
_UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_duration(value: object) -> timedelta:
    """Read ``"90s"``, ``"10m"``, ``"24h"``, ``"7d"`` or ``"250ms"``."""
    if isinstance(value, timedelta):
        return value
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("give a duration such as 90s, 10m, 24h or 7d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise ValueError("the duration is too long") from None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]
"""A duration above or equal to zero, written as ``90s``, ``10m``, ``24h``, ``7d`` or ``250ms``."""


def _above_zero(duration: timedelta) -> timedelta:
    if not duration:
        raise ValueError("give a duration above zero")
    return duration


TimeLimit = Annotated[Duration, AfterValidator(_above_zero)]
"""A duration above zero."""


@dataclasses.dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: host and port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(value: object) -> Address:
    """Read ``"127.0.0.1:1883"`` or ``"[::1]:1883"``; port 0 is any free port."""
    if isinstance(value, Address):
        return value
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not _PORT.fullmatch(port) or int(port) > 65535:
        raise ValueError("give host and port, such as 127.0.0.1:1883")
    return Address(host, int(port))


Bind = Annotated[Address, BeforeValidator(parse_address)]
"""Where to listen, written as ``127.0.0.1:1883``."""

Count = Annotated[int, Field(gt=0, strict=True)]
"""A whole number above zero."""
