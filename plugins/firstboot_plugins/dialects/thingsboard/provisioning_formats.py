"""Provisioning requests in either of ThingsBoard's two formats, told apart by what they are (contract PM-13)."""

from __future__ import annotations

from collections.abc import Container, Mapping
from typing import Any, Protocol

from firstboot.model import Origin, ProvisioningRequest
from firstboot_plugins.dialects.thingsboard import provisioning_json
from firstboot_plugins.dialects.thingsboard.provisioning_request import MalformedRequest, NotJson


class Answers(Protocol):
    """Answers in one of the two formats."""

    NOT_FOUND: bytes
    FAILURE: bytes

    def success(self, credentials_type: str, revealed: str | Mapping[str, Any] | None) -> bytes: ...


class Formats:
    """Reads requests, and knows in which format to answer: in that of the request, once protobuf always that."""

    __slots__ = ("answers",)

    def __init__(self) -> None:
        self.answers: Answers = provisioning_json

    @property
    def is_json(self) -> bool:
        return self.answers is provisioning_json

    def decode_request(self, payload: bytes, origin: Origin, known_types: Container[str]) -> ProvisioningRequest:
        """Read JSON, else protobuf.

        Raises: `UnreadableRequest`.
        """
        try:
            return provisioning_json.decode_request(payload, origin, known_types)
        except NotJson:
            # Protobuf takes three megabytes, which a server needs whose devices speak it.
            from firstboot_plugins.dialects.thingsboard import provisioning_protobuf

            try:
                request = provisioning_protobuf.decode_request(payload, origin)
            except MalformedRequest:
                self.answers = provisioning_protobuf
                raise
            self.answers = provisioning_protobuf
            return request
