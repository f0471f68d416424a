"""Over HTTP: the device brings an access token of its own.

python3 http_own_token.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-6
"""

from __future__ import annotations

import secrets

from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_http import provision


def main() -> None:
    parser = arguments("Bring an access token over HTTP.", port=8080)
    parser.add_argument("--token", help="the token (drawn at random)")
    given = parser.parse_args()

    if stored(given.file) is None:
        host, port = ask_for_server(given, port=8080)
        request = {
            **ask_for_profile(given),
            "credentialsType": "ACCESS_TOKEN",
            "token": given.token or secrets.token_urlsafe(24),
        }
        store(given.file, accepted(provision(host, port, request)))

    print(f"Provisioned. The token is kept in {given.file}; it is the user name to log in with over MQTT.")


if __name__ == "__main__":
    main()
