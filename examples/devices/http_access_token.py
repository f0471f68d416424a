"""Over HTTP: the server makes an access token.

python3 http_access_token.py --host 127.0.0.1 --key KEY --secret SECRET --name meter-5
"""

from __future__ import annotations

from first_boot import accepted, arguments, ask_for_profile, ask_for_server, store, stored
from over_http import provision


def main() -> None:
    given = arguments("Get an access token over HTTP.", port=8080).parse_args()

    if stored(given.file) is None:
        host, port = ask_for_server(given, port=8080)
        # Nothing is said of credentials: the server makes a token.
        request = ask_for_profile(given)
        store(given.file, accepted(provision(host, port, request)))

    print(f"Provisioned. The token is kept in {given.file}; it is the user name to log in with over MQTT.")


if __name__ == "__main__":
    main()
