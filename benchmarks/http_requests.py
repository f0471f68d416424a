"""HTTP/1.1 as clients speak it, as bytes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.script import numbered


def post(path: str, body: Mapping[str, Any], headers: str = "") -> Callable[[int], bytes]:
    """Return a maker of requests, as `numbered`."""
    content = json.dumps(body)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{headers}"
    return numbered(f"{head}Content-Length: {len(content)}\r\n\r\n{content}")


def is_whole_response(data: bytes) -> bool:
    """Say whether data that begins with a response has all of it."""
    head = data.find(b"\r\n\r\n")
    if head < 0:
        return False
    at = data.lower().find(b"content-length: ", 0, head)
    return len(data) >= head + 4 + int(data[at + 16 : data.index(b"\r\n", at)])
