"""The ESP32 sketch of thinger.io's community forum, in Python: what it sends, and what it makes of the answers.

    python3 sketch.py --host 127.0.0.1 --user default --token TOKEN --device meter-7 --credentials SECRET

It checks whether its device exists, and creates it if not. It has nothing to read JSON with: it looks for the
id between quotes in whatever is answered, and for the status 200.
"""

from __future__ import annotations

import argparse
import http.client
import sys

TIMEOUT_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Check for a device, and create it.", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--user", required=True, help="the account")
    parser.add_argument("--token", required=True, help="an access token that may list and create devices")
    parser.add_argument("--device", required=True, help="id of the device")
    parser.add_argument("--credentials", required=True, help="what the device logs in with later")
    parser.add_argument("--name", default="")
    parser.add_argument("--asset-group", default="")
    given = parser.parse_args()

    if exists(given):
        print(f"The device {given.device} exists already.")
    elif create(given):
        print(f"The device {given.device} was created.")
    else:
        sys.exit(f"The device {given.device} was not created.")


def exists(given: argparse.Namespace) -> bool:
    """Ask with the token in the query; an error counts as no."""
    _, answer = ask(given, "GET", f"?name={given.device}&authorization={given.token}")
    return answer.find(f'"{given.device}"') > 0


def create(given: argparse.Namespace) -> bool:
    """Create it with the token in the header; only 200 counts as yes."""
    body = (
        f'{{"asset_group": "{given.asset_group}", "asset_type": "{given.asset_group}",'
        f'"credentials": "{given.credentials}",  "description": "",  "device": "{given.device}",'
        f'  "name": "{given.name}",  "type": "Generic"}}'
    )
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {given.token}"}
    status, _ = ask(given, "POST", "", body, headers)
    return status == 200


def ask(
    given: argparse.Namespace,
    method: str,
    query: str,
    body: str | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str]:
    """Return status and text of an answer; no redirect is followed."""
    connection = http.client.HTTPConnection(given.host, given.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, f"/v1/users/{given.user}/devices{query}", body, headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


if __name__ == "__main__":
    main()
