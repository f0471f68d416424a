"""Certificate signing requests of devices (PKCS #10): whether they prove a key that may be certified.

Imported with the first request: a server without them does without the memory.
"""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from firstboot_plugins.credentials.certificate_keys import is_good_key

MAX_LENGTH = 8192
_MAX_RSA_BITS = 4096
_HASHES = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNREADABLE = (
    ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)  # fmt: skip
_LABELS = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")


class BadRequest(Exception):
    """No key can be certified with this; the message says why and quotes nothing."""


def public_key_of(text: str) -> bytes:
    """Return the public key (SubjectPublicKeyInfo, DER) that a request proves, in PEM or as base64 of its DER.

    Its subject and extensions are not looked at: what a certificate says is up to the authority. But one that
    wants to be an authority itself is refused.

    Raises: `BadRequest`.
    """
    if len(text) > MAX_LENGTH:
        raise BadRequest(f"The certificate request is longer than {MAX_LENGTH} characters.")
    try:
        request = x509.load_der_x509_csr(base64.b64decode(_body(text), validate=True))
        key = request.public_key()
        # Before the signature is checked.
        if not is_good_key(key, _MAX_RSA_BITS):
            raise BadRequest(
                "The certificate request needs a key of EC P-256, P-384 or P-521, or RSA of 2048 to 4096 bits."
            )
        if not isinstance(request.signature_hash_algorithm, _HASHES):
            raise BadRequest("The certificate request is not signed with SHA-2.")
        if not request.is_signature_valid:
            raise BadRequest("The certificate request is not signed with its own key.")
        if _wants_authority(request):
            raise BadRequest("The certificate request is for an authority.")
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except _UNREADABLE:
        raise BadRequest("The certificate request cannot be read. Give PKCS #10 in PEM, or base64.") from None


def _body(text: str) -> str:
    """Return the base64 of a request."""
    text = text.strip()
    for label in _LABELS:
        header, footer = f"-----BEGIN {label}-----", f"-----END {label}-----"
        if text.startswith(header) and text.endswith(footer):
            text = text[len(header) : -len(footer)]
            break
    return "".join(text.split())


def _wants_authority(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False
