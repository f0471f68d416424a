"""What a load does again and again, and what it leaves in the database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.client import Load

Requests = Callable[[int], tuple[bytes, ...]]
"""Makes the requests of a cycle, given its number."""
NUMBER = "#number#"
"""Stands for the number of the cycle, which has as many characters."""


def numbered(text: str) -> Callable[[int], bytes]:
    """Return a maker of texts, all of the same length; each has its number wherever `NUMBER` stands."""
    parts = text.encode().split(NUMBER.encode())
    return lambda number: (b"%08d" % number).join(parts)


@dataclass(frozen=True, kw_only=True)
class Script:
    """A cycle: requests, each but the first sent after the answer to the one before, then the server's close."""

    requests: Callable[[Load], Requests]
    answers: tuple[bytes, ...]
    """What is in each answer. A request more than answers is a farewell."""
    is_complete: Callable[[bytes], bool]
    makes: tuple[str, ...] = ()
    """What each cycle makes one of, as `benchmarks.databases.COUNTS` names it."""
    keeps_connection: bool = False
    """Whether the next cycle goes over the same connection; otherwise the cycle ends with the server's close."""
    opening: Callable[[int], tuple[bytes, ...]] | None = None
    """Makes what a client says before its first cycle, given the client's number."""
    opening_answers: tuple[bytes, ...] = ()
    listener: Callable[[Load], bytes] | None = None
    """Makes what one more client says, which subscribes to the messages of all others."""
    encrypts: bool = False
    """Whether all this goes over TLS, or DTLS."""
    is_coap: bool = False
    """Whether a cycle is one datagram and its answer; over DTLS, from a new socket each time."""
