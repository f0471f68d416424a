"""A device with paho-mqtt: reads what to do as JSON, prints what happened as JSON.

Logs in; with a ``request`` it provisions, with ``publish`` it publishes there; then it takes its leave. ``ca`` is
what it trusts over TLS, ``certificate`` its own with its key, ``transport`` may be ``websockets``.
"""

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
        CallbackAPIVersion.VERSION2,
        client_id=job.get("client_id", ""),
        protocol=MQTTProtocolVersion(job["level"]),
        transport=job.get("transport", "tcp"),
    )
    if "ca" in job:
        client.tls_set(job["ca"], *job.get("certificate", ()))
    client.username_pw_set(job.get("username"), job.get("password"))
    client.on_connect = lambda c, u, flags, reason, properties: happened.put(("connack", reason.value))
    client.on_subscribe = lambda c, u, mid, reasons, properties: happened.put(
        ("suback", [reason.value for reason in reasons])
    )
    client.on_publish = lambda c, u, mid, reason, properties: happened.put(("puback", reason.value))
    client.on_message = lambda c, u, message: happened.put(("answer", json.loads(message.payload)))
    client.on_disconnect = lambda c, u, flags, reason, properties: happened.put(("disconnect", reason.value))

    outcome: dict[str, Any] = {"paho": paho.__file__}

    def await_all(*wanted: str) -> bool:
        while not outcome.keys() >= set(wanted):
            what, value = happened.get(timeout=WAIT_S)
            outcome[what] = value
            if what == "disconnect":
                return False
        return True

    client.connect(job.get("host", "127.0.0.1"), job["port"], keepalive=60)
    client.loop_start()
    if await_all("connack") and outcome["connack"] == 0:
        if "request" in job:
            client.subscribe("/provision/response", qos=job["qos"])
            await_all("suback")
            client.publish("/provision/request", json.dumps(job["request"]), qos=job["qos"])
            await_all("answer", "puback")
        elif "publish" in job:
            client.publish(job["publish"], b"{}", qos=1)
            await_all("puback")
        outcome["connected"] = client.is_connected()
    client.disconnect()
    client.loop_stop()
    json.dump(outcome, sys.stdout)


main()
