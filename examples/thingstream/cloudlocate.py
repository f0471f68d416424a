"""A tracker's first boot with Thingstream's CloudLocate: one POST, and the answer is kept.

    python3 cloudlocate.py --url http://127.0.0.1:8080 --token TOKEN --hardware-id 352656100000001 --name tracker-1

The same program works with u-blox's own service: only the URL and the token are others. It needs nothing but
Python's own library.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

PATH = "/ztp/cloudlocate/credentials"
TIMEOUT_S = 5.0
FINAL = ("Device already registered", "No plan for device", "not whitelisted")
"""What is in the text of refusals that asking again does not change."""


def ask(url: str, wish: dict[str, Any]) -> dict[str, Any]:
    """Return the answer to a request, which is sent a second time when there is hope."""
    request = urllib.request.Request(
        url + PATH, json.dumps(wish).encode(), {"Content-Type": "application/json"}, method="POST"
    )
    text = ""
    for _ in range(2):
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
                answer: dict[str, Any] = json.load(response)
                return answer
        except urllib.error.HTTPError as error:
            text = f"{error.code} {error.read().decode('utf-8', 'replace')}"
            if any(words in text for words in FINAL):
                break
        except OSError as error:
            text = str(error)
    sys.exit(f"No credentials: {text}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Get credentials, and keep them.")
    parser.add_argument("--url", required=True, help="where the server is, such as https://iot.example.com")
    parser.add_argument("--token", required=True, help="token of the device profile")
    parser.add_argument("--hardware-id", required=True, help="the device's own code, such as its IMEI")
    parser.add_argument("--name", default="", help="name of the Thing")
    parser.add_argument("--file", type=Path, default=Path("thing.json"), help="where the credentials are kept")
    given = parser.parse_args()
    if given.file.exists():
        print(f"The credentials are in {given.file}; the token is not needed any more.")
        return
    wish = {"token": given.token, "givenName": given.name, "hardwareId": given.hardware_id}
    answer = ask(given.url, wish)
    descriptor = os.open(given.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(answer, file)
    print(f"{answer['clientId']} may log in at {answer['brokerHost']} as {answer['userName']}.")


if __name__ == "__main__":
    main()
