"""The device API with ThingsBoard's Python SDK: reads what to do as JSON, prints what happened as JSON.

As a device it reports, asks, and waits until it was told of ``c`` and was called. As a gateway it connects.
"""

from __future__ import annotations

import json
import queue
import sys
from typing import Any

WAIT_S = 20.0


class Heard:
    """What the SDK's callbacks were called with, each kind in its order."""

    def __init__(self) -> None:
        self._queues: dict[str, queue.SimpleQueue[Any]] = {}

    def put(self, kind: str, value: Any) -> None:
        self._queues.setdefault(kind, queue.SimpleQueue()).put(value)

    def get(self, kind: str) -> Any:
        return self._queues.setdefault(kind, queue.SimpleQueue()).get(timeout=WAIT_S)


def listening_to_limits(client: Any, heard: Heard) -> None:
    """Hear of the answer to ``getSessionLimits``, beside the SDK itself."""
    sdk_callback = client.service_configuration_callback

    def on_limits(request_id: Any, content: Any, *rest: Any) -> None:
        told = dict(content)  # the SDK takes it apart
        sdk_callback(request_id, content, *rest)
        heard.put("limits", told)

    client.service_configuration_callback = on_limits


def acknowledged(sent: Any) -> bool:
    """Wait for the acknowledgements of what the SDK has sent."""
    messages = sent.message_info if isinstance(sent.message_info, list) else [sent.message_info]
    for message in messages:
        message.wait_for_publish(WAIT_S)
    return all(message.is_published() for message in messages)


def device(job: dict[str, Any]) -> dict[str, Any]:
    from tb_device_mqtt import TBDeviceMqttClient

    heard = Heard()
    client = TBDeviceMqttClient("127.0.0.1", job["port"], username=job["token"])
    listening_to_limits(client, heard)

    def on_call(request_id: str, content: Any) -> None:
        heard.put("called", content)
        client.send_rpc_reply(request_id, {"answer": content["params"]})

    client.set_server_side_rpc_request_handler(on_call)
    client.connect()
    limits = heard.get("limits")

    telemetry = acknowledged(client.send_telemetry({"t": 21.5, "n": "7"}))
    telemetry &= acknowledged(client.send_telemetry([{"ts": 1_600_000_000_000, "values": {"old": 1}}, {"new": 2}]))
    attributes = acknowledged(client.send_attributes({"fw": "1.2.3", "serial": "A-5"}))

    client.request_attributes(["fw", "none"], ["c"], callback=lambda content, error: heard.put("asked", content))
    asked = heard.get("asked")
    client.send_rpc_call("echo", {"x": 1}, lambda request_id, content, error: heard.put("answer", content))
    answer = heard.get("answer")

    client.subscribe_to_attribute("c", lambda content, error: heard.put("one", content))
    client.subscribe_to_all_attributes(lambda content, error: heard.put("all", content))
    acknowledged(client.send_telemetry({"ready": True}))
    updates = [heard.get("one"), heard.get("all")]
    acknowledged(client.send_telemetry({"changed": True}))
    updates.append(heard.get("all"))
    outcome = {
        "limits": limits, "telemetry": telemetry, "attributes": attributes, "asked": asked, "answer": answer,
        "updates": updates, "called": heard.get("called"),
    }  # fmt: skip
    acknowledged(client.send_telemetry({"done": True}))
    outcome["connected"] = client.is_connected()
    client.disconnect()
    return outcome


def gateway(job: dict[str, Any]) -> dict[str, Any]:
    from tb_gateway_mqtt import TBGatewayMqttClient

    heard = Heard()
    client = TBGatewayMqttClient("127.0.0.1", job["port"], job["token"])
    listening_to_limits(client, heard)
    sdk_handler = client._client.on_subscribe

    def on_subscribe(*arguments: Any) -> None:
        sdk_handler(*arguments)
        heard.put("granted", [reason.value for reason in arguments[3]])

    client._client.on_subscribe = on_subscribe
    client.connect()
    outcome = {"granted": [heard.get("granted") for _ in range(7)], "limits": heard.get("limits")}
    outcome["telemetry"] = acknowledged(client.send_telemetry({"up": 1}))
    outcome["connected"] = client.is_connected()
    client.disconnect()
    return outcome


def main() -> None:
    job = json.load(sys.stdin)
    outcome = {"device": device, "gateway": gateway}[job["do"]](job)
    import paho  # after the SDK, which looks for it in a way of its own

    json.dump({**outcome, "paho": paho.__file__}, sys.stdout)


main()
