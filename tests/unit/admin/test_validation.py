"""What was sent is checked against models; faults have paths, and never a value."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from starlette.datastructures import QueryParams

from firstboot.errors import InvalidValue
from firstboot_plugins.admin.failures import Failure
from firstboot_plugins.admin.own.shapes import Asked, Sent
from firstboot_plugins.admin.validation import MAX_FAULTS, checked_body, checked_path, checked_query

MARK = "zebra"


class Inner(Sent):
    size: int
    kind: Literal["a", "b"] = "a"


class Outer(Sent):
    first_name: str
    items: list[Inner] = Field(default_factory=list)
    id: Annotated[UUID, Field(strict=False)] | None = None


class Cat(BaseModel):
    type: Literal["cat"]


class Dog(BaseModel):
    type: Literal["dog"]


Pet = Annotated[Cat | Dog, Field(discriminator="type")]


class Query(Asked):
    page_size: int = 1
    text: str | None = None


def faults(kind: Any, value: object) -> list[tuple[str, str]]:
    with pytest.raises(Failure) as caught:
        checked_body(kind, value)
    assert caught.value.status == 400
    assert MARK not in str(caught.value)
    assert all(MARK not in fault.message for fault in caught.value.faults)
    return [(fault.path, fault.message) for fault in caught.value.faults]


def test_every_fault_is_told_with_its_json_path() -> None:
    sent = {"firstName": 1, "items": [{"size": 1}, {"size": MARK, "kind": MARK}], "id": MARK}

    assert [path for path, _ in faults(Outer, sent)] == [
        "$.firstName", "$.items[1].size", "$.items[1].kind", "$.id",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Inner, {"size": MARK}),
        (Inner, {"size": 1, "kind": MARK}),
        (Outer, {"firstName": "a", "id": MARK}),
        (Pet, {"type": MARK}),
        (Pet, MARK),
        (list[int], MARK),
        (int, MARK * 2000),
    ],
)
def test_no_message_quotes_what_was_sent(kind: Any, value: object) -> None:
    assert faults(kind, value)


def test_lg_8_an_unknown_field_is_named_but_not_its_value() -> None:
    assert faults(Inner, {"size": 1, "authority": MARK}) == [("$.authority", "There is no such field")]


def test_a_made_up_field_name_is_shown_short_and_printable() -> None:
    ((path, _),) = faults(Inner, {"size": 1, "\x1b[31m" + "x" * 500: 1})

    assert path.isprintable()
    assert len(path) < 100


def test_not_more_faults_are_told_than_anybody_reads() -> None:
    assert len(faults(list[int], [MARK] * 1000)) == MAX_FAULTS


def test_a_query_gives_its_texts_as_the_model_wants_them() -> None:
    query = checked_query(Query, QueryParams("pageSize=5&text=a+b"))

    assert (query.page_size, query.text) == (5, "a b")


@pytest.mark.parametrize("text", ["pageSize=x", "pageSize=1&pageSize=2", "size=1", "pagesize=1"])
def test_a_query_that_is_wrong_names_the_parameter(text: str) -> None:
    with pytest.raises(Failure) as caught:
        checked_query(Query, QueryParams(text))

    assert [fault.path for fault in caught.value.faults] == [text.partition("=")[0]]


def test_only_a_list_may_be_given_several_times() -> None:
    class Keys(Asked):
        key_names: list[str] = Field(default_factory=list)
        size: int = 0

    def names(text: str) -> list[str]:
        query: Keys = checked_query(Keys, QueryParams(text))
        return query.key_names

    assert names("size=1") == []
    assert names("keyNames=a") == ["a"]
    assert names("keyNames=a,b&size=1&keyNames=c") == ["a,b", "c"]
    with pytest.raises(Failure):
        names("keyNames=a&size=1&size=1")
    with pytest.raises(InvalidValue):
        names("keyNames=a&keyNames=%00")


@pytest.mark.parametrize("text", ["text=%00", "%00=1"])
def test_u_0000_is_refused_in_a_query(text: str) -> None:
    with pytest.raises(InvalidValue):
        checked_query(Query, QueryParams(text))


def test_a_path_gives_uuids_and_texts() -> None:
    public_id = uuid4()

    checked = checked_path({"deviceId": UUID, "scope": str}, {"deviceId": str(public_id), "scope": "S"})

    assert checked == {"deviceId": public_id, "scope": "S"}


@given(st.text(max_size=50))
def test_any_text_in_place_of_a_uuid_is_a_refusal(text: str) -> None:
    with pytest.raises(InvalidValue if "\0" in text else Failure):
        checked_path({"deviceId": UUID}, {"deviceId": text})
