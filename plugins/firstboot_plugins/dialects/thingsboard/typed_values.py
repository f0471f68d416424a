"""What ThingsBoard makes of the values of attributes and telemetry before it stores them (contract 5.6)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from firstboot.json_profile import MAX_INTEGER

MAX_DECIMALS = 16
"""Digits after the point of a text that becomes a number; a text with more of them stays one."""

_number = re.compile(r"-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)").fullmatch


def typed_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values as they are stored: numbers in texts as numbers, and no nulls, which mean no value."""
    return {key: typed(value) for key, value in values.items() if value is not None}


def typed(value: Any) -> Any:
    """Return the number that a text looks like (``"5"`` is 5), and anything else as it is.

    Only plain decimal digits look like a number: no exponent, no plus sign, no point at the end. A number that
    could not be kept exactly enough stays a text, as does everything inside of an object or a list.
    """
    if not isinstance(value, str) or not _number(value):
        return value
    whole, point, decimals = value.partition(".")
    if len(whole) > 20 or len(decimals) > MAX_DECIMALS:
        return value
    if not point:
        number = int(value)
        return number if abs(number) <= MAX_INTEGER else value
    double = float(value)
    return double if math.isfinite(double) else value
