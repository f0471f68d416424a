"""Which topic names and filters are well formed (MQTT 5, sections 4.7 and 4.8), and what a filter matches.

Control characters are refused as well: the specification allows that (1.5.4), and they have no use
in a topic but to confuse logs and terminals.
"""

import re

from .reasons import Reason
from .wire import Limits, MalformedPacket

_not_in_name = re.compile("[\x00-\x1f\x7f-\x9f+#]").search
_level = "(?:[^\x00-\x1f\x7f-\x9f+#/]*|\\+)"
_filter = re.compile(rf"(?:\#|{_level}(?:/{_level})*(?:/\#)?)").fullmatch
_shared = re.compile(r"\$share/[^/+#]+/.+", re.DOTALL).fullmatch


def check_topic_name(topic: str, size: int, limits: Limits) -> None:
    """Refuse a name that nothing may be published to. ``size``: its length in UTF-8."""
    if not topic:
        raise MalformedPacket("topic name is empty", Reason.TOPIC_NAME_INVALID)
    if size > limits.topic_bytes or topic.count("/") >= limits.topic_levels:
        raise MalformedPacket("topic name is too long or too deep", Reason.TOPIC_NAME_INVALID)
    if _not_in_name(topic):
        raise MalformedPacket("topic name contains a wildcard or control character", Reason.TOPIC_NAME_INVALID)


def check_topic_filter(topic_filter: str, size: int, level: int, limits: Limits) -> None:
    """Refuse a malformed filter. MQTT 3 knows no shared subscriptions: ``$share`` is a plain word there."""
    if not topic_filter:
        raise MalformedPacket("topic filter is empty", Reason.TOPIC_FILTER_INVALID)
    if size > limits.topic_bytes or topic_filter.count("/") >= limits.topic_levels:
        raise MalformedPacket("topic filter is too long or too deep", Reason.TOPIC_FILTER_INVALID)
    if not _filter(topic_filter):
        raise MalformedPacket("topic filter is malformed", Reason.TOPIC_FILTER_INVALID)
    if level == 5 and topic_filter.startswith("$share/") and not _shared(topic_filter):
        raise MalformedPacket("shared subscription is malformed", Reason.TOPIC_FILTER_INVALID)


def covers(wide: str, narrow: str) -> bool:
    """Say whether ``wide`` matches the topic name ``narrow``, or everything that the filter ``narrow`` matches.

    Takes time in proportion to their lengths.
    """
    if narrow.startswith("$") and wide[:1] in ("+", "#"):
        return False  # MQTT-4.7.2-1
    levels = narrow.split("/")
    for depth, level in enumerate(wide.split("/")):
        if level == "#":
            return True  # also of the level above: ``a/#`` matches ``a``
        if depth == len(levels) or levels[depth] == "#" or level not in ("+", levels[depth]):
            return False
    return wide.count("/") + 1 == len(levels)
