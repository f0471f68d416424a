"""What a client says in one cycle, as bytes, and how it knows the answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from benchmarks.coap import get_nothing
from benchmarks.coap import post as coap_post
from benchmarks.dialect_scripts import DIALECT_SCRIPTS
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
from benchmarks.http_requests import is_whole_response, post
from benchmarks.script import NUMBER, Requests, Script, numbered

if TYPE_CHECKING:
    from benchmarks.client import Load

OWN_TOPIC = b"devices/me/x"
"""Of Firstboot's broker, and different for each device; a reference sees one topic for all."""
FIRST_COUNT = 10_000_000


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


_CLOSE = "Connection: close\r\n"


def _post(path: str, headers: str = "") -> Callable[[Load], Requests]:
    def requests(load: Load) -> Requests:
        made = post(path, _fields(load), headers)
        return lambda number: (made(number),)

    return requests


# -- CoAP ------------------------------------------------------------------------------------------


def _post_datagram(load: Load) -> Requests:
    body = provisioning_request(load)
    return lambda number: (coap_post(number, body(number)),)


def _get_nothing(load: Load) -> Requests:
    return lambda number: (get_nothing(number),)


# -- all -------------------------------------------------------------------------------------------


def provisioning_request(load: Load) -> Callable[[int], bytes]:
    """Return a maker of request bodies, all of the same length."""
    return numbered(json.dumps(_fields(load)))


def _fields(load: Load) -> dict[str, str]:
    return {
        "deviceName": f"{load.prefix}-{NUMBER}",
        "provisionDeviceKey": load.key,
        "provisionDeviceSecret": load.secret,
    }


_SUCCESS = b'"SUCCESS"'
_OWN_REQUEST = b'"deviceName"'
_NOT_FOUND = b"\x54\x84"
"""Of CoAP: 4.04, not to be confirmed."""

SCRIPTS: Mapping[str, Script] = {
    "mqtt-provision": Script(
        requests=_provision, answers=(CONNACK, SUBACK, _SUCCESS), is_complete=is_whole, makes=("device",)
    ),
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
        requests=_post_datagram,
        answers=(_SUCCESS,),
        is_complete=bool,
        makes=("device",),
        keeps_connection=True,
        is_coap=True,
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
        requests=_post("/api/v1/provision"),
        answers=(_SUCCESS,),
        is_complete=is_whole_response,
        makes=("device",),
        keeps_connection=True,
    ),
    "http-provision-close": Script(
        requests=_post("/api/v1/provision", _CLOSE),
        answers=(_SUCCESS,),
        is_complete=is_whole_response,
        makes=("device",),
    ),
    "http-echo": Script(
        requests=_post("/echo"),
        answers=(_OWN_REQUEST,),
        is_complete=is_whole_response,
        keeps_connection=True,
    ),
    "http-echo-close": Script(
        requests=_post("/echo", _CLOSE),
        answers=(_OWN_REQUEST,),
        is_complete=is_whole_response,
    ),
    **DIALECT_SCRIPTS,
}
