"""PV-11: which certificates lead to an authority."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st
from tests.integration.tls.making import costly_key
from tests.services import require_tool

from firstboot.model import PeerCertificate
from firstboot_plugins.strategies.certificate_paths import (
    NotTrusted,
    check_path,
    check_signatures,
    is_signed_by,
    read_certificates,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
Extension = tuple[x509.ExtensionType, bool]
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0")


class Made:
    """A certificate, with its key."""

    def __init__(
        self,
        name: str,
        by: Made | None = None,
        *,
        key: Key | None = None,
        ca: bool | None = None,
        path_length: int | None = None,
        extensions: Sequence[Extension] = (),
        start: timedelta = timedelta(days=-1),
        end: timedelta = timedelta(days=1),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + start)
            .not_valid_after(NOW + end)
        )
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        for value, critical in extensions:
            builder = builder.add_extension(value, critical)
        self.certificate = builder.sign(by.key if by else self.key, hashes.SHA256())


ROOT = Made("root", ca=True)
MAKER = Made("maker", ROOT, ca=True)
DEVICE = Made("meter-7", MAKER)


def usage(**granted: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: granted.get(name, False) for name in names})


def check(*shown: Made, authority: Made = MAKER, now: datetime = NOW) -> None:
    check_path([each.certificate for each in shown], authority.certificate, now)


GOOD: dict[str, Callable[[], list[Made]]] = {
    "without the authority": lambda: [DEVICE],
    "with the authority": lambda: [DEVICE, MAKER],
    "with more above it": lambda: [DEVICE, MAKER, ROOT],
    "for clients": lambda: [
        Made("d", MAKER, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), True)])
    ],
    "for everything": lambda: [
        Made("d", MAKER, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), False)])
    ],
    "RSA": lambda: [Made("d", MAKER, key=rsa.generate_private_key(65537, 2048))],
    "P-384": lambda: [Made("d", MAKER, key=ec.generate_private_key(ec.SECP384R1()))],
    "which may sign": lambda: [Made("d", MAKER, extensions=[(usage(digital_signature=True), True)])],
    "with an unknown extension": lambda: [Made("d", MAKER, extensions=[(UNKNOWN, False)])],
}


@pytest.mark.parametrize("shown", GOOD.values(), ids=GOOD)
def test_a_good_path_is_trusted(shown: Callable[[], list[Made]]) -> None:
    check(*shown())


def _above(count: int) -> list[Made]:
    chain = [Made("1", MAKER, ca=True)]
    for number in range(2, count + 1):
        chain.insert(0, Made(str(number), chain[0], ca=True))
    return chain


def _limited() -> list[Made]:
    limited = Made("limited", MAKER, ca=True, path_length=0)
    below = Made("below", limited, ca=True)
    return [Made("d", below), below, limited]


def _loop() -> list[Made]:
    one_key, other_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    one, other = Made("one", key=one_key, ca=True), Made("other", key=other_key, ca=True)
    crossed = [Made("one", other, key=one_key, ca=True), Made("other", one, key=other_key, ca=True)]
    return [Made("d", one), *crossed]


def _by(**fields: object) -> Callable[[], list[Made]]:
    def made() -> list[Made]:
        between = Made("between", MAKER, **fields)  # type: ignore[arg-type]
        return [Made("d", between), between, MAKER]

    return made


BAD: dict[str, Callable[[], list[Made]]] = {
    "self-signed": lambda: [Made("meter-7")],
    "of another authority": lambda: [Made("d", Made("other", ca=True))],
    "of another authority of the same name": lambda: [Made("d", Made("maker", ca=True)), MAKER],
    "of the authority above": lambda: [Made("d", ROOT), ROOT],
    "of a device": lambda: [Made("d", DEVICE), DEVICE, MAKER],
    "of one without basic constraints": _by(),
    "of one that is no authority": _by(ca=False),
    "of one that may not sign certificates": _by(ca=True, extensions=[(usage(digital_signature=True), True)]),
    "of an expired one": _by(ca=True, end=timedelta(hours=-1)),
    "of one that is not valid yet": _by(ca=True, start=timedelta(hours=1)),
    "of one with a weak key": _by(ca=True, key=rsa.generate_private_key(65537, 1024)),
    "below the allowed length": _limited,
    "cross-signed in a loop": _loop,
    "expired": lambda: [Made("d", MAKER, end=timedelta(hours=-1))],
    "not valid yet": lambda: [Made("d", MAKER, start=timedelta(hours=1))],
    "an authority": lambda: [Made("d", MAKER, ca=True)],
    "the authority itself": lambda: [MAKER],
    "for servers": lambda: [
        Made("d", MAKER, extensions=[(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)])
    ],
    "for other uses than signing": lambda: [Made("d", MAKER, extensions=[(usage(key_agreement=True), True)])],
    "with an unknown critical extension": lambda: [
        Made("d", MAKER, extensions=[(UNKNOWN, True)])
    ],
    "with a small RSA key": lambda: [Made("d", MAKER, key=rsa.generate_private_key(65537, 1024))],
    "with a small curve": lambda: [Made("d", MAKER, key=ec.generate_private_key(ec.SECP224R1()))],
}  # fmt: skip


@pytest.mark.parametrize("shown", BAD.values(), ids=BAD)
def test_a_bad_path_is_not_trusted(shown: Callable[[], list[Made]]) -> None:
    with pytest.raises(NotTrusted):
        check(*shown())


def test_an_expired_authority_vouches_for_nobody() -> None:
    with pytest.raises(NotTrusted):
        check(DEVICE, now=NOW + timedelta(days=2))


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_old_signatures_are_not_trusted(tmp_path: Path, digest: str) -> None:
    openssl = require_tool("openssl")
    days, key = "36500", tmp_path / "ca.key"

    def run(*arguments: object) -> None:
        subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True)

    run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", tmp_path / "ca.crt",
        "-days", days, "-subj", "/CN=ca")  # fmt: skip
    run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", tmp_path / "d.key", "-out", tmp_path / "d.csr",
        "-subj", "/CN=d")  # fmt: skip

    def signed(with_digest: str) -> list[x509.Certificate]:
        run("x509", "-req", "-in", tmp_path / "d.csr", "-CA", tmp_path / "ca.crt", "-CAkey", key, "-days", days,
            "-CAcreateserial", "-extfile", "/dev/null", f"-{with_digest}", "-out", tmp_path / "d.crt")  # fmt: skip
        return x509.load_pem_x509_certificates((tmp_path / "d.crt").read_bytes())

    (authority,) = x509.load_pem_x509_certificates((tmp_path / "ca.crt").read_bytes())

    with pytest.raises(NotTrusted):
        check_path(signed(digest), authority, authority.not_valid_before_utc)


@pytest.mark.parametrize("count", [4, 5, 49])
def test_a_long_path_ends(count: int) -> None:
    chain = _above(count)

    with pytest.raises(NotTrusted):
        check(Made("d", chain[0]), *chain, MAKER)


def peer(*ders: bytes) -> PeerCertificate:
    return PeerCertificate(der=ders[0], chain=ders[1:])


def der(made: Made) -> bytes:
    return made.certificate.public_bytes(Encoding.DER)


def test_what_was_shown_is_read_in_its_order() -> None:
    read = read_certificates(peer(der(DEVICE), der(MAKER)))

    assert read == [DEVICE.certificate, MAKER.certificate]


@pytest.mark.parametrize(
    "shown", [peer(b""), peer(bytes(16_385)), peer(*[der(DEVICE)] * 6), peer(der(DEVICE), b"\x30\x00")],
    ids=["empty", "too long", "too many", "one that is none"],
)  # fmt: skip
def test_what_cannot_be_certificates_is_not_read(shown: PeerCertificate) -> None:
    with pytest.raises(NotTrusted):
        read_certificates(shown)


@pytest.mark.filterwarnings("ignore::UserWarning")  # of odd serial numbers and names, which some bytes spell
@given(st.binary(max_size=256), st.integers(0, 400), st.integers(0, 255))
def test_any_bytes_are_judged(noise: bytes, place: int, value: int) -> None:
    spoilt = bytearray(der(DEVICE))
    spoilt[place % len(spoilt)] = value
    for shown in (peer(noise), peer(bytes(spoilt)), peer(bytes(spoilt), der(MAKER))):
        for judge in (lambda read: check_path(read, MAKER.certificate, NOW),
                      lambda read: check_signatures(read, MAKER.certificate)):  # fmt: skip
            with suppress(NotTrusted):
                judge(read_certificates(shown))


# -- ThingsBoard's way -----------------------------------------------------------------------------


def test_px_1_signatures_alone_count_in_the_order_sent() -> None:
    between = Made("between", MAKER, end=timedelta(hours=-1))
    leaf = Made("d", between)
    shown = [each.certificate for each in (leaf, between, MAKER)]

    check_signatures(shown, MAKER.certificate)
    check_signatures([*shown, Made("anything").certificate], MAKER.certificate)

    for bad in (shown[:2], [shown[0], shown[2], shown[1]], [Made("d").certificate, *shown[1:]]):
        with pytest.raises(NotTrusted):
            check_signatures(bad, MAKER.certificate)


def test_a_certificate_is_of_its_issuer_only() -> None:
    assert is_signed_by(DEVICE.certificate, MAKER.certificate)
    assert not is_signed_by(DEVICE.certificate, ROOT.certificate)
    assert not is_signed_by(DEVICE.certificate, Made("maker", ca=True).certificate)
    assert not is_signed_by(
        DEVICE.certificate, Made("maker", key=rsa.generate_private_key(65537, 2048)).certificate
    )


def test_pv_11_keys_that_cost_too_much_are_not_tried() -> None:
    """They need not be on the path: whatever has the name of an issuer would be tried."""
    costly = costly_key()
    maker = Made("maker", ROOT, key=costly, ca=True)

    with pytest.raises(NotTrusted):
        check(Made("meter-7", maker), maker, authority=ROOT)
    with pytest.raises(NotTrusted):
        check(Made("meter-7", MAKER, key=costly))
    check(DEVICE, maker, MAKER)
