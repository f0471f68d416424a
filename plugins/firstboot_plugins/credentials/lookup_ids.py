"""Look-up ids of credentials that are longer than an id should be (ThingsBoard contract 2.5, 3.2)."""

from __future__ import annotations

import hashlib
import re

_HEADER = "-----BEGIN CERTIFICATE-----"
_FOOTER = "-----END CERTIFICATE-----"
_BLOCK = re.compile(f"{_HEADER}(.*?){_FOOTER}", re.DOTALL)


def normalise_certificate(text: str) -> str:
    """Return a PEM certificate as one line of base64. Any other text loses its line ends only."""
    return text.replace(_HEADER, "").replace(_FOOTER, "").replace("\n", "").replace("\r", "")


def certificate_hash(text: str) -> str:
    """Return the look-up id of a certificate: SHA3-256 of its one-line base64, in lower-case hex.

    The text may be PEM, the base64 of the DER, or anything else that was stored as a certificate.
    """
    return hashlib.sha3_256(normalise_certificate(text).encode("utf-8", "surrogatepass")).hexdigest()


def normalise_chain(text: str) -> str:
    """Return one certificate as one line of base64, several as PEM blocks with one line each (contract 1.2)."""
    bodies = _BLOCK.findall(text)
    if len(bodies) < 2:
        return normalise_certificate(text)
    return "\n".join(f"{_HEADER}\n{normalise_certificate(body)}\n{_FOOTER}" for body in bodies)


def first_certificate(text: str) -> str:
    """Return the first certificate of a text as one line of base64."""
    body = _BLOCK.search(text)
    return normalise_certificate(body[1] if body else text)


def chain_hash(text: str) -> str:
    """Return the look-up id of the first certificate in a text."""
    return certificate_hash(first_certificate(text))


def mqtt_basic_id(client_id: str | None, username: str | None) -> str:
    """Return the look-up id of an MQTT login: of a user name, a client id, or both together.

    Raises: `ValueError` when both are empty, as such a login has no id.
    """
    if client_id and username:
        return certificate_hash(f"{client_id}|{username}")
    if client_id:
        return certificate_hash(client_id)
    if username:
        return username
    raise ValueError("an MQTT login needs a client id or a user name")
