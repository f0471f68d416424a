"""Contract 4.6: what gateways say of their devices."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import InvalidValue
from firstboot.model import Scope, StoredAttribute, TelemetryPoint
from firstboot_plugins.dialects.thingsboard import gateway_json
from firstboot_plugins.dialects.thingsboard.gateway_json import Answer, AttributesWanted, EmptyName

NOW_MS = 1_700_000_000_000


def test_4_6_the_telemetry_of_each_device_is_read() -> None:
    reports = gateway_json.by_device(b'{"A":[{"ts":1600000000000,"values":{"t":1}},{"t":"2"}],"B":[]}')

    assert gateway_json.telemetry(reports["A"], NOW_MS) == [
        TelemetryPoint(1_600_000_000_000, {"t": 1}),
        TelemetryPoint(NOW_MS, {"t": 2}),
    ]
    assert gateway_json.telemetry(reports["B"], NOW_MS) == []


@pytest.mark.parametrize("value", [{"t": 1}, 5, None, "x", [5], [[]], [{"ts": True, "values": {}}]])
def test_4_6_telemetry_that_is_no_list_of_reports_is_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        gateway_json.telemetry(value, NOW_MS)


def test_4_6_the_attributes_of_a_device_are_typed_and_nulls_left_out() -> None:
    assert gateway_json.attributes({"k": "5", "n": None, "o": {"x": "5"}}) == {"k": 5, "o": {"x": "5"}}


@pytest.mark.parametrize("value", [[], 5, None, "x"])
def test_4_6_attributes_that_are_no_object_are_refused(value: Any) -> None:
    with pytest.raises(InvalidValue):
        gateway_json.attributes(value)


@pytest.mark.parametrize(
    ("payload", "read"),
    [
        (b'{"device":"A"}', ("A", None)),
        (b'{"device":"A","type":null}', ("A", None)),
        (b'{"device":"A","type":""}', ("A", None)),
        (b'{"device":"A","type":"T"}', ("A", "T")),
        (b"{device:A,type:'T'}", ("A", "T")),
    ],
)
def test_4_6_a_connect_names_a_device_and_perhaps_its_type(payload: bytes, read: tuple[str, str | None]) -> None:
    assert gateway_json.connected(payload) == read


def test_ht_3_a_name_of_255_characters_is_a_member_name_and_a_longer_one_is_none() -> None:
    assert gateway_json.by_device(b'{"%s":1}' % (b"x" * 255)) == {"x" * 255: 1}
    with pytest.raises(InvalidValue):
        gateway_json.by_device(b'{"%s":1}' % (b"x" * 256))


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        (b'{"id":1,"device":"A","client":true,"key":"k"}', AttributesWanted(1, "A", Scope.CLIENT, ("k",))),
        (b'{"id":"2","device":"A","client":false,"key":"k"}', AttributesWanted(2, "A", Scope.SHARED, ("k",))),
        (b'{"id":3,"device":"A","keys":["k","l","k"]}', AttributesWanted(3, "A", Scope.SHARED, ("k", "l"))),
    ],
)
def test_4_6_a_question_names_one_key_or_several(payload: bytes, wanted: AttributesWanted) -> None:
    assert gateway_json.attributes_wanted(payload) == wanted


@pytest.mark.parametrize(
    "payload",
    [
        b'{"device":"A","key":"k"}',
        b'{"id":1.5,"device":"A","key":"k"}',
        b'{"id":1,"device":5,"key":"k"}',
        b'{"id":1,"key":"k"}',
        b'{"id":1,"device":"A","keys":"k"}',
        b'{"id":1,"device":"A","key":5}',
        b'{"id":1,"device":"A","key":""}',
    ],
)
def test_4_6_a_question_that_says_too_little_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        gateway_json.attributes_wanted(payload)


def test_4_6_an_answer_may_be_anything() -> None:
    assert gateway_json.answer(b'{"device":"A","id":1,"data":{"x":[1]}}') == Answer(1, "A", {"x": [1]})
    assert gateway_json.answer(b'{"device":"A","id":1}') == Answer(1, "A", None)


@pytest.mark.parametrize(
    ("read", "payload"),
    [
        (gateway_json.connected, b'{"device":""}'),
        (gateway_json.disconnected, b'{"device":""}'),
        (gateway_json.attributes_wanted, b'{"device":"","id":1,"key":"k"}'),
        (gateway_json.answer, b'{"device":"","id":1}'),
    ],
)
def test_gw_5_an_empty_name_is_told_from_other_faults(read: Any, payload: bytes) -> None:
    with pytest.raises(EmptyName):
        read(payload)


def test_4_6_what_a_gateway_is_told() -> None:
    one = AttributesWanted(1, "A", Scope.CLIENT, ("k",))
    two = AttributesWanted(1, "A", Scope.CLIENT, ("k", "l"))
    stored = [StoredAttribute(Scope.CLIENT, "k", {"x": 1}, 0)]

    assert gateway_json.attributes_found(one, stored) == b'{"id":1,"device":"A","value":{"x":1}}'
    assert gateway_json.attributes_found(one, []) == b'{"id":1,"device":"A"}'
    assert gateway_json.attributes_found(two, stored) == b'{"id":1,"device":"A","values":{"k":{"x":1}}}'
    assert gateway_json.attributes_found(two, []) == b'{"id":1,"device":"A","values":{}}'
    update = AttributeUpdate({"c": 1}, ("d",))
    assert gateway_json.attributes_changed("A", update) == b'{"device":"A","data":{"c":1,"deleted":["d"]}}'
    call = RpcRequest(id=7, method="m", params=None)
    assert gateway_json.called("A", call) == b'{"device":"A","data":{"id":7,"method":"m","params":null}}'
    assert gateway_json.sent_away("A", 150) == b'{"device":"A","reason":150}'


@given(st.binary(max_size=200))
@example(b"[" * 1000)
@example(b'{"device":"\\ud800","id":1,"key":"k"}')
def test_da_2_any_payload_is_read_or_refused(payload: bytes) -> None:
    for read in (gateway_json.connected, gateway_json.disconnected, gateway_json.attributes_wanted,
                 gateway_json.answer, gateway_json.by_device):  # fmt: skip
        with suppress(InvalidValue):
            read(payload)
