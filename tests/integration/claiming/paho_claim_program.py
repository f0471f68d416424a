"""A device that publishes with paho-mqtt: reads what to do as JSON, prints what happened as JSON."""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

import paho
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

WAIT_S = 20.0


def main() -> None:
    job = json.load(sys.stdin)
    happened: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    client = Client(
        CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion(job["level"]), reconnect_on_failure=False
    )
    client.username_pw_set(job["token"])
    client.on_connect = lambda c, u, flags, reason, properties: happened.put(("connack", reason.value))
    client.on_publish = lambda c, u, mid, reason, properties: happened.put(("puback", reason.value))
    client.on_disconnect = lambda c, u, flags, reason, properties: happened.put(("disconnect", reason.value))
    client.connect("127.0.0.1", job["port"], keepalive=60)
    client.loop_start()
    assert happened.get(timeout=WAIT_S) == ("connack", 0)
    outcomes = []
    for topic, payload in job["messages"]:
        client.publish(topic, payload, qos=1)
        outcomes.append(happened.get(timeout=WAIT_S))
    client.disconnect()
    client.loop_stop()
    json.dump({"outcomes": outcomes, "paho": paho.__file__}, sys.stdout)


main()
