"""Over MQTT, with ThingsBoard's Python SDK: a device that reports, keeps to its settings, and answers calls.

pip install tb-mqtt-client mmh3   # in an environment of its own: it brings another paho
python3 tb_device_api.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-1
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

from first_boot import accepted, arguments, ask, ask_for_server, store, stored
from tb_device_mqtt import TBDeviceMqttClient


def main() -> None:
    parser = arguments("Report, keep to shared attributes, and answer calls.", port=1883)
    parser.add_argument("--calls", type=int, default=sys.maxsize, help="calls to answer before it leaves")
    given = parser.parse_args()
    host, port = ask_for_server(given, port=1883)

    credentials = stored(given.file)
    if credentials is None:
        answer = TBDeviceMqttClient.provision(
            host,
            ask("Provision key", given.key),
            ask("Provision secret", given.secret, secret=True),
            port=port,
            device_name=ask("Device name", given.name, "") or None,
        )
        credentials = accepted(answer or {"status": "FAILURE", "errorMsg": "the SDK has logged why"})
        store(given.file, credentials)

    happened: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
    client = TBDeviceMqttClient(host, port, username=credentials["value"])

    def on_call(number: str, content: dict[str, Any]) -> None:
        answer = {"energy": 17.6} if content["method"] == "measure" else {"error": "unknown method"}
        client.send_rpc_reply(number, answer, wait_for_publish=True)
        happened.put(("Called", content["method"]))

    client.set_server_side_rpc_request_handler(on_call)
    client.connect()
    client.subscribe_to_all_attributes(lambda content, error: happened.put(("Changed", content)))
    client.request_attributes(
        shared_keys=["interval"],
        callback=lambda content, error: happened.put(("Settings", content.get("shared", {}))),
    )
    client.send_attributes({"firmware": "1.0.0"})
    client.send_telemetry({"energy": 17.5})
    calls = 0
    try:
        while calls < given.calls:
            what, content = happened.get()
            calls += what == "Called"
            if what == "Changed":
                client.send_attributes({"settings": content})  # so that everybody sees what the device goes by
            print(f"{what}: {content if isinstance(content, str) else json.dumps(content)}", flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        client.disconnect()


if __name__ == "__main__":
    main()
