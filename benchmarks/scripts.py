"""What a client says in one cycle, as bytes, and how it knows the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from benchmarks.coap import get_nothing, post
from benchmarks.frames import (
    CONNACK,
    DISCONNECT,
    PUBACK,
    SUBACK,
    connect,
    is_whole,
    log_in,
    publish,
    publish_numbered,
    subscribe,
)

if TYPE_CHECKING:
    from benchmarks.client import Load

Requests = Callable[[int], tuple[bytes, ...]]
"""Makes the requests of a cycle, given its number."""

OWN_TOPIC = b"devices/me/x"
"""Of Firstboot's broker, and different for each device; a reference sees one topic for all."""
FIRST_COUNT = 10_000_000


@dataclass(frozen=True, kw_only=True)
class Script:
    """A cycle: requests, each but the first sent after the answer to the one before, then the server's close."""

    requests: Callable[[Load], Requests]
    answers: tuple[bytes, ...]
    """What is in each answer. A request more than answers is a farewell."""
    is_complete: Callable[[bytes], bool]
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


# -- MQTT 3.1.1 ------------------------------------------------------------------------------------


def _cycle(connect_: bytes, response_topic: bytes, request_topic: bytes, payload: bytes) -> tuple[bytes, ...]:
    return (
        connect_,
        subscribe(response_topic),
        publish(request_topic, payload),
        DISCONNECT,
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


_HELLO = connect(b"", b"provision")


def _hello(load: Load) -> Requests:
    # A session that may only provision: nobody is looked up for it.
    return lambda number: (_HELLO, DISCONNECT)


def _login(load: Load) -> Requests:
    draw = Random(load.prefix).randrange
    return lambda number: (log_in(draw(load.devices)), DISCONNECT)


def _login_in_turn(load: Load) -> Requests:
    # Never two clients as one device: the later would end the session of the other before it has its answer.
    subscription = subscribe(OWN_TOPIC)
    return lambda number: (log_in(number % load.devices), subscription, DISCONNECT)


def _telemetry(load: Load) -> Requests:
    return lambda number: (publish_numbered(b"v1/devices/me/telemetry", telemetry(number)),)


def _message(load: Load) -> Requests:
    return lambda number: (publish_numbered(OWN_TOPIC, telemetry(number)),)


def telemetry(number: int) -> bytes:
    """Return a report of three values, as long as every other and different from the one before."""
    temperature, humidity = 10 + number % 90, 10 + number // 7 % 90
    return b'{"temperature":%d.5,"humidity":%d.25,"count":%d}' % (temperature, humidity, FIRST_COUNT + number)


def _open_session(client: int) -> tuple[bytes, ...]:
    return (log_in(client),)


def _application(load: Load) -> bytes:
    return connect(b"application", load.application.encode()) + subscribe(b"devices/#")


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


# -- CoAP ------------------------------------------------------------------------------------------


def _post_datagram(load: Load) -> Requests:
    body = provisioning_request(load)
    return lambda number: (post(number, body(number)),)


def _get_nothing(load: Load) -> Requests:
    return lambda number: (get_nothing(number),)


# -- all -------------------------------------------------------------------------------------------


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
_NOT_FOUND = b"\x54\x84"
"""Of CoAP: 4.04, not to be confirmed."""

SCRIPTS: Mapping[str, Script] = {
    "mqtt-provision": Script(requests=_provision, answers=(CONNACK, SUBACK, _SUCCESS), is_complete=is_whole),
    "mqtt-bare": Script(requests=_bare, answers=(CONNACK, SUBACK, _OWN_REQUEST), is_complete=is_whole),
    "tls-hello": Script(requests=_hello, answers=(CONNACK,), is_complete=is_whole, encrypts=True),
    "tls-echo": Script(requests=_hello, answers=(_HELLO,), is_complete=is_whole, encrypts=True),
    "mqtt-connect": Script(requests=_login, answers=(CONNACK,), is_complete=is_whole),
    "mqtt-subscribe": Script(requests=_login_in_turn, answers=(CONNACK, SUBACK), is_complete=is_whole),
    "mqtt-telemetry": Script(
        requests=_telemetry,
        answers=(PUBACK,),
        is_complete=is_whole,
        keeps_connection=True,
        opening=_open_session,
        opening_answers=(CONNACK,),
    ),
    "mqtt-publish": Script(
        requests=_message,
        answers=(PUBACK,),
        is_complete=is_whole,
        keeps_connection=True,
        opening=_open_session,
        opening_answers=(CONNACK,),
        listener=_application,
    ),
    "coap-provision": Script(
        requests=_post_datagram, answers=(_SUCCESS,), is_complete=bool, keeps_connection=True, is_coap=True
    ),
    "coap-echo": Script(
        requests=_post_datagram, answers=(_OWN_REQUEST,), is_complete=bool, keeps_connection=True, is_coap=True
    ),
    "dtls-nothing": Script(
        requests=_get_nothing, answers=(_NOT_FOUND,), is_complete=bool, is_coap=True, encrypts=True
    ),
    "dtls-echo": Script(
        requests=_get_nothing, answers=(b"nothing",), is_complete=bool, is_coap=True, encrypts=True
    ),
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
