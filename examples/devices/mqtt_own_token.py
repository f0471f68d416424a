"""Over MQTT: the device brings an access token of its own, and logs in with it.

python3 mqtt_own_token.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-2
"""

from __future__ import annotations

import secrets

from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_mqtt import log_in, provision


def main() -> None:
    parser = arguments("Bring an access token over MQTT, and log in with it.", port=1883)
    parser.add_argument("--token", help="the token (drawn at random)")
    given = parser.parse_args()
    host, port = ask_for_server(given, port=1883)

    credentials = stored(given.file)
    if credentials is None:
        request = {
            **ask_for_profile(given),
            "credentialsType": "ACCESS_TOKEN",
            "token": given.token or secrets.token_urlsafe(24),
        }
        credentials = accepted(provision(host, port, request))
        store(given.file, credentials)
        print(f"Provisioned. The token is kept in {given.file}.")

    # The user name is the token; there is no password.
    log_in(host, port, username=credentials["value"])


if __name__ == "__main__":
    main()
