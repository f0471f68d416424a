"""A device's conversations with the server over MQTT: with the key of all units, and with its own credential."""

from __future__ import annotations

import argparse
import json
import queue
import sys
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

TIMEOUT_S = 30.0


def arguments(description: str) -> argparse.ArgumentParser:
    """Return a parser for where the server is, and for what opens the account."""
    parser = argparse.ArgumentParser(description=description, allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--user", required=True, help="the account")
    parser.add_argument("--key", required=True, help="a provisioning key, or an access token")
    return parser


def asked(given: argparse.Namespace, topic: str, request: tuple[str, str] | None = None) -> dict[str, Any]:
    """Subscribe with the key, publish the request if there is one, and return what comes on the topic."""
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    # Any client id will do: many units may have one key and one id at the same time.
    client = Client(CallbackAPIVersion.VERSION2, client_id="provisioning")
    client.username_pw_set(given.user, given.key)

    def on_connect(client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        if reason.is_failure:
            answers.put({"status": 401, "message": str(reason)})
        else:
            client.subscribe(topic, qos=1)

    def on_subscribe(client: Client, userdata: object, mid: int, reasons: Any, properties: object) -> None:
        if reasons[0].is_failure:
            answers.put({"status": 403, "message": "the subscription is refused"})
        elif request is not None:
            client.publish(*request, qos=1)

    def on_message(client: Client, userdata: object, message: Any) -> None:
        answers.put(json.loads(message.payload))

    client.on_connect = on_connect
    client.on_subscribe = on_subscribe
    client.on_message = on_message
    return _wait(given, client, answers)


def logged_in(given: argparse.Namespace, device: str, credentials: str) -> None:
    """Log in as the device; the program ends if the server does not let it in."""
    outcomes: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, client_id=device)
    client.username_pw_set(given.user, credentials)

    def on_connect(client: Client, userdata: object, flags: object, reason: Any, properties: object) -> None:
        outcomes.put({"refused": str(reason) if reason.is_failure else None})

    client.on_connect = on_connect
    refused = _wait(given, client, outcomes)["refused"]
    if refused:
        sys.exit(f"Not logged in: {refused}")
    # A real device would stay, and send its measurements.
    print("Logged in.")


def _wait(given: argparse.Namespace, client: Client, answers: queue.SimpleQueue[dict[str, Any]]) -> dict[str, Any]:
    try:
        client.connect(given.host, given.port, keepalive=60)
    except OSError as error:
        sys.exit(f"No server at {given.host}:{given.port}: {error}")
    client.loop_start()
    try:
        return answers.get(timeout=TIMEOUT_S)
    except queue.Empty:
        sys.exit(f"The server did not answer within {TIMEOUT_S:g} seconds.")
    finally:
        client.disconnect()
        client.loop_stop()
