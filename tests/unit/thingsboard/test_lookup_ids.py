import base64
import textwrap

import pytest

from firstboot_plugins.credentials.lookup_ids import certificate_hash, mqtt_basic_id, normalise_certificate

DER = bytes(range(0x60))
ONE_LINE = (
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJT"
    "VFVWV1hZWltcXV5f"
)
ID = "6a977a09985faef39a53f093d2506facfab33949fe6587231fbc2734c917c366"


def pem(width: int, line_end: str, last_line_end: bool = True) -> str:
    lines = ["-----BEGIN CERTIFICATE-----", *textwrap.wrap(ONE_LINE, width), "-----END CERTIFICATE-----"]
    return line_end.join(lines) + (line_end if last_line_end else "")


# Contract 2.5: test vectors.
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("testHash", "57f6600424d6553263f1f32e0117012894a36fbf07e3e9c3c556272f86b7d985"),
        (ONE_LINE, ID),
        ("test_clientId|test_username", "b9f1b0bf238dddae689babba0a210fe42bc97ddb07620b5a07d7208dd5528db2"),
        ("test_clientId", "3eabb72fa0908cae833970e2d63c52fc584b5460205da426d34f6934efa40497"),
        ("", "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a"),
    ],
)
def test_the_contracts_vectors_hold(text: str, expected: str) -> None:
    assert certificate_hash(text) == expected


@pytest.mark.parametrize("width", [1, 64, 76, 1000])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_one_certificate_has_one_id_however_it_is_wrapped(width: int, line_end: str, last: bool) -> None:
    text = pem(width, line_end, last)

    assert normalise_certificate(text) == ONE_LINE
    assert certificate_hash(text) == ID


def test_the_id_of_a_tls_certificate_is_that_of_its_pem() -> None:
    assert base64.b64encode(DER).decode() == ONE_LINE
    assert certificate_hash(base64.b64encode(DER).decode()) == certificate_hash(pem(64, "\n"))


def test_spaces_and_tabs_stay() -> None:
    assert normalise_certificate(" a\tb \n") == " a\tb "
    assert certificate_hash(f"{ONE_LINE} ") != ID


def test_every_header_and_footer_of_a_chain_is_removed() -> None:
    assert normalise_certificate(pem(64, "\n") * 2) == ONE_LINE * 2


# Contract 3.2.
def test_an_mqtt_id_of_a_user_name_is_the_user_name() -> None:
    assert mqtt_basic_id("", "test_username") == "test_username"
    assert mqtt_basic_id(None, "test_username") == "test_username"


def test_an_mqtt_id_of_a_client_id_is_its_hash() -> None:
    expected = "3eabb72fa0908cae833970e2d63c52fc584b5460205da426d34f6934efa40497"

    assert mqtt_basic_id("test_clientId", "") == expected
    assert mqtt_basic_id("test_clientId", None) == expected


def test_an_mqtt_id_of_both_is_the_hash_of_both() -> None:
    expected = "b9f1b0bf238dddae689babba0a210fe42bc97ddb07620b5a07d7208dd5528db2"

    assert mqtt_basic_id("test_clientId", "test_username") == expected


def test_an_mqtt_login_of_nothing_has_no_id() -> None:
    with pytest.raises(ValueError, match="client id or a user name"):
        mqtt_basic_id("", None)
