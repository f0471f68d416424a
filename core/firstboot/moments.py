"""Moments as people, certificates and programs write and read them."""

from __future__ import annotations

from datetime import UTC, datetime

from firstboot.errors import InvalidValue


def as_datetime(at_ms: int) -> datetime:
    """Return a moment of a clock as the dates in certificates are.

    Raises: `OverflowError` or `ValueError` beyond the year 9999.
    """
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def moment_text(at_ms: int) -> str:
    """Return a moment in ISO 8601, UTC, to the second."""
    try:
        at = as_datetime(at_ms)
    except (OverflowError, ValueError):  # beyond the year 9999
        return f"{at_ms} ms"
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def read_moment(text: str) -> int:
    """Read a date or moment, such as ``2030-01-31`` or ``2030-01-31T12:00:00Z``, as UTC milliseconds.

    Raises: `InvalidValue`.
    """
    try:
        at = datetime.fromisoformat(text)
        at_ms = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
    except (OverflowError, ValueError):
        raise InvalidValue("give a date such as 2030-01-31, or 2030-01-31T12:00:00Z") from None
    if at_ms < 0:
        raise InvalidValue("give a date after 1970")
    return at_ms
