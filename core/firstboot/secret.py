"""A type for secrets, so that none can reach a log, an error or a dump by accident."""

from __future__ import annotations

import hmac
import string
from functools import cache
from typing import Any, NoReturn

from firstboot.randomness import random_bytes

ALPHANUMERIC = string.ascii_letters + string.digits
LOWER_ALPHANUMERIC = string.ascii_lowercase + string.digits

MASK = "***"


class Secret:
    """A text that shows itself as ``***`` everywhere but in `reveal`.

    Equality takes the same time whatever the texts. A secret cannot be pickled.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text itself: for storing it sealed, or telling it to its owner."""
        return self._text

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return same_text(self._text, other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __len__(self) -> int:
        return len(self._text)

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    def __str__(self) -> str:
        return MASK

    def __format__(self, format_spec: str) -> str:
        return MASK

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        """Let typed configuration read a secret from text, and never print it."""
        from pydantic_core import core_schema

        return core_schema.no_info_after_validator_function(
            cls, core_schema.str_schema(strict=True), serialization=core_schema.to_string_ser_schema()
        )


def same_text(one: str, other: str) -> bool:
    """Compare two texts in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))


def random_text(length: int, alphabet: str = ALPHANUMERIC) -> str:
    """Draw ``length`` characters from the operating system's randomness, each equally likely."""
    letters, unfair = _tables(alphabet)
    drawn = b""
    while len(drawn) < length:
        drawn += random_bytes(2 * length).translate(letters, unfair)
    return drawn[:length].decode("ascii")


@cache
def _tables(alphabet: str) -> tuple[bytes, bytes]:
    """Return the letter of each byte, and the bytes to leave out: they would favour the first letters."""
    size = len(alphabet)
    fair = 256 - 256 % size
    letters = alphabet.encode("ascii")
    return bytes(letters[byte % size] for byte in range(256)), bytes(range(fair, 256))
