"""What a database alone does not tell: digests, sealed values and the audit chain need the keys."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.errors import StorageRefused
from firstboot.keyring import (
    DIGEST_SIZE_BYTES,
    KEY_SIZE_BYTES,
    Keyring,
    credentials_place,
    profile_secret_place,
)

ANY_TEXT = st.text(st.characters())
PLACE = b"credentials.sealed 0123456789abcdef"
KEYRING = Keyring(b"a data key of 32 bytes for tests")
OTHER = Keyring(b"another data key, 32 bytes long.")


class TestDigests:
    """Digests find a text again, and only with the key."""

    @given(ANY_TEXT)
    def test_one_text_has_one_digest(self, text: str) -> None:
        again = Keyring(b"a data key of 32 bytes for tests")

        assert KEYRING.digest("token", text) == again.digest("token", text)
        assert len(KEYRING.digest("token", text)) == DIGEST_SIZE_BYTES

    @given(ANY_TEXT, ANY_TEXT)
    def test_two_texts_have_two_digests(self, one: str, other: str) -> None:
        assert (KEYRING.digest("token", one) == KEYRING.digest("token", other)) == (one == other)

    @given(ANY_TEXT)
    def test_a_text_has_another_digest_for_another_purpose(self, text: str) -> None:
        assert KEYRING.digest("token", text) != KEYRING.digest("secret", text)

    @given(ANY_TEXT)
    def test_purpose_and_text_do_not_run_into_each_other(self, text: str) -> None:
        assert KEYRING.digest("a", "b" + text) != KEYRING.digest("ab", text)

    @given(ANY_TEXT)
    def test_another_installation_has_other_digests(self, text: str) -> None:
        assert KEYRING.digest("token", text) != OTHER.digest("token", text)


class TestSealing:
    """Sealed values are read back unchanged, in their place, or not at all."""

    @given(ANY_TEXT)
    def test_what_was_sealed_is_read_back(self, text: str) -> None:
        assert KEYRING.unseal(KEYRING.seal(text, PLACE), PLACE) == text

    def test_the_text_cannot_be_seen(self) -> None:
        assert b"a password" not in KEYRING.seal("a password", PLACE)

    def test_equal_texts_do_not_look_equal(self) -> None:
        assert len({KEYRING.seal("a password", PLACE) for _ in range(100)}) == 100

    @given(st.integers(0), st.integers(0, 7))
    def test_a_changed_bit_is_noticed(self, position: int, bit: int) -> None:
        sealed = bytearray(KEYRING.seal("a password", PLACE))
        sealed[position % len(sealed)] ^= 1 << bit

        with pytest.raises(StorageRefused):
            KEYRING.unseal(bytes(sealed), PLACE)

    @pytest.mark.parametrize("kept", [8, 12, 20, 27, 37])
    def test_what_was_cut_off_is_noticed(self, kept: int) -> None:
        with pytest.raises(StorageRefused):
            KEYRING.unseal(KEYRING.seal("a password", PLACE)[:kept], PLACE)

    @pytest.mark.parametrize("kept", [0, 1, 7])
    def test_what_was_cut_off_almost_whole_is_noticed(self, kept: int) -> None:
        with pytest.raises(StorageRefused):
            KEYRING.unseal(KEYRING.seal("a password", PLACE)[:kept], PLACE)

    def test_a_value_that_was_moved_is_noticed(self) -> None:
        sealed = KEYRING.seal("a password", credentials_place(b"device 1"))

        for place in (credentials_place(b"device 2"), profile_secret_place(b"device 1"), b""):
            with pytest.raises(StorageRefused):
                KEYRING.unseal(sealed, place)

    def test_another_installation_cannot_read_it(self) -> None:
        with pytest.raises(StorageRefused):
            OTHER.unseal(KEYRING.seal("a password", PLACE), PLACE)


class TestWrapping:
    """The data key lies in the database, and opens with the server key only."""

    def test_the_keys_are_the_same_after_unwrapping(self) -> None:
        server_key = os.urandom(KEY_SIZE_BYTES)
        keyring = Keyring.generate()

        again = Keyring.unwrap(keyring.wrap(server_key), server_key)

        assert again.unseal(keyring.seal("a password", PLACE), PLACE) == "a password"
        assert again.digest("token", "x") == keyring.digest("token", "x")
        assert again.link(b"", b"row") == keyring.link(b"", b"row")

    def test_a_new_server_key_needs_only_a_new_wrapping(self) -> None:
        old, new = os.urandom(KEY_SIZE_BYTES), os.urandom(KEY_SIZE_BYTES)
        sealed = KEYRING.seal("a password", PLACE)

        rewrapped = Keyring.unwrap(KEYRING.wrap(old), old).wrap(new)

        assert Keyring.unwrap(rewrapped, new).unseal(sealed, PLACE) == "a password"
        with pytest.raises(StorageRefused):
            Keyring.unwrap(rewrapped, old)

    def test_another_server_key_is_refused_with_what_to_do(self) -> None:
        wrapped = KEYRING.wrap(os.urandom(KEY_SIZE_BYTES))

        with pytest.raises(StorageRefused, match="Put back the key file"):
            Keyring.unwrap(wrapped, os.urandom(KEY_SIZE_BYTES))

    @given(st.integers(0), st.integers(0, 7))
    def test_a_changed_bit_is_noticed(self, position: int, bit: int) -> None:
        server_key = b"k" * KEY_SIZE_BYTES
        wrapped = bytearray(KEYRING.wrap(server_key))
        wrapped[position % len(wrapped)] ^= 1 << bit

        with pytest.raises(StorageRefused):
            Keyring.unwrap(bytes(wrapped), server_key)

    def test_a_wrapped_key_that_was_cut_off_is_noticed(self) -> None:
        with pytest.raises(StorageRefused):
            Keyring.unwrap(b"", b"k" * KEY_SIZE_BYTES)

    def test_each_installation_has_keys_of_its_own(self) -> None:
        assert Keyring.generate().digest("token", "x") != Keyring.generate().digest("token", "x")

    def test_the_data_key_cannot_be_seen_in_the_wrapping(self) -> None:
        assert b"a data key of 32 bytes for tests" not in KEYRING.wrap(b"k" * KEY_SIZE_BYTES)


class TestAuditChain:
    """A link depends on the key, the link before and the row."""

    @given(st.binary(max_size=40), st.binary(max_size=40))
    @example(b"", b"")
    def test_a_link_depends_on_the_row(self, one: bytes, other: bytes) -> None:
        assert (KEYRING.link(b"", one) == KEYRING.link(b"", other)) == (one == other)

    def test_a_link_depends_on_all_rows_before(self) -> None:
        def last(*rows: bytes) -> bytes:
            link = b""
            for row in rows:
                link = KEYRING.link(link, row)
            return link

        assert len({last(b"a", b"b"), last(b"b", b"a"), last(b"b"), last(b"ab"), last(b"", b"b")}) == 5

    def test_a_link_depends_on_the_key(self) -> None:
        assert KEYRING.link(b"", b"row") != OTHER.link(b"", b"row")


def test_each_purpose_has_a_key_of_its_own_which_is_the_same_every_time() -> None:
    keyring = Keyring(b"k" * 32)

    keys = {keyring.key(purpose) for purpose in ("one", "another", "", "digest", "seal")}

    assert len(keys) == 5
    assert {len(key) for key in keys} == {32}
    assert keyring.key("one") == Keyring(b"k" * 32).key("one")
    assert keyring.key("one") != Keyring(b"x" * 32).key("one")
