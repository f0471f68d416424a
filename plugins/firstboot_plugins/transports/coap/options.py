"""Values of options: numbers, and parts of a body."""

from __future__ import annotations

from dataclasses import dataclass


def uint(value: int) -> bytes:
    """Return a number as an option has it: in as few bytes as it needs."""
    return value.to_bytes((value.bit_length() + 7) // 8)


@dataclass(frozen=True, slots=True)
class Block:
    """Which part of a body (RFC 7959, 2.2)."""

    number: int
    more: bool
    size_exponent: int
    """0 to 6, for 16 to 1024 bytes."""

    @property
    def size(self) -> int:
        return 1 << (self.size_exponent + 4)

    @property
    def start(self) -> int:
        return self.number * self.size

    def encode(self) -> bytes:
        return uint(self.number << 4 | self.more << 3 | self.size_exponent)

    @classmethod
    def decode(cls, value: bytes) -> Block | None:
        """Return None for a value that is none, such as the reserved size."""
        number = int.from_bytes(value)
        if len(value) > 3 or number & 0b111 == 0b111:
            return None
        return cls(number >> 4, bool(number & 0b1000), number & 0b111)
