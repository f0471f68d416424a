"""Which requests for a certificate prove a key that is certified."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given
from hypothesis import strategies as st
from tests.integration.tls.making import costly_key

from firstboot_plugins.credentials.certificate_requests import MAX_LENGTH, BadRequest, public_key_of

KEY = ec.generate_private_key(ec.SECP256R1())


def request(key: object = KEY, extensions: Sequence[x509.ExtensionType] = (), digest: object = None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    chosen = None if isinstance(key, ed25519.Ed25519PrivateKey) else digest or hashes.SHA256()
    return builder.sign(key, chosen).public_bytes(Encoding.DER)  # type: ignore[arg-type]


def text_of(der: bytes, label: str = "CERTIFICATE REQUEST", end: str = "\n") -> str:
    body = base64.b64encode(der).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return end.join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


PUBLIC = KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    "text",
    [
        text_of(request()),
        text_of(request(), "NEW CERTIFICATE REQUEST"),
        text_of(request(), end="\r\n"),
        f"\n  {text_of(request())}  ",
        base64.b64encode(request()).decode(),
        base64.encodebytes(request()).decode(),
    ],
    ids=["PEM", "old PEM", "CRLF", "with spaces", "one line", "lines"],
)
def test_a_request_is_read_in_each_form(text: str) -> None:
    assert public_key_of(text) == PUBLIC


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP384R1()), ec.generate_private_key(ec.SECP521R1()),
     rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 4096)],
    ids=["P-384", "P-521", "RSA 2048", "RSA 4096"],
)  # fmt: skip
def test_good_keys_are_taken(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> None:
    assert public_key_of(text_of(request(key)))


@pytest.mark.parametrize(
    "key",
    [ec.generate_private_key(ec.SECP224R1()), rsa.generate_private_key(65537, 1024),
     rsa.generate_private_key(65537, 4608), costly_key(), ed25519.Ed25519PrivateKey.generate()],
    ids=["P-224", "RSA 1024", "RSA 4608", "a long exponent", "Ed25519"],
)  # fmt: skip
def test_other_keys_are_refused(key: object) -> None:
    with pytest.raises(BadRequest, match="needs a key"):
        public_key_of(text_of(request(key)))


def test_only_who_has_the_key_gets_a_certificate() -> None:
    der = bytearray(request())
    der[-1] ^= 1

    with pytest.raises(BadRequest):
        public_key_of(text_of(bytes(der)))


def test_the_key_of_another_is_refused() -> None:
    """The request is of one key, and signed with another."""
    other = ec.generate_private_key(ec.SECP256R1())
    stolen = other.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(BadRequest, match="own key"):
        public_key_of(text_of(request().replace(PUBLIC, stolen)))


def test_a_request_for_an_authority_is_refused() -> None:
    with pytest.raises(BadRequest, match="authority"):
        public_key_of(text_of(request(extensions=[x509.BasicConstraints(True, None)])))


def test_other_wishes_are_not_looked_at() -> None:
    names = x509.SubjectAlternativeName([x509.DNSName("admin.example.com")])

    assert public_key_of(text_of(request(extensions=[x509.BasicConstraints(False, None), names]))) == PUBLIC


def test_a_signature_with_sha_3_is_refused() -> None:
    with pytest.raises(BadRequest):
        public_key_of(text_of(request(digest=hashes.SHA3_256())))


@pytest.mark.parametrize(
    "text",
    ["", " ", "x", "-----BEGIN CERTIFICATE REQUEST-----", text_of(b""), "A" * (MAX_LENGTH + 1), "\0", "\ud800",
     text_of(request(), "CERTIFICATE")],
    ids=["empty", "blank", "short", "cut off", "no bytes", "too long", "zero", "surrogate", "another label"],
)  # fmt: skip
def test_what_is_no_request_is_refused(text: str) -> None:
    with pytest.raises(BadRequest):
        public_key_of(text)


@given(st.text(max_size=200), st.integers(0, 400), st.integers(0, 255))
@example("-----BEGIN CERTIFICATE REQUEST----------END CERTIFICATE REQUEST-----", 0, 0)
def test_any_text_is_read_or_refused(noise: str, place: int, value: int) -> None:
    spoilt = bytearray(request())
    spoilt[place % len(spoilt)] = value
    for text in (noise, text_of(bytes(spoilt))):
        with suppress(BadRequest):
            assert public_key_of(text)
