"""The topics of a device's session (contract section 6): which there are, and what each is for."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple

MAX_REQUEST_ID = 2**31 - 1
"""The largest integer that a requester may choose."""


class Uplink(enum.Enum):
    """What a device publishes."""

    TELEMETRY = enum.auto()
    ATTRIBUTES = enum.auto()
    ATTRIBUTES_WANTED = enum.auto()
    CALL = enum.auto()
    """A call to the server."""
    ANSWER = enum.auto()
    """The answer to a call of the server's."""
    CLAIM = enum.auto()
    """A wish to be claimed."""
    RELEASE = enum.auto()
    """A wish to belong to nobody, as after a reset. Our own: ThingsBoard has no such topic."""
    PROTOBUF = enum.auto()
    """Anything else in protobuf: its schema is in the device profile on ThingsBoard, and there is none here."""
    GATEWAY = enum.auto()
    """Anything that a gateway says of other devices."""


class Downlink(enum.Enum):
    """What a device is told."""

    ATTRIBUTES_CHANGED = enum.auto()
    ATTRIBUTES_FOUND = enum.auto()
    CALL = enum.auto()
    """A call of the server's."""
    ANSWER = enum.auto()
    """The answer to a call of the device's."""
    GATEWAY = enum.auto()
    """Anything that a gateway is told of other devices."""


class Spelling(NamedTuple):
    """One way to name the topics of the device API; what is asked in one is answered in the same.

    The last four are followed by the number of the request.
    """

    telemetry: str
    attributes: str
    attributes_wanted: str
    attributes_found: str
    call: str
    answer: str


class Published(NamedTuple):
    """What a topic that a device has published to means."""

    kind: Uplink
    spelling: Spelling
    request_id: int


class Subscribed(NamedTuple):
    """What a filter stands for."""

    kind: Downlink
    spelling: Spelling


LONG = Spelling(
    telemetry="v1/devices/me/telemetry",
    attributes="v1/devices/me/attributes",
    attributes_wanted="v1/devices/me/attributes/request/",
    attributes_found="v1/devices/me/attributes/response/",
    call="v1/devices/me/rpc/request/",
    answer="v1/devices/me/rpc/response/",
)


def _short(form: str) -> Spelling:
    end = f"/{form}" if form else ""
    return Spelling(
        telemetry=f"v2/t{end}",
        attributes=f"v2/a{end}",
        attributes_wanted=f"v2/a/req{end}/",
        attributes_found=f"v2/a/res{end}/",
        call=f"v2/r/req{end}/",
        answer=f"v2/r/res{end}/",
    )


_JSON = (LONG, _short(""), _short("j"))
_PROTOBUF = _short("p")
_GATEWAY = "v1/gateway/"
_GATEWAY_DOWNLINKS = ("attributes", "attributes/response", "rpc", "disconnect")


_TOPICS: Mapping[str, Published] = (
    {
        topic: Published(kind, spelling, 0)
        for spelling in _JSON
        for topic, kind in ((spelling.telemetry, Uplink.TELEMETRY), (spelling.attributes, Uplink.ATTRIBUTES))
    }
    | {
        "v1/devices/me/claim": Published(Uplink.CLAIM, LONG, 0),
        "v1/devices/me/release": Published(Uplink.RELEASE, LONG, 0),
    }
    | {topic: Published(Uplink.PROTOBUF, _PROTOBUF, 0) for topic in (_PROTOBUF.telemetry, _PROTOBUF.attributes)}
)
_NUMBERED: Mapping[str, tuple[Uplink, Spelling]] = {
    prefix: (kind, spelling)
    for spelling in _JSON
    for prefix, kind in (
        (spelling.attributes_wanted, Uplink.ATTRIBUTES_WANTED),
        (spelling.call, Uplink.CALL),
        (spelling.answer, Uplink.ANSWER),
    )
} | dict.fromkeys((_PROTOBUF.attributes_wanted, _PROTOBUF.call, _PROTOBUF.answer), (Uplink.PROTOBUF, _PROTOBUF))
_FILTERS: Mapping[str, Subscribed] = {
    topic_filter: Subscribed(kind, spelling)
    for spelling in _JSON
    for topic_filter, kind in (
        (spelling.attributes, Downlink.ATTRIBUTES_CHANGED),
        (f"{spelling.attributes_found}+", Downlink.ATTRIBUTES_FOUND),
        (f"{spelling.call}+", Downlink.CALL),
        (f"{spelling.answer}+", Downlink.ANSWER),
    )
} | {f"{_GATEWAY}{topic}": Subscribed(Downlink.GATEWAY, LONG) for topic in _GATEWAY_DOWNLINKS}


def is_ours(topic: str) -> bool:
    """Say whether a topic or filter belongs to ThingsBoard's contract, and never to the broker."""
    first, _, rest = topic.partition("/")
    return first in ("v1", "v2") or (not first and rest.partition("/")[0] == "provision")


def published(topic: str) -> Published | None:
    """Return what a topic means that a device publishes to; None when the contract has no such topic."""
    found = _TOPICS.get(topic)
    if found is not None:
        return found
    head, _, last = topic.rpartition("/")
    meant = _NUMBERED.get(f"{head}/")
    if meant is not None:
        number = request_id(last)
        return None if number is None else Published(*meant, number)
    return Published(Uplink.GATEWAY, LONG, 0) if topic.startswith(_GATEWAY) else None


def subscribed(topic_filter: str) -> Subscribed | None:
    """Return what a filter stands for; None when it is not one of those that the contract grants."""
    return _FILTERS.get(topic_filter)


def request_id(text: str) -> int | None:
    """Return the number with which a request names itself; None when the text is none."""
    # ASCII alone: int() takes the digits of every script.
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(MAX_REQUEST_ID)):
        return None
    number = int(text)
    return number if number <= MAX_REQUEST_ID else None
