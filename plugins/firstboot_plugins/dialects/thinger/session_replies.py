"""Payloads of provisioning sessions over MQTT (contract 12.2)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from firstboot import json_profile
from firstboot_plugins.dialects.thinger.body_fields import is_id
from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_REPLY = 199
"""Bytes of a reply that was not asked to be verbose: clients may have 256 for a whole packet."""
MAX_ID = 64
"""Bytes of the id of a request, as JSON has it."""
_BRIEF = ("result", "device", "message")

encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRequest:
    """What was published to be served."""

    echoed: Mapping[str, Any]
    """``id``, if there was one."""
    verbose: bool
    device: Any
    body: Mapping[str, Any]
    """What an ``ensure`` reads."""

    def reply(self, status: int, body: Mapping[str, Any]) -> bytes:
        """Return the answer; a brief one that would be too long loses the end of its message."""
        told = {**self.echoed, "status": status}
        if isinstance(self.device, str) and is_id(self.device):
            told["device"] = self.device
        if self.verbose:
            return encode({**told, **body}).encode()
        told |= {name: body[name] for name in _BRIEF if name in body}
        text = encode(told).encode()
        while len(text) > MAX_REPLY and told.get("message"):
            told["message"] = told["message"][:-1]
            text = encode(told).encode()
        return text

    def refusal(self, error: ThingerError) -> bytes:
        """Return the answer to a request that is refused."""
        result = {} if error.result is None else {"result": error.result}
        return self.reply(error.status, {**result, "message": error.message})


UNREADABLE = SessionRequest(echoed={}, verbose=False, device=None, body={})
"""Answers what has no id because it could not be read."""


def read_request(payload: bytes, most: int) -> SessionRequest:
    """Read what was published.

    Raises: `ThingerError` (400, 413).
    """
    if len(payload) > most:
        raise ThingerError(413, f"the payload has more than {most} bytes")
    try:
        fields = json_profile.decode(payload, max_bytes=most)
    except json_profile.MalformedJson as error:
        raise ThingerError(400, "invalid JSON") from error
    if not isinstance(fields, dict):
        raise ThingerError(400, "invalid JSON: not an object")
    echoed = {"id": fields.pop("id")} if "id" in fields else {}
    if echoed and not _is_id(echoed["id"]):
        raise ThingerError(400, "invalid field: id")
    verbose = fields.pop("verbose", False)
    return SessionRequest(echoed=echoed, verbose=verbose is True, device=fields.get("device"), body=fields)


def _is_id(value: object) -> bool:
    is_kind = isinstance(value, str | int) and not isinstance(value, bool)
    return is_kind and len(encode(value).encode()) <= MAX_ID
