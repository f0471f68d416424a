"""First boot in one request: the device draws its own credential, and makes sure that the server knows it.

    python3 ensure.py --host 127.0.0.1 --user default --token TOKEN --device meter-7

The credential is drawn once and kept; the same request may be sent again at every boot. Without the file the
server answers with a conflict: `--replace` then gives the device the new credential, if the token may update it.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

TIMEOUT_S = 30.0


def main() -> None:
    parser = argparse.ArgumentParser(description="Make sure that a device is known.", allow_abbrev=False)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("--user", required=True, help="the account")
    parser.add_argument("--token", required=True, help="an access token that may create devices")
    parser.add_argument("--device", required=True, help="id of the device")
    parser.add_argument("--bucket", action="append", default=[], help="a bucket to make with it")
    parser.add_argument("--replace", action="store_true", help="replace a credential that was lost")
    parser.add_argument("--file", type=Path, default=Path("credential"), help="where the credential is kept")
    given = parser.parse_args()

    answer = ensure(given, credential(given.file))
    print(f"The device {given.device}: {answer['result']}.")
    for bucket in answer.get("buckets", ()):
        print(f"The bucket {bucket['bucket']}: {bucket.get('result') or bucket['message']}.")
    mqtt = answer["mqtt"]
    print(f"It logs in at {mqtt['host']}:{mqtt['port']} as {mqtt['username']}, client id {mqtt['client_id']}.")


def credential(file: Path) -> str:
    """Return the credential of an earlier boot; draw one on the first, for this user's eyes only."""
    try:
        return file.read_text("ascii")
    except FileNotFoundError:
        drawn = secrets.token_urlsafe(24)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
            opened.write(drawn)
        return drawn


def ensure(given: argparse.Namespace, secret: str) -> dict[str, Any]:
    """Return the answer, or end the program with the refusal."""
    wanted: dict[str, Any] = {"credentials": secret, "type": "MQTT", "buckets": given.bucket}
    if given.replace:
        wanted["on_conflict"] = "replace"
    request = urllib.request.Request(
        f"http://{given.host}:{given.port}/v1/users/{given.user}/devices/{given.device}/ensure",
        json.dumps(wanted).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {given.token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        with error:
            sys.exit(f"Refused: {error.code}, {json.load(error)['error']['message']}.")
    except OSError as error:
        sys.exit(f"No server at {given.host}:{given.port}: {error}")


if __name__ == "__main__":
    main()
