"""A device with ThingsBoard's Python SDK: reads what to do as JSON, prints what happened as JSON."""

from __future__ import annotations

import json
import logging
import sys
import threading
from typing import Any

WAIT_S = 20.0


class Errors(logging.Handler):
    """Keeps what the SDK logs as an error: that is its whole error path."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def provision(job: dict[str, Any]) -> dict[str, Any]:
    from tb_device_mqtt import TBDeviceMqttClient

    errors = Errors()
    logging.getLogger("tb_connection").addHandler(errors)
    credentials = TBDeviceMqttClient.provision("127.0.0.1", **job)
    return {"credentials": credentials, "errors": errors.texts}


def connect(job: dict[str, Any]) -> dict[str, Any]:
    from tb_device_mqtt import TBDeviceMqttClient

    answered = threading.Event()
    results: list[int] = []

    tls = job.pop("tls", {})
    client = TBDeviceMqttClient("127.0.0.1", **job)
    # Not connect(callback=...): the SDK stores it after its network thread runs, and never calls it when the
    # CONNACK is faster. Its handler is whole and unchanged; we only hear of it when it has run.
    sdk_handler = client._client.on_connect

    def on_connect(paho_client: Any, userdata: Any, flags: Any, result: Any, properties: Any) -> None:
        sdk_handler(paho_client, userdata, flags, result, properties)
        results.append(result.value)
        answered.set()

    client._client.on_connect = on_connect
    client.connect(**tls)
    assert answered.wait(WAIT_S), "no answer to CONNECT"
    outcome: dict[str, Any] = {"result": results[0], "connected": client.is_connected()}
    if client.is_connected():
        # By its acknowledgement all that the SDK sends after CONNECT has been answered too.
        sent = client.send_telemetry({"up": True}).message_info
        for message in sent if isinstance(sent, list) else [sent]:
            message.wait_for_publish(WAIT_S)  # its own get() waits for a second at most
            assert message.is_published(), "no acknowledgement"
        outcome["connected_afterwards"] = client.is_connected()
        outcome["connections"] = len(results)
    client.disconnect()
    return outcome


def provision_http(job: dict[str, Any]) -> dict[str, Any]:
    from tb_device_http import TBHTTPDevice, TBProvisionFailure

    try:
        device = TBHTTPDevice.provision(**job)
    except TBProvisionFailure as failure:
        return {"failure": failure.args[0]}
    return {"token": device.token, "name": device.name}


def main() -> None:
    job = json.load(sys.stdin)
    what = {"provision": provision, "connect": connect, "provision_http": provision_http}[job.pop("do")]
    outcome = what(job)
    import paho  # after the SDK, which looks for it in a way of its own

    json.dump({**outcome, "paho": paho.__file__}, sys.stdout)


main()
