"""MQTT over WebSocket: a device that has its access token reports where only web traffic gets through.

    python3 mqtt_websocket.py localhost 8084 TOKEN --ca firstboot-data/tls/ca.crt

Needs `pip install 'paho-mqtt>=2'`. Without --ca it is not encrypted, for the port of `[mqtt] ws_bind`. The token
comes from any of the other examples.
"""

from __future__ import annotations

import argparse
import queue
import sys
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

TIMEOUT_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Report over MQTT and WebSocket.")
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("token")
    parser.add_argument("--ca", help="certificate that vouches for the server")
    given = parser.parse_args()

    client = Client(CallbackAPIVersion.VERSION2, transport="websockets")
    client.ws_set_options(path="/mqtt")
    if given.ca:
        client.tls_set(given.ca)
    client.username_pw_set(given.token)
    outcomes: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def on_connect(client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            outcomes.put(f"Not logged in: {reason}")
        else:
            client.publish("v1/devices/me/telemetry", '{"temperature":21.5}', qos=1)

    def on_publish(client: Client, userdata: object, mid: int, reason: object, properties: object) -> None:
        outcomes.put(None)  # with QoS 1 this means that the server has it on disk

    client.on_connect, client.on_publish = on_connect, on_publish
    try:
        client.connect(given.host, given.port)
    except OSError as error:
        sys.exit(f"No server at {given.host}:{given.port}: {error}")
    client.loop_start()
    try:
        problem = outcomes.get(timeout=TIMEOUT_S)
    except queue.Empty:
        problem = f"The server did not answer within {TIMEOUT_S:g} seconds."
    client.disconnect()
    client.loop_stop()
    if problem:
        sys.exit(problem)
    print("Reported.")


if __name__ == "__main__":
    main()
