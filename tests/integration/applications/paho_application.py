"""An application with paho-mqtt: reads what to do as JSON, prints what happened as JSON, line by line."""

from __future__ import annotations

import json
import sys

import paho
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def main() -> None:
    job = json.load(sys.stdin)
    client = Client(CallbackAPIVersion.VERSION2, client_id="app", protocol=MQTTProtocolVersion(job["level"]))
    client.username_pw_set("app", job["token"])
    client.on_connect = lambda c, u, flags, reason, properties: c.subscribe([(each, 1) for each in job["filters"]])
    client.on_subscribe = lambda c, u, mid, reasons, properties: say(
        paho=paho.__file__, suback=[reason.value for reason in reasons]
    )

    def on_message(c: Client, u: object, message: object) -> None:
        say(topic=message.topic, content=json.loads(message.payload))  # type: ignore[attr-defined]
        c.disconnect()

    client.on_message = on_message
    client.connect("127.0.0.1", job["port"])
    client.loop_forever()


main()
