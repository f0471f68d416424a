"""A gateway with ThingsBoard's Python SDK: reads what to do as JSON, prints what happened as JSON.

It connects two devices, reports and asks for them, opens them for claiming, and waits until it was told that both
were claimed, and called for one of them.
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
    from tb_gateway_mqtt import TBGatewayMqttClient

    heard: dict[str, queue.SimpleQueue[Any]] = {
        kind: queue.SimpleQueue() for kind in ("limits", "answer", "changed", "called", "sent away")
    }
    client = TBGatewayMqttClient("127.0.0.1", job["port"], job["token"])
    sdk_handler = client.service_configuration_callback

    def on_limits(request_id: Any, content: Any, *rest: Any) -> None:
        told = dict(content)  # the SDK takes it apart
        sdk_handler(request_id, content, *rest)
        heard["limits"].put(told)

    def on_call(gateway: Any, content: Any) -> None:
        heard["called"].put(content)
        gateway.gw_send_rpc_reply(content["device"], content["data"]["id"], {"answer": content["data"]["params"]})

    client.service_configuration_callback = on_limits
    client.gw_set_server_side_rpc_request_handler(on_call)
    client.device_disconnect_callback = lambda gateway, content: heard["sent away"].put(content)
    client.connect()
    limits = heard["limits"].get(timeout=WAIT_S)
    old_and_new = [{"ts": 1_600_000_000_000, "values": {"old": 1}}, {"new": 2}]
    sent = {
        "connect": [client.gw_connect_device("A", "thermometer"), client.gw_connect_device("B")],
        "telemetry": [client.gw_send_telemetry("A", {"t": 21.5}), client.gw_send_telemetry("B", old_and_new)],
        "attributes": [client.gw_send_attributes("A", {"fw": "1.2.3", "serial": "A-5"})],
    }  # fmt: skip
    outcome: dict[str, Any] = {kind: [acknowledged(each) for each in some] for kind, some in sent.items()}

    client.gw_request_client_attributes("A", ["fw", "serial"], lambda content, error: heard["answer"].put(content))
    outcome["client"] = heard["answer"].get(timeout=WAIT_S)
    client.gw_request_shared_attributes("A", ["none"], lambda content, error: heard["answer"].put(content))
    outcome["shared"] = heard["answer"].get(timeout=WAIT_S)

    client.gw_subscribe_to_all_attributes(lambda content: heard["changed"].put(content))
    claims = {"A": {"secretKey": "a"}, "B": {"secretKey": "b", "durationMs": 60000}}
    outcome["claim"] = [acknowledged(client.gw_claim("C", "c", 30000)),
                        acknowledged(client.gw_claim("A", None, None, claiming_request=claims))]  # fmt: skip
    acknowledged(client.send_telemetry({"claimed": True}))
    outcome["changed"] = sorted((heard["changed"].get(timeout=WAIT_S) for _ in range(2)), key=str)
    outcome["called"] = heard["called"].get(timeout=WAIT_S)
    acknowledged(client.gw_send_telemetry("of another", {"t": 1}))
    outcome["sent away"] = heard["sent away"].get(timeout=WAIT_S)
    outcome["disconnect"] = acknowledged(client.gw_disconnect_device("A"))
    acknowledged(client.send_telemetry({"done": True}))
    outcome["limits"] = sorted(limits)
    outcome["connected"] = client.is_connected()
    client.disconnect()
    import paho  # after the SDK, which looks for it in a way of its own

    json.dump({**outcome, "paho": paho.__file__}, sys.stdout)


main()
