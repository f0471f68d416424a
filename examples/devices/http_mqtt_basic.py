"""Over HTTP: the device chooses the client id, user name and password with which it will log in over MQTT.

    python3 http_mqtt_basic.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-7 \
        --client-id meter-7 --username meter --password PASSWORD
"""

from __future__ import annotations

from first_boot import accepted, arguments, ask, ask_for_profile, ask_for_server, store, stored
from over_http import provision


def main() -> None:
    parser = arguments("Bring MQTT credentials over HTTP.", port=8080)
    parser.add_argument("--client-id", help="MQTT client id of the device (asked for)")
    parser.add_argument("--username", help="MQTT user name of the device (asked for)")
    parser.add_argument("--password", help="MQTT password of the device (asked for)")
    given = parser.parse_args()

    if stored(given.file) is None:
        host, port = ask_for_server(given, port=8080)
        request = {
            **ask_for_profile(given),
            "credentialsType": "MQTT_BASIC",
            "clientId": ask("Client id", given.client_id),
            "username": ask("User name", given.username),
            "password": ask("Password", given.password, secret=True),
        }
        store(given.file, accepted(provision(host, port, request)))

    print(f"Provisioned. The credentials to log in with over MQTT are kept in {given.file}.")


if __name__ == "__main__":
    main()
