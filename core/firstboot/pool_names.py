"""Names of the members of a pool, made from a pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from firstboot.errors import InvalidValue
from firstboot.names import clean_name

MAX_PATTERN_LENGTH = 200
_PLACEHOLDER = re.compile(r"\{(?:(hw)|seq(?::0?([1-9])d)?)\}")


@dataclass(frozen=True, slots=True)
class NamePattern:
    """A text with the placeholders ``{seq}`` (``{seq:05d}``: with at least five digits) and ``{hw}``."""

    text: str

    @property
    def has_number(self) -> bool:
        """Whether each number makes another name."""
        return any(not match[1] for match in _PLACEHOLDER.finditer(self.text))

    @property
    def has_hardware(self) -> bool:
        """Whether the hardware's id is a part of the name."""
        return any(match[1] for match in _PLACEHOLDER.finditer(self.text))

    def name(self, number: int, hardware_id: str = "") -> str:
        """Return the name with this number, for this hardware.

        Raises: `InvalidValue` when the hardware's id makes it a name that no device may have.
        """

        def filled(match: re.Match[str]) -> str:
            return hardware_id if match[1] else str(number).zfill(int(match[2] or 1))

        return clean_name(_PLACEHOLDER.sub(filled, self.text), "device name")


@lru_cache(maxsize=256)
def read_pattern(text: str) -> NamePattern:
    """Read a pattern such as ``meter-{seq:05d}`` or ``meter-{hw}``.

    Raises: `InvalidValue`.
    """
    pattern = NamePattern(text)
    if len(text) > MAX_PATTERN_LENGTH:
        raise InvalidValue(f"A name pattern has at most {MAX_PATTERN_LENGTH} characters.")
    rest = _PLACEHOLDER.sub("", text)
    if rest == text or "{" in rest or "}" in rest:
        raise InvalidValue(
            f"{text!r} makes no names. Write {{seq}} where the number goes ({{seq:05d}}: with five digits), "
            "and {hw} where the hardware's id goes, such as meter-{seq:05d}."
        )
    pattern.name(1, "0")
    return pattern
