"""A secret shows itself to nobody but who asks for it by name (SE-4)."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import pprint
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from firstboot.secret import ALPHANUMERIC, LOWER_ALPHANUMERIC, MASK, Secret, random_text, same_text

TEXT = "s3cr3t-of-the-factory"


@dataclasses.dataclass(frozen=True)
class Holder:
    name: str
    secret: Secret


def test_its_owner_can_have_it() -> None:
    assert Secret(TEXT).reveal() == TEXT


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda secret: f"{secret}", id="f-string"),
        pytest.param(lambda secret: f"{secret!r:>40}", id="f-string of repr"),
        pytest.param(lambda secret: f"{secret:>40}", id="f-string with a width"),
        pytest.param(lambda secret: "%s" % secret, id="percent"),  # noqa: UP031
        pytest.param(lambda secret: "{}".format(secret), id="format"),  # noqa: UP032
        pytest.param(lambda secret: repr([secret, {"key": secret}]), id="in a list"),
        pytest.param(lambda secret: repr(Holder("name", secret)), id="in a dataclass"),
        pytest.param(lambda secret: pprint.pformat(Holder("name", secret)), id="pprint"),
        pytest.param(lambda secret: str(ValueError(secret)), id="in an error"),
        pytest.param(lambda secret: json.dumps({"key": secret}, default=str), id="JSON by str"),
    ],
)
def test_it_does_not_show(show: object) -> None:
    assert callable(show)

    shown = show(Secret(TEXT))

    assert TEXT not in shown
    assert MASK in shown


def test_it_does_not_show_in_a_log(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").error("refused %s and %r", Secret(TEXT), [Secret(TEXT)])

    assert TEXT not in caplog.text
    assert MASK in caplog.text


def test_it_cannot_be_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(TEXT))
    with pytest.raises(TypeError):
        copy.copy(Secret(TEXT))


def test_it_cannot_become_json_by_accident() -> None:
    with pytest.raises(TypeError):
        json.dumps({"key": Secret(TEXT)})


def test_it_has_no_dictionary() -> None:
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


@given(st.text(st.characters()), st.text(st.characters()))
def test_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert same_text(one, other) == (one == other)
    assert Secret(one) == Secret(one)
    assert hash(Secret(one)) == hash(Secret(one))


def test_a_secret_is_not_equal_to_its_text() -> None:
    assert Secret(TEXT) != TEXT


def test_it_tells_whether_it_is_empty_and_how_long_it_is() -> None:
    assert not Secret("")
    assert Secret(TEXT)
    assert len(Secret(TEXT)) == len(TEXT)


class TestConfiguration:
    """Typed configuration reads secrets from text."""

    adapter = TypeAdapter(Holder)

    def test_a_secret_is_read_from_text(self) -> None:
        holder = self.adapter.validate_python({"name": "a", "secret": TEXT})

        assert holder.secret == Secret(TEXT)

    def test_a_secret_is_never_written(self) -> None:
        holder = Holder("a", Secret(TEXT))

        assert TEXT not in self.adapter.dump_json(holder).decode()
        assert TEXT not in str(self.adapter.dump_python(holder))

    @pytest.mark.parametrize("value", [7, None, ["a"], b"bytes"])
    def test_nothing_but_text_is_a_secret(self, value: object) -> None:
        with pytest.raises(ValidationError):
            self.adapter.validate_python({"name": "a", "secret": value})


class TestRandomText:
    """Random text is as long as asked, of the alphabet, and never the same."""

    @pytest.mark.parametrize("alphabet", [ALPHANUMERIC, LOWER_ALPHANUMERIC, "01"])
    def test_it_has_the_length_and_the_characters(self, alphabet: str) -> None:
        text = random_text(1000, alphabet)

        assert len(text) == 1000
        # That one of 62 characters is missing from 1000 happens once in some hundred thousand runs: not asked.
        assert set(text) <= set(alphabet)
        assert len(set(text)) > 1

    def test_it_differs_each_time(self) -> None:
        assert len({random_text(20) for _ in range(1000)}) == 1000

    def test_the_alphabets_are_letters_and_digits(self) -> None:
        assert sorted(ALPHANUMERIC) == sorted(string.ascii_letters + string.digits)
        assert sorted(LOWER_ALPHANUMERIC) == sorted(string.ascii_lowercase + string.digits)
