"""A device's two conversations with the server over MQTT: asking for credentials, and logging in with them."""

from __future__ import annotations

import json
import queue
import sys
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

REQUEST_TOPIC = "/provision/request"
RESPONSE_TOPIC = "/provision/response"
TIMEOUT_S = 30.0


def provision(host: str, port: int, request: dict[str, Any]) -> dict[str, Any]:
    """Send a provisioning request, and return the server's answer."""
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    # The user name "provision" asks for a session that can do nothing else, so it needs no password.
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set("provision")

    def on_connect(client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            answers.put({"status": "FAILURE", "errorMsg": str(reason)})
        else:
            client.subscribe(RESPONSE_TOPIC, qos=1)

    def on_subscribe(client: Client, userdata: object, mid: int, reasons: object, properties: object) -> None:
        client.publish(REQUEST_TOPIC, json.dumps(request), qos=1)

    def on_message(client: Client, userdata: object, message: Any) -> None:
        answers.put(json.loads(message.payload))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    return _wait(client, host, port, answers)


def log_in(host: str, port: int, username: str, password: str | None = None, client_id: str = "") -> None:
    """Log in as a device; the program ends if the server does not let it in."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id)
    client.username_pw_set(username or None, password or None)
    _log_in(client, host, port)


def log_in_by_certificate(host: str, port: int, ca: Path, certificate: Path, key: Path) -> None:
    """Log in over TLS with a certificate, which needs no name and no password. ``ca`` vouches for the server."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.tls_set(str(ca), str(certificate), str(key))
    _log_in(client, host, port)


def _log_in(client: Client, host: str, port: int) -> None:
    outcomes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def on_connect(client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        outcomes.put({"refused": str(reason) if reason.is_failure else None})

    client.on_connect = on_connect
    refused = _wait(client, host, port, outcomes)["refused"]
    if refused:
        sys.exit(f"Not logged in: {refused}")
    # A real device would stay, and send its measurements.
    print("Logged in.")


def _wait(client: Client, host: str, port: int, answers: queue.SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
    try:
        client.connect(host, port, keepalive=60)
    except OSError as error:
        sys.exit(f"No server at {host}:{port}: {error}")
    client.loop_start()
    try:
        return answers.get(timeout=TIMEOUT_S)
    except queue.Empty:
        sys.exit(f"The server did not answer within {TIMEOUT_S:g} seconds.")
    finally:
        client.disconnect()
        client.loop_stop()
