"""What is computed from measured rates and times."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence


def median_ratio(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of the ratios first/second.

    The two of a pair were measured one right after the other, so what else the machine did has touched both;
    the ratio of two medians would mix pairs that have nothing in common.
    """
    return statistics.median(ours / reference for ours, reference in pairs)


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of the values that is not below ``percent`` per cent of them (nearest rank).

    Raises: `ValueError` for no values.
    """
    if not values:
        raise ValueError("there is no percentile of nothing")
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def latency_multiple(latency_s: float, clients: int, rate: float) -> float:
    """Return a latency as a multiple of clients/rate, the mean latency of a closed loop at that rate."""
    return latency_s * rate / clients
