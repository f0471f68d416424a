"""Over MQTT: the device chooses client id, user name and password, and logs in with them.

    python3 mqtt_basic.py

asks for everything; what is given as an argument is not asked for:

    python3 mqtt_basic.py --host 127.0.0.1 --port 1883 --key KEY --secret SECRET --name meter-3 \
        --client-id meter-3 --username meter --password PASSWORD
"""

from __future__ import annotations

from first_boot import accepted, arguments, ask, ask_for_profile, ask_for_server, store, stored
from over_mqtt import log_in, provision


def main() -> None:
    parser = arguments("Bring MQTT credentials, and log in with them.", port=1883)
    parser.add_argument("--client-id", help="MQTT client id of the device (asked for)")
    parser.add_argument("--username", help="MQTT user name of the device (asked for)")
    parser.add_argument("--password", help="MQTT password of the device (asked for)")
    given = parser.parse_args()
    host, port = ask_for_server(given, port=1883)

    credentials = stored(given.file)
    if credentials is None:
        request = {
            **ask_for_profile(given),
            "credentialsType": "MQTT_BASIC",
            "clientId": ask("Client id", given.client_id),
            "username": ask("User name", given.username),
            "password": ask("Password", given.password, secret=True),
        }
        credentials = accepted(provision(host, port, request))
        store(given.file, credentials)
        print(f"Provisioned. The credentials are kept in {given.file}.")

    # The request says username, the answer userName: that is the contract.
    login = credentials["value"]
    log_in(host, port, username=login["userName"], password=login["password"], client_id=login["clientId"])


if __name__ == "__main__":
    main()
