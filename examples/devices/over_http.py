"""A device's conversation with the server over HTTP, with nothing but Python's own library."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 30.0


def provision(host: str, port: int, request: dict[str, Any]) -> dict[str, Any]:
    """Send a provisioning request, and return the server's answer."""
    post = urllib.request.Request(
        f"http://{host}:{port}/api/v1/provision",
        data=json.dumps(request).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(post, timeout=TIMEOUT_S) as response:
            # A refusal has status 200 too: "status" in the answer tells.
            answer: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        sys.exit(f"The server could not read the request: HTTP {error.code}.")
    except OSError as error:
        sys.exit(f"No server at {host}:{port}: {error}")
    return answer
