"""Over MQTT: the server makes an access token, and the device logs in with it.

python3 mqtt_access_token.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-1
"""

from __future__ import annotations

from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_mqtt import log_in, provision


def main() -> None:
    given = arguments("Get an access token over MQTT, and log in with it.", port=1883).parse_args()
    host, port = ask_for_server(given, port=1883)

    credentials = stored(given.file)
    if credentials is None:
        # Nothing is said of credentials: the server makes a token.
        request = ask_for_profile(given)
        credentials = accepted(provision(host, port, request))
        store(given.file, credentials)
        print(f"Provisioned. The token is kept in {given.file}.")

    # The user name is the token; there is no password.
    log_in(host, port, username=credentials["value"])


if __name__ == "__main__":
    main()
