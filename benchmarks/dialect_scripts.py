"""What devices say in one cycle in the dialects of thinger.io and Thingstream, and what they hope for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from benchmarks.frames import CONNACK, PUBACK, connect, is_whole, publish_numbered
from benchmarks.http_requests import is_whole_response, post
from benchmarks.script import NUMBER, Requests, Script

if TYPE_CHECKING:
    from benchmarks.client import Load

ACCOUNT = "/v1/users/default"
POOL = "pool"
PASSWORD = "deviceCredentials"
COLLECTED, NOT_COLLECTED = "collected", "forgotten"
"""Topics, with a bucket that listens there and without."""


def device_id(number: int) -> str:
    """Return the id of a device that logs in."""
    return f"device-{number:08d}"


def _name(load: Load) -> str:
    return f"{load.prefix}-{NUMBER}"


# -- thinger.io over HTTP ----------------------------------------------------------------------------


def _thinger(path: str, body: Callable[[Load], Mapping[str, Any]], answer: bytes, *makes: str) -> Script:
    """Return a script of requests with the token that the load has for a secret."""

    def requests(load: Load) -> Requests:
        bearer = f"Authorization: Bearer {load.secret}\r\n"
        made = post(f"{ACCOUNT}{path}".replace("{device}", _name(load)), body(load), bearer)
        return lambda number: (made(number),)

    return Script(
        requests=requests, answers=(answer,), is_complete=is_whole_response, makes=makes, keeps_connection=True
    )


def _create(load: Load) -> Mapping[str, Any]:
    return {
        "asset_group": "TestAssetGroup",
        "asset_type": "TestAssetGroup",
        "credentials": PASSWORD,
        "description": "TestDescription",
        "device": _name(load),
        "name": "TestName",
        "type": "Generic",
    }


def _ensure(load: Load) -> Mapping[str, Any]:
    return {"type": "MQTT", "credentials": PASSWORD, "name": "TestName"}


def _bucket(load: Load) -> Mapping[str, Any]:
    return {**_ensure(load), "buckets": ["data"]}


def _claim(load: Load) -> Mapping[str, Any]:
    return {"hardware_id": _name(load)}


# -- Thingstream over HTTP ---------------------------------------------------------------------------


def _thingstream(*makes: str, **says: str) -> Script:
    """Return a script of requests with the token that the load has for a secret."""

    def requests(load: Load) -> Requests:
        said = {key: value.replace("{thing}", _name(load)) for key, value in says.items()}
        made = post("/ztp/cloudlocate/credentials", {"token": load.secret, "tags": ["benchmark"], **said})
        return lambda number: (made(number),)

    return Script(
        requests=requests,
        answers=(b'"clientId"',),
        is_complete=is_whole_response,
        makes=makes,
        keeps_connection=True,
    )


# -- thinger.io over MQTT ----------------------------------------------------------------------------


def _log_in(client: int) -> tuple[bytes, ...]:
    return (connect(device_id(client).encode(), b"default", PASSWORD.encode()),)


def _publishing(topic: str, *makes: str) -> Script:
    def requests(load: Load) -> Requests:
        start, end = b'{"load":"%s","count":' % load.prefix.encode(), b',"temperature":21.5}'
        return lambda number: (publish_numbered(topic.encode(), b"%s%d%s" % (start, 10_000_000 + number, end)),)

    return Script(
        requests=requests,
        answers=(PUBACK,),
        is_complete=is_whole,
        makes=makes,
        keeps_connection=True,
        opening=_log_in,
        opening_answers=(CONNACK,),
    )


_CREATED = b'"created"'

DIALECT_SCRIPTS: Mapping[str, Script] = {
    "thinger-create": _thinger("/devices", _create, b'"device"', "device"),
    "thinger-ensure": _thinger("/devices/{device}/ensure", _ensure, _CREATED, "device"),
    "thinger-bucket": _thinger("/devices/{device}/ensure", _bucket, b'"buckets"', "device", "bucket"),
    "thinger-claim": _thinger(f"/pools/{POOL}/claim", _claim, b'"credentials"', "hardware"),
    "thingstream": _thingstream("label", givenName="{thing}"),
    "thingstream-hardware": _thingstream("label", "hardware", givenName="{thing}", hardwareId="{thing}"),
    "thinger-collected": _publishing(COLLECTED, "row"),
    "thinger-forgotten": _publishing(NOT_COLLECTED),
}
