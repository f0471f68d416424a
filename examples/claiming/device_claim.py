"""Over MQTT, with ThingsBoard's Python SDK: a device opens itself for claiming, and waits for its owner.

pip install tb-mqtt-client mmh3   # in an environment of its own: it brings another paho
python3 device_claim.py --token TOKEN
"""

from __future__ import annotations

import argparse
import queue
import secrets
from typing import Any

from tb_device_mqtt import TBDeviceMqttClient

LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
"""None that looks like another: somebody reads the secret from a display, and types it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--token", required=True, help="access token of the device")
    parser.add_argument("--minutes", type=float, default=10, help="for how long it may be claimed")
    given = parser.parse_args()

    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    client = TBDeviceMqttClient(given.host, given.port, username=given.token)
    client.connect()
    client.subscribe_to_all_attributes(lambda content, error: told.put(content))

    # A new one each time that somebody presses the button: what was seen on the display yesterday opens nothing.
    secret = "".join(secrets.choice(LETTERS) for _ in range(12))
    client.claim(secret, int(given.minutes * 60_000)).get()
    print(f"Claim me with the secret {secret}", flush=True)
    try:
        while told.get().get("claimed") is not True:
            pass
        print("Somebody owns me.")
    except KeyboardInterrupt:
        pass
    finally:
        client.disconnect()


if __name__ == "__main__":
    main()
