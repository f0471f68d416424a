"""Answers as they go out: with their options, and no larger than the peer may be sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from firstboot_plugins.transports.coap.messages import Code, Message, Option, Options, Type
from firstboot_plugins.transports.coap.options import uint
from firstboot_plugins.transports.coap.peers import Peer
from firstboot_plugins.transports.coap.resources import Answer

RequestKey = tuple[Peer, int, Options]

_NOT_OF_THE_KEY = frozenset(
    {Option.BLOCK1, Option.BLOCK2, Option.OBSERVE, Option.SIZE1, Option.SIZE2, Option.ECHO, Option.NO_RESPONSE}
)


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent, whatever the message that carries it."""

    code: Code
    options: Options = ()
    payload: bytes = field(default=b"", repr=False)
    delivered: Callable[[], Awaitable[None]] | None = None
    """Called when the peer has confirmed that it got this; with it the peer is asked to confirm."""

    def message(self, type_: Type, message_id: int, token: bytes) -> Message:
        return Message(type_, self.code, message_id, token, self.options, self.payload)

    def with_option(self, number: Option, value: bytes) -> Reply:
        options = tuple(sorted((*self.options, (int(number), value)), key=lambda option: option[0]))
        return replace(self, options=options)

    def without_option(self, number: Option) -> Reply:
        return replace(self, options=tuple(option for option in self.options if option[0] != number))

    def size(self, token: bytes) -> int:
        return len(self.message(Type.CON, 0, token).encode())


class Answered(Exception):
    """The transport answers a request itself."""

    def __init__(self, code: Code, *options: tuple[int, bytes]) -> None:
        super().__init__(code.name)
        self.reply = Reply(code, tuple(sorted(options)))


def reply_to(answer: Answer) -> Reply:
    """Return a dialect's answer as it goes out, if it goes out whole."""
    options: list[tuple[int, bytes]] = []
    if answer.content_format is not None:
        options.append((Option.CONTENT_FORMAT, uint(answer.content_format)))
    if answer.retry_after_s:
        options.append((Option.MAX_AGE, uint(answer.retry_after_s)))
    return Reply(answer.code, tuple(options), answer.payload, answer.delivered)


def request_key(message: Message, peer: Peer, *, with_tag: bool) -> RequestKey:
    """Return what the blocks of one request have in common (RFC 7959, 2.4 and 2.5; RFC 9175, 3)."""
    left_out = _NOT_OF_THE_KEY if with_tag else _NOT_OF_THE_KEY | {Option.REQUEST_TAG}
    return peer, message.code, tuple(option for option in message.options if option[0] not in left_out)
