"""ACME's serial numbers: ``AC``, six digits, a hyphen, and a check digit (Luhn, ISO/IEC 7812-1 annex B)."""

from __future__ import annotations

import re

_SERIAL = re.compile(r"AC([0-9]{6})-([0-9])")


def check_digit(digits: str) -> int:
    """Return the digit that makes a number of these digits good."""
    total = 0
    for position, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if position % 2 else 2)
        total += value - 9 if value > 9 else value
    return -total % 10


def checked_serial(text: str) -> str:
    """Return ``text`` if it is a serial number, such as ``AC104217-5``.

    Raises: `ValueError` that says what is wrong with it.
    """
    match = _SERIAL.fullmatch(text)
    if match is None:
        raise ValueError("a serial number is AC, six digits, a hyphen and a check digit, such as AC104217-5")
    if int(match[2]) != check_digit(match[1]):
        raise ValueError("the check digit does not fit the other digits; one of them was misread")
    return text
