"""What a dialect offers to the CoAP transport, and what it is asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from firstboot.model import PeerCertificate
from firstboot_plugins.transports.coap.messages import Code

TEXT = 0
"""The content format of plain text."""
JSON = 50
CBOR = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """What a device is told."""

    code: Code
    payload: bytes = field(default=b"", repr=False)
    """Of any size: a large one is sent in blocks."""
    content_format: int | None = None
    delivered: Callable[[], Awaitable[None]] | None = None
    """Called when the device has confirmed that it got the answer; with it the device is asked to confirm."""
    retry_after_s: int = 0
    """With 4.29 and 5.03: when to ask again."""


class Observed(Protocol):
    """What a device observes, as the dialect sees it."""

    def still_there(self) -> Answer:
        """Return what a device is told when there was no news for long, to see whether it still listens."""
        ...

    def closed(self) -> None:
        """Stop: the device does not want to know any more, or cannot be reached. Called once."""
        ...


class Observer(Protocol):
    """A device that wants to be told more than the first answer (RFC 7641)."""

    def begin(self, observed: Observed) -> None:
        """Accept. From now on `notify` may be called; the first answer goes out ahead of all of it."""
        ...

    def notify(self, answer: Answer) -> bool:
        """Tell the device, if not too much waits for it already; say so."""
        ...

    def end(self, last: Answer | None) -> None:
        """Stop; tell the device so, for the reason that the answer gives, unless it is None."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """A complete request."""

    path: Mapping[str, str] = field(repr=False)
    """The segments that have a name in the resource's path. They may be secrets."""
    query: tuple[str, ...]
    payload: bytes = field(repr=False)
    address: str
    observer: Observer | None
    """There when the device asks to observe, and there is room for it."""
    stops_observing: bool = False
    """Whether the device says that it does not want to observe any more; it does not."""
    certificate: PeerCertificate | None = field(default=None, repr=False)
    """What the peer has proven with over DTLS; None when it was not asked, or has none."""
    content_format: int | None = None
    """What the payload is said to be in."""
    accept: int | None = None
    """What the answer is to be in."""

    def parameter(self, name: str) -> str | None:
        """Return a parameter of the query, such as ``sharedKeys=a,b``; several are joined with commas."""
        values = [value for key, _, value in (each.partition("=") for each in self.query) if key == name]
        return ",".join(values) if values else None


Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class CoapResource:
    """A path, such as ``api/v1/{token}/rpc``, and who answers which method there."""

    path: str
    methods: Mapping[Code, Handler]

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the named segments of a path; None when it is another path."""
        wanted = self.path.split("/")
        if len(wanted) != len(segments):
            return None
        found = {}
        for name, value in zip(wanted, segments, strict=True):
            if name.startswith("{"):
                if not value:
                    return None
                found[name[1:-1]] = value
            elif name != value:
                return None
        return found
