"""Which handler a request is for, and which requests nobody here can serve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firstboot_plugins.transports.coap.messages import Code, Message, Option
from firstboot_plugins.transports.coap.replies import Answered
from firstboot_plugins.transports.coap.resources import CoapResource, Handler

_KNOWN_CRITICAL = frozenset(
    {
        Option.URI_HOST,
        Option.URI_PORT,
        Option.URI_PATH,
        Option.URI_QUERY,
        Option.ACCEPT,
        Option.BLOCK1,
        Option.BLOCK2,
    }
)
_REPEATABLE = frozenset({Option.URI_PATH, Option.URI_QUERY})
_PROXY = frozenset({Option.PROXY_URI, Option.PROXY_SCHEME})


def refused_option(message: Message) -> Code | None:
    """Return the code that refuses a request with an option that may not be ignored (RFC 7252, 5.4.1)."""
    seen = set()
    for number, _ in message.options:
        if number in _PROXY:
            return Code.PROXYING_NOT_SUPPORTED
        is_critical = number % 2 == 1
        if is_critical and (number not in _KNOWN_CRITICAL or (number in seen and number not in _REPEATABLE)):
            return Code.BAD_OPTION
        seen.add(number)
    return None


def find_handler(
    resources: Sequence[CoapResource], message: Message
) -> tuple[Handler, Mapping[str, str], tuple[str, ...]]:
    """Return the handler of a request, the named segments of its path, and its query.

    Raises: `Answered`.
    """
    try:
        segments = tuple(value.decode() for value in message.all(Option.URI_PATH))
        query = tuple(value.decode() for value in message.all(Option.URI_QUERY))
    except UnicodeDecodeError:
        raise Answered(Code.BAD_REQUEST) from None
    for resource in resources:
        path = resource.match(segments)
        if path is None:
            continue
        handler = next((each for method, each in resource.methods.items() if method == message.code), None)
        if handler is None:
            raise Answered(Code.METHOD_NOT_ALLOWED)
        return handler, path, query
    raise Answered(Code.NOT_FOUND)
