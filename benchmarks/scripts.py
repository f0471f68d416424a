"""What a client says in one cycle, as bytes, and how it knows the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.client import Load

Requests = Callable[[int], tuple[bytes, ...]]
"""Makes the requests of a cycle, given its number."""

_CONNACK = b"\x20\x02\x00\x00"
_SUBACK = b"\x90\x03\x00\x01\x00"
_DISCONNECT = b"\xe0\x00"


@dataclass(frozen=True, kw_only=True)
class Script:
    """A cycle: requests, each but the first sent after the answer to the one before, then the server's close."""

    requests: Callable[[Load], Requests]
    answers: tuple[bytes, ...]
    """What is in each answer. A request more than answers is a farewell."""
    is_complete: Callable[[bytes], bool]
    keeps_connection: bool = False
    """Whether the next cycle goes over the same connection; otherwise the cycle ends with the server's close."""


# -- MQTT 3.1.1 ------------------------------------------------------------------------------------


def frame(first: int, body: bytes) -> bytes:
    """Return a packet of up to 16,383 bytes."""
    size = len(body)
    return bytes((first, size) if size < 0x80 else (first, size & 0x7F | 0x80, size >> 7)) + body


def text(value: bytes) -> bytes:
    return len(value).to_bytes(2, "big") + value


def connect(client_id: bytes, username: bytes = b"") -> bytes:
    """Return a CONNECT with clean session and a keep-alive of 600 s."""
    flags = b"\x82" if username else b"\x02"
    body = b"\0\4MQTT\4" + flags + b"\x02\x58" + text(client_id)
    return frame(0x10, body + text(username) if username else body)


def _is_whole_frame(data: bytes) -> bool:
    if len(data) < 2:
        return False
    if data[1] < 0x80:
        return len(data) >= 2 + data[1]
    return len(data) >= 3 + (data[1] & 0x7F | data[2] << 7) if len(data) > 2 else False


def _cycle(connect_: bytes, response_topic: bytes, request_topic: bytes, payload: bytes) -> tuple[bytes, ...]:
    return (
        connect_,
        frame(0x82, b"\0\1" + text(response_topic) + b"\0"),
        frame(0x30, text(request_topic) + payload),
        _DISCONNECT,
    )


def _provision(load: Load) -> Requests:
    hello, body = connect(b"", b"provision"), provisioning_request(load)
    return lambda number: _cycle(hello, b"/provision/response", b"/provision/request", body(number))


def _bare(load: Load) -> Requests:
    body = provisioning_request(load)

    def cycle(number: int) -> tuple[bytes, ...]:
        # A topic of its own: a broker sends what is published on a shared one to everybody.
        topic = b"/provision/%08d" % number
        return _cycle(connect(b"client-%08d" % number, b"provision"), topic, topic, body(number))

    return cycle


def _login(load: Load) -> Requests:
    draw = Random(load.prefix).randrange
    return lambda number: (log_in(draw(load.devices)), _DISCONNECT)


def token(index: int) -> str:
    """Return the access token of a device that was made for a measurement."""
    return f"token-{index:014d}"


def log_in(index: int) -> bytes:
    """Return the CONNECT of such a device."""
    return connect(b"client-%08d" % index, token(index).encode())


# -- HTTP/1.1 --------------------------------------------------------------------------------------


def _post(connection: bytes, path: bytes) -> Callable[[Load], Requests]:
    def requests(load: Load) -> Requests:
        body = provisioning_request(load)
        line = b"POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" % path
        # All bodies have the same length.
        start = b"%s%sContent-Length: %d\r\n\r\n" % (line, connection, len(body(0)))
        return lambda number: (start + body(number),)

    return requests


def _is_whole_response(data: bytes) -> bool:
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = data.lower().find(b"content-length: ", 0, head)
    return len(data) >= head + 4 + int(data[at + 16 : data.index(b"\r\n", at)])


# -- both ------------------------------------------------------------------------------------------


def provisioning_request(load: Load) -> Callable[[int], bytes]:
    """Return a maker of request bodies, all of the same length."""
    marker = "00000000"
    fields = {
        "deviceName": f"{load.prefix}-{marker}",
        "provisionDeviceKey": load.key,
        "provisionDeviceSecret": load.secret,
    }
    before, _, after = json.dumps(fields).partition(f"-{marker}")
    start, end = before.encode(), after.encode()
    return lambda number: b"%s-%08d%s" % (start, number, end)


_SUCCESS = b'"SUCCESS"'
_OWN_REQUEST = b'"deviceName"'

SCRIPTS: Mapping[str, Script] = {
    "mqtt-provision": Script(
        requests=_provision, answers=(_CONNACK, _SUBACK, _SUCCESS), is_complete=_is_whole_frame
    ),
    "mqtt-bare": Script(requests=_bare, answers=(_CONNACK, _SUBACK, _OWN_REQUEST), is_complete=_is_whole_frame),
    "mqtt-connect": Script(requests=_login, answers=(_CONNACK,), is_complete=_is_whole_frame),
    "http-provision": Script(
        requests=_post(b"", b"/api/v1/provision"),
        answers=(_SUCCESS,),
        is_complete=_is_whole_response,
        keeps_connection=True,
    ),
    "http-provision-close": Script(
        requests=_post(b"Connection: close\r\n", b"/api/v1/provision"),
        answers=(_SUCCESS,),
        is_complete=_is_whole_response,
    ),
    "http-echo": Script(
        requests=_post(b"", b"/echo"),
        answers=(_OWN_REQUEST,),
        is_complete=_is_whole_response,
        keeps_connection=True,
    ),
    "http-echo-close": Script(
        requests=_post(b"Connection: close\r\n", b"/echo"),
        answers=(_OWN_REQUEST,),
        is_complete=_is_whole_response,
    ),
}
