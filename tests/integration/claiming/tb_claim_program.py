"""A device that claims with ThingsBoard's Python SDK: reads what to do as JSON, prints what happened as JSON.

With a ``told`` it then waits until it is told of that attribute.
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

WAIT_S = 20.0


def acknowledged(sent: Any) -> bool:
    """Wait for the acknowledgements of what the SDK has sent."""
    messages = sent.message_info if isinstance(sent.message_info, list) else [sent.message_info]
    for message in messages:
        message.wait_for_publish(WAIT_S)
    return all(message.is_published() for message in messages)


def main() -> None:
    job = json.load(sys.stdin)
    from tb_device_mqtt import TBDeviceMqttClient

    client = TBDeviceMqttClient("127.0.0.1", job["port"], username=job["token"])
    connected: queue.SimpleQueue[Any] = queue.SimpleQueue()
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    sdk_handler = client.service_configuration_callback

    def on_limits(*arguments: Any) -> None:
        sdk_handler(*arguments)
        connected.put(True)

    client.service_configuration_callback = on_limits
    client.connect()
    connected.get(timeout=WAIT_S)
    client.subscribe_to_all_attributes(lambda content, error: heard.put(content))
    outcome = {"claims": [acknowledged(client.claim(**each)) for each in job["claims"]]}
    acknowledged(client.send_telemetry({"claimed": True}))
    if job.get("waits"):
        outcome["told"] = heard.get(timeout=WAIT_S)
    outcome["connected"] = client.is_connected()
    client.disconnect()
    import paho  # after the SDK, which looks for it in a way of its own

    json.dump({**outcome, "paho": paho.__file__}, sys.stdout)


main()
