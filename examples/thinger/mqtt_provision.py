"""First boot over MQTT: the device makes sure that the server knows it, with no HTTP library, and then logs in.

    python3 mqtt_provision.py --host 127.0.0.1 --user default --key pk_... --device meter-7 --credentials SECRET

Needs `pip install 'paho-mqtt>=2'`. The same request may be sent again at every boot.
"""

from __future__ import annotations

import argparse
import json
import sys

from over_mqtt import arguments, asked, logged_in


def main() -> None:
    parser = arguments("Make sure over MQTT that a device is known.")
    parser.add_argument("--device", required=True, help="id of the device")
    parser.add_argument("--credentials", required=True, help="what the device logs in with")
    given = parser.parse_args()

    reply = ensure(given)
    if reply["status"] != 200:
        sys.exit(f"Refused: {reply['status']}, {reply['message']}.")
    print(f"The device {reply['device']}: {reply['result']}.")
    logged_in(given, given.device, given.credentials)


def ensure(given: argparse.Namespace) -> dict[str, object]:
    """Ask on one topic, and return the reply from the other. Nobody else sees either."""
    request = {"id": 1, "device": given.device, "credentials": given.credentials, "type": "MQTT"}
    return asked(given, "provision/reply", ("provision/ensure", json.dumps(request)))


if __name__ == "__main__":
    main()
