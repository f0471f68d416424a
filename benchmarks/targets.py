"""The rows of the target table: what is measured against what, and how much is wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Target:
    """One row. ``reach`` must be met, ``aim`` is where we want to be; None where nobody has asked for a number."""

    what: str
    reference: str
    """``-`` for a value that stands by itself."""
    reach: float | None
    aim: float | None
    unit: str = ""
    """Of the value; empty for a ratio."""
    more_is_better: bool = True

    def judge(self, value: float) -> str:
        """Return ``aim``, ``reach`` or ``missed``; nothing without a target."""
        if self.reach is None or self.aim is None:
            return ""
        sign = 1 if self.more_is_better else -1
        if sign * value >= sign * self.aim:
            return "aim"
        return "reach" if sign * value >= sign * self.reach else "missed"


_CYCLE = "mosquitto's bare cycle"
_SAME_IDLE = "the same with no idle session"
_PUBLISH = "mosquitto's publish, QoS 1"
_THINGSBOARD = "ThingsBoard's dialect, HTTP, kept connections"
_EMPTY = "the same with an empty database"

TARGETS: Mapping[str, Target] = {
    "mqtt-sqlite": Target(what="MQTT provisioning, SQLite", reference=_CYCLE, reach=0.25, aim=0.37),
    "mqtt-p99": Target(
        what="MQTT provisioning, SQLite: 99 % of the cycles take at most",
        reference="clients / rate",
        reach=4,
        aim=2,
        more_is_better=False,
    ),
    "mqtt-postgres": Target(what="MQTT provisioning, PostgreSQL", reference=_CYCLE, reach=0.20, aim=0.35),
    "http-keep-alive": Target(
        what="HTTP provisioning, kept connections", reference="Starlette JSON echo", reach=0.40, aim=0.50
    ),
    "http-new-connection": Target(
        what="HTTP provisioning, a new connection each",
        reference="Starlette JSON echo, a new connection each",
        reach=0.45,
        aim=0.58,
    ),
    "coap-sqlite": Target(what="CoAP provisioning, SQLite", reference="aiocoap echo", reach=0.5, aim=1.5),
    "thinger-create": Target(
        what="thinger.io's dialect: creation of a device, HTTP", reference=_THINGSBOARD, reach=0.8, aim=1.0
    ),
    "thinger-ensure": Target(
        what="thinger.io's dialect: ensure of a device, HTTP", reference=_THINGSBOARD, reach=0.8, aim=1.0
    ),
    "thinger-bucket": Target(
        what="the same with a bucket beside the device", reference=_THINGSBOARD, reach=None, aim=None
    ),
    "thinger-claim": Target(
        what="thinger.io's dialect: claim of a device of a pool, HTTP",
        reference=_THINGSBOARD,
        reach=None,
        aim=None,
    ),
    "thingstream": Target(
        what="Thingstream's dialect: credentials of CloudLocate, HTTP", reference=_THINGSBOARD, reach=0.8, aim=1.0
    ),
    "thingstream-hardware": Target(
        what="the same with a hardware code, by which a Thing that the device has is looked for",
        reference=_THINGSBOARD,
        reach=0.8,
        aim=1.0,
    ),
    "tls-handshake": Target(
        what="TLS handshake and CONNECT, for each second of the server's processor time",
        reference="a bare asyncio TLS echo's",
        reach=0.6,
        aim=0.8,
    ),
    "dtls-handshake": Target(
        what="DTLS handshake and a CoAP request, for each second of the server's processor time",
        reference="a bare asyncio DTLS echo's",
        reach=None,
        aim=None,
    ),
    "connect": Target(what="device connect", reference="mosquitto's connect", reach=0.20, aim=0.40),
    "pubsub-connect": Target(
        what="device connect with a subscription at the broker",
        reference="stock amqtt's connect and subscribe",
        reach=1.8,
        aim=2.5,
    ),
    "publish-telemetry": Target(what="telemetry, QoS 1", reference=_PUBLISH, reach=None, aim=None),
    "publish-broker": Target(
        what="publish at the broker, QoS 1, one subscriber", reference=_PUBLISH, reach=None, aim=None
    ),
    "publish-bucket": Target(
        what="publish at the broker, QoS 1, into a bucket",
        reference="the same where no bucket listens",
        reach=None,
        aim=None,
    ),
    "bucket-memory": Target(
        what="memory of a bucket", reference="-", reach=None, aim=None, unit="KiB", more_is_better=False
    ),
    "devices-100k": Target(
        what="MQTT provisioning, 100,000 devices in the database", reference=_EMPTY, reach=0.9, aim=0.95
    ),
    "devices-1m": Target(
        what="MQTT provisioning, 1,000,000 devices in the database", reference=_EMPTY, reach=0.8, aim=0.9
    ),
    "idle-provision": Target(
        what="MQTT provisioning beside idle sessions", reference=_SAME_IDLE, reach=0.9, aim=1.0
    ),
    "idle-connect": Target(what="device connect beside idle sessions", reference=_SAME_IDLE, reach=0.9, aim=1.0),
    "session-memory": Target(
        what="memory of an idle session", reference="-", reach=6, aim=3, unit="KiB", more_is_better=False
    ),
    "pubsub-memory": Target(
        what="memory of an idle session with a subscription at the broker",
        reference="-",
        reach=40,
        aim=35,
        unit="KiB",
        more_is_better=False,
    ),
    "idle-pubsub-connect": Target(
        what="device connect with a subscription at the broker, beside idle sessions",
        reference=_SAME_IDLE,
        reach=0.9,
        aim=1.0,
    ),
    "idle-publish": Target(
        what="publish at the broker beside idle sessions", reference=_SAME_IDLE, reach=None, aim=None
    ),
    "import": Target(what="import of a delivery list, SQLite", reference="-", reach=5000, aim=8000, unit="rows/s"),
    "process-memory": Target(
        what="memory of the idle process", reference="-", reach=70, aim=60, unit="MiB", more_is_better=False
    ),
    "start": Target(
        what="from start to listening", reference="-", reach=1.0, aim=0.5, unit="s", more_is_better=False
    ),
}
