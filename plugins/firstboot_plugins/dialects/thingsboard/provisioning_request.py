"""What the JSON and the protobuf form of a ThingsBoard provisioning request have in common."""

from __future__ import annotations

import re

from firstboot.errors import Refused
from firstboot.model import WantedCredentials

ACCESS_TOKEN = "ACCESS_TOKEN"
X509_CERTIFICATE = "X509_CERTIFICATE"
X509_CSR = "X509_CSR"
"""Our own: the device sends a request for a certificate, and gets an ``X509_CERTIFICATE``."""
CONTRACT_TYPES = (ACCESS_TOKEN, X509_CERTIFICATE, "MQTT_BASIC", "LWM2M_CREDENTIALS")
"""The contract's credential types, each at the index that is its protobuf number."""
_REQUEST_HEADER = re.compile(r"\s*-----BEGIN (NEW )?CERTIFICATE REQUEST-----")


class UnreadableRequest(Refused):
    """A payload is no provisioning request. The message is safe to log and to send: it quotes no value."""

    code = "bad-request"


class NotJson(UnreadableRequest):
    """The payload is not a JSON object; MQTT and CoAP then read it as protobuf."""


class NotProtobuf(UnreadableRequest):
    """The payload is not a protobuf message either."""


class MalformedRequest(UnreadableRequest):
    """The payload has the right form, but a field is missing or has a value that it may not have."""


def wanted_credentials(
    type_: str,
    *,
    token: str | None,
    client_id: str | None,
    username: str | None,
    password: str | None,
    certificate: str | None,
    has_certificate: bool = False,
) -> WantedCredentials:
    """Say what a device wants, of the type that it named and the fields that it sent (PR-13, PR-14).

    A device that sends no field gets a token, whichever of the contract's types it named; a plugin's own
    type has no such rule and is kept. Neither has ``X509_CERTIFICATE`` of a device that has shown one over TLS
    (``has_certificate``): that one is meant. What says itself that it is a request for a certificate is one,
    because protobuf has no number for its type.
    """
    if type_ == X509_CERTIFICATE and certificate and _REQUEST_HEADER.match(certificate):
        type_ = X509_CSR
    if token or client_id or username or password or certificate:
        return WantedCredentials(
            type=type_,
            token=token or None,
            client_id=client_id or None,
            username=username or None,
            password=password or None,
            certificate=certificate or None,
        )
    if has_certificate and type_ == X509_CERTIFICATE:
        return WantedCredentials(type=type_)
    return WantedCredentials(type=ACCESS_TOKEN if type_ in CONTRACT_TYPES else type_)
