"""Which keys count where devices prove themselves with certificates.

Imported with the first certificate: a server without them does without the memory.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec, rsa

MIN_RSA_BITS = 2048
_MAX_EXPONENT_BITS = 64
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def is_good_key(key: object, max_rsa_bits: int) -> bool:
    """Say whether a public key is strong enough, and cheap enough to look at what it has signed.

    Strangers make keys with which each signature takes ten milliseconds.
    """
    if isinstance(key, rsa.RSAPublicKey):
        is_cheap = key.public_numbers().e.bit_length() <= _MAX_EXPONENT_BITS
        return is_cheap and MIN_RSA_BITS <= key.key_size <= max_rsa_bits
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
