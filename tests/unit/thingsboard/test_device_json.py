"""Contract section 6: what devices say and are told, in JSON."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.downlink import AttributeUpdate, RpcRequest
from firstboot.errors import InvalidValue
from firstboot.model import Scope, StoredAttribute, TelemetryPoint
from firstboot_plugins.dialects.thingsboard import device_json
from firstboot_plugins.dialects.thingsboard.device_json import AttributesWanted, Call

NOW = 1_700_000_000_000


@pytest.mark.parametrize(
    ("payload", "points"),
    [
        (b'{"t":1}', [(NOW, {"t": 1})]),
        (b'{"ts":1600000000000,"values":{"t":1}}', [(1_600_000_000_000, {"t": 1})]),
        (b'[{"t":1},{"ts":5,"values":{"u":2}}]', [(NOW, {"t": 1}), (5, {"u": 2})]),
        (b"[]", []),
        (b"{}", [(NOW, {})]),
        (b'{"t":"5","u":"x","v":null,"w":{"a":"5"}}', [(NOW, {"t": 5, "u": "x", "w": {"a": "5"}})]),
        # Only both together are the form with a moment.
        (b'{"ts":7,"t":1}', [(NOW, {"ts": 7, "t": 1})]),
        (b'{"values":{"t":1}}', [(NOW, {"values": {"t": 1}})]),
        (b'{"ts":"1600000000000","values":{}}', [(1_600_000_000_000, {})]),
        (b'{"ts":1.6e12,"values":{}}', [(1_600_000_000_000, {})]),
        (b'{"ts":5,"values":{"t":1},"metadata":{"connector":"x"}}', [(5, {"t": 1})]),
        (b"{t:22.5,'u':'on'}", [(NOW, {"t": 22.5, "u": "on"})]),
    ],
)
def test_6_telemetry_has_three_forms(payload: bytes, points: list[tuple[int, dict[str, Any]]]) -> None:
    assert device_json.telemetry(payload, NOW) == [TelemetryPoint(at_ms, values) for at_ms, values in points]


BAD_TELEMETRY = [
    b"", b" ", b"1", b'"x"', b"null", b"true", b"[1]", b"[[]]", b"[null]", b'[{"t":1},2]', b"{", b"\xff",
    b"[" * 50_000, b'{"ts":true,"values":{}}', b'{"ts":null,"values":{}}', b'{"ts":{},"values":{}}',
    b'{"ts":"soon","values":{}}',
    b'{"ts":1,"values":[]}', b'{"ts":1,"values":null}', b'{"ts":1,"values":1}', b'{"t":1,"t":2}', b'{"t":1e999}',
    b'{"t":9007199254740993}', rb'{"t":"\u0000"}', rb'{"t":"\ud800"}', b'{"%s":1}' % (b"k" * 65),
]  # fmt: skip


@pytest.mark.parametrize("payload", BAD_TELEMETRY)
def test_da_2_and_ht_2_what_is_no_telemetry_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        device_json.telemetry(payload, NOW)


def test_6_client_attributes_are_one_object() -> None:
    assert device_json.attributes(b'{"a":"b","n":"5","gone":null}') == {"a": "b", "n": 5}


@pytest.mark.parametrize("payload", [b"", b"[]", b'[{"a":1}]', b"1", b"null", b'"a"', b"{"])
def test_da_2_attributes_in_any_other_form_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        device_json.attributes(payload)


CLIENT, SHARED = Scope.CLIENT, Scope.SHARED


@pytest.mark.parametrize(
    ("payload", "groups"),
    [
        (b'{"clientKeys":"a,b","sharedKeys":"c"}', {CLIENT: ("a", "b"), SHARED: ("c",)}),
        (b'{"clientKeys":"a"}', {CLIENT: ("a",)}),
        (b'{"sharedKeys":"c,c,,d"}', {SHARED: ("c", "d")}),
        (b"{}", {CLIENT: None, SHARED: None}),
        (b"", {CLIENT: None, SHARED: None}),
        (b'{"clientKeys":"","sharedKeys":null}', {CLIENT: None, SHARED: None}),
        (b'{"clientKeys":"","sharedKeys":"c"}', {SHARED: ("c",)}),
        (b'{"other":1}', {CLIENT: None, SHARED: None}),
    ],
)
def test_6_keys_are_a_text_with_commas_and_none_at_all_means_all(
    payload: bytes, groups: dict[Scope, tuple[str, ...] | None]
) -> None:
    assert device_json.attributes_wanted(payload).groups() == groups


@pytest.mark.parametrize(
    "payload",
    [
        b"[]", b"1", b"null", b"x y", b'{"clientKeys":["a"]}', b'{"clientKeys":1}', b'{"sharedKeys":{}}',
        b'{"sharedKeys":"%s"}' % b",".join(b"%d" % number for number in range(1001)),
        b'{"sharedKeys":"%s"}' % (b"k" * 256),
    ],
)  # fmt: skip
def test_da_2_other_requests_for_attributes_are_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        device_json.attributes_wanted(payload)


def test_6_groups_without_attributes_are_left_out() -> None:
    def stored(scope: Scope, key: str, value: Any) -> StoredAttribute:
        return StoredAttribute(scope, key, value, NOW)

    assert device_json.attributes_found([]) == b"{}"
    assert device_json.attributes_found([stored(SHARED, "c", {"x": [1]})]) == b'{"shared":{"c":{"x":[1]}}}'
    both = device_json.attributes_found([stored(CLIENT, "a", 1), stored(SHARED, "c", 2)])
    assert both == b'{"client":{"a":1},"shared":{"c":2}}'


@pytest.mark.parametrize(
    ("update", "told"),
    [
        (AttributeUpdate({"c": 2}), b'{"c":2}'),
        (AttributeUpdate({}, ("c",)), b'{"deleted":["c"]}'),
        (AttributeUpdate({"c": "\N{SNOWMAN}"}, ("d", "e")), '{"c":"\N{SNOWMAN}","deleted":["d","e"]}'.encode()),
    ],
)
def test_6_shared_updates_name_what_was_set_and_what_was_deleted(update: AttributeUpdate, told: bytes) -> None:
    assert device_json.attributes_changed(update) == told


@pytest.mark.parametrize(
    ("payload", "call"),
    [
        (b'{"method":"m","params":{}}', Call("m", {})),
        (b'{"method":"m","params":[1,null]}', Call("m", [1, None])),
        (b'{"method":"m"}', Call("m", None)),
        (b"{method:m,params:{}}", Call("m", {})),
    ],
)
def test_6_a_call_has_a_method_and_parameters(payload: bytes, call: Call) -> None:
    assert device_json.call(payload) == call


@pytest.mark.parametrize(
    "payload", [b"", b"{}", b'{"method":""}', b'{"method":1}', b'{"method":null}', b'["m"]', b'"m"', b"{"]
)
def test_da_2_a_call_without_a_method_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        device_json.call(payload)


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "x", [], {"a": [1]}])
def test_6_a_device_may_answer_anything_that_is_json(value: Any) -> None:
    assert device_json.answer(json.dumps(value).encode()) == value


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff", b'"a', b"1 2"])
def test_da_2_an_answer_that_is_no_json_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidValue):
        device_json.answer(payload)


def test_6_a_call_to_a_device_has_its_number_in_the_body_over_http_only() -> None:
    request = RpcRequest(id=1, method="m", params={})

    assert device_json.called(request) == b'{"method":"m","params":{}}'
    assert device_json.called(request, with_id=True) == b'{"id":1,"method":"m","params":{}}'


def test_half_a_surrogate_pair_of_a_plugin_does_not_stop_the_answer() -> None:
    assert device_json.encode("\ud800") == b'"\\ud800"'


def test_no_keys_are_named_by_a_text_of_commas() -> None:
    assert device_json.split_keys(",,") is None
    assert AttributesWanted(None, None).groups() == {CLIENT: None, SHARED: None}


@given(st.binary(max_size=256) | st.text(alphabet="{}[]\":,'a1tsvalue method.-", max_size=64).map(str.encode))
@example(b"[" * 60_000)
@example(b'{"ts":1e400,"values":{}}')
@example(b'{"ts":"' + b"9" * 5000 + b'","values":{}}')
def test_da_2_any_payload_is_read_or_refused(payload: bytes) -> None:
    for read in (
        lambda: device_json.telemetry(payload, NOW),
        lambda: device_json.attributes(payload),
        lambda: device_json.attributes_wanted(payload),
        lambda: device_json.call(payload),
        lambda: device_json.answer(payload),
    ):
        with suppress(InvalidValue):
            read()


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_categories=["Cs", "Cc"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=8,
)


@given(json_values)
def test_what_is_sent_reads_back_as_it_was(value: Any) -> None:
    assert device_json.answer(device_json.encode(value)) == value
