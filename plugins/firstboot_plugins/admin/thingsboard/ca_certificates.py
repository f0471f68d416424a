"""CA certificates of device profiles, in the form in which ThingsBoard stores them (contract 1.2, 2.5)."""

from __future__ import annotations

import re

from firstboot_plugins.credentials.lookup_ids import certificate_hash, normalise_certificate

_BLOCK = re.compile(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)


def normalise_ca(text: str) -> str:
    """Return one certificate as one line of base64, several as PEM blocks with one line each."""
    bodies = _BLOCK.findall(text)
    if len(bodies) < 2:
        return normalise_certificate(text)
    return "\n".join(
        f"-----BEGIN CERTIFICATE-----\n{normalise_certificate(body)}\n-----END CERTIFICATE-----" for body in bodies
    )


def ca_hash(text: str) -> str:
    """Return the hash of the first certificate in the text, which is the profile's provision key."""
    bodies = _BLOCK.findall(text)
    return certificate_hash(bodies[0] if bodies else text)
