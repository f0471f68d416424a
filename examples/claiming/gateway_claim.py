"""Over MQTT, with ThingsBoard's Python SDK: a gateway opens several of its devices for claiming.

pip install tb-mqtt-client mmh3   # in an environment of its own: it brings another paho
python3 gateway_claim.py --token TOKEN valve-1=SECRET valve-2=SECRET
"""

from __future__ import annotations

import argparse
import queue
from typing import Any

from tb_gateway_mqtt import TBGatewayMqttClient


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--token", required=True, help="access token of the gateway")
    parser.add_argument("--type", default="valves", help="profile of devices that are made")
    parser.add_argument("devices", nargs="+", metavar="NAME=SECRET")
    given = parser.parse_args()
    secrets = dict(each.split("=", 1) for each in given.devices)

    told: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    client = TBGatewayMqttClient(given.host, given.port, given.token)
    client.connect()
    client.gw_subscribe_to_all_attributes(told.put)
    for name in secrets:
        client.gw_connect_device(name, given.type).get()
    # One message for all of them; each has its own secret, and may have its own time.
    claims = {name: {"secretKey": secret, "durationMs": 600_000} for name, secret in secrets.items()}
    client.gw_claim(None, None, None, claiming_request=claims).get()
    print(f"May be claimed: {', '.join(secrets)}", flush=True)

    waiting = set(secrets)
    try:
        while waiting:
            news = told.get()
            if news["data"].get("claimed") is True and news["device"] in waiting:
                waiting.remove(news["device"])
                print(f"{news['device']} has an owner.", flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        client.disconnect()


if __name__ == "__main__":
    main()
