"""Over MQTT, with paho: a device that reports, keeps to its shared attributes, and answers calls.

python3 mqtt_device_api.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-1
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_mqtt import provision
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

ME = "v1/devices/me"
NEWS = [(f"{ME}/attributes", 1), (f"{ME}/attributes/response/+", 1), (f"{ME}/rpc/request/+", 1)]


class Meter:
    """A meter that measures every so often, and can be called to measure now."""

    def __init__(self, token: str) -> None:
        self.answered: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        """The method of each call; None when the server does not let the device in."""
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.username_pw_set(token)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def connect(self, host: str, port: int) -> None:
        self._client.connect(host, port, keepalive=60)
        self._client.loop_start()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _say(self, topic: str, content: Any) -> None:
        self._client.publish(f"{ME}/{topic}", json.dumps(content), qos=1)

    def _on_connect(
        self, client: Client, userdata: object, flags: object, reason: Any, properties: object
    ) -> None:
        if reason.is_failure:
            self.answered.put(None)
        else:
            client.subscribe(NEWS)

    def _on_subscribe(self, *_: object) -> None:
        # Only now: what changes from here on is told, what was set before is asked for.
        self._say("attributes/request/1", {"sharedKeys": "interval"})
        self._say("attributes", {"firmware": "1.0.0"})
        self._say("telemetry", {"energy": 17.5})

    def _on_message(self, client: Client, userdata: object, message: Any) -> None:
        content = json.loads(message.payload)
        if message.topic == f"{ME}/attributes":
            print("Changed:", json.dumps(content), flush=True)
            self._say("attributes", {"settings": content})  # so that everybody sees what the device goes by
        elif message.topic.startswith(f"{ME}/attributes/response/"):
            print("Settings:", json.dumps(content.get("shared", {})), flush=True)
        else:
            number = message.topic.rpartition("/")[2]
            answer = {"energy": 17.6} if content["method"] == "measure" else {"error": "unknown method"}
            self._say(f"rpc/response/{number}", answer)
            self.answered.put(content["method"])


def main() -> None:
    parser = arguments("Report, keep to shared attributes, and answer calls.", port=1883)
    parser.add_argument("--calls", type=int, default=sys.maxsize, help="calls to answer before it leaves")
    given = parser.parse_args()
    host, port = ask_for_server(given, port=1883)
    credentials = stored(given.file)
    if credentials is None:
        credentials = accepted(provision(host, port, ask_for_profile(given)))
        store(given.file, credentials)

    meter = Meter(credentials["value"])
    try:
        meter.connect(host, port)
        for _ in range(given.calls):
            method = meter.answered.get()
            if method is None:
                sys.exit("Not logged in.")
            print("Called:", method, flush=True)
    except OSError as error:
        sys.exit(f"No server at {host}:{port}: {error}")
    except KeyboardInterrupt:
        pass
    finally:
        meter.leave()


if __name__ == "__main__":
    main()
