import json
import math
import tracemalloc
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from firstboot.json_profile import JsonSyntaxError, MalformedJson, decode, decode_object

SMILE = "\N{GRINNING FACE}"
A = "\u0061"
BACKSLASH = "\\"


def escape(code: str) -> str:
    """Return the JSON escape of a UTF-16 code unit."""
    return f"{BACKSLASH}u{code}"


# Threat HT-2: what attackers and broken clients send. None of it is in the profile.
REFUSED = {
    "100 000 opening brackets": b"[" * 100_000,
    "100 000 opening braces": b'{"a":' * 10_000,
    "33 levels of arrays": b"[" * 33 + b"]" * 33,
    "33 levels of objects": b'{"a":' * 32 + b"{}" + b"}" * 32,
    "33 levels, mixed and spread": b"[" * 31 + b'[{"a": [ ]}]' + b"]" * 31,
    "33 levels behind a quote": b'["' + BACKSLASH.encode() + b'"",' + b"[" * 32 + b"]" * 32 + b"]",
    "a 200 000-digit integer": b"9" * 200_000,
    "a 5000-digit integer": b"9" * 5_000,
    "an integer of 2^53 + 1": b"9007199254740993",
    "an integer of -2^53 - 1": b"-9007199254740993",
    "a number of 33 characters": b"0." + b"1" * 31,
    "1e400": b"1e400",
    "-1e400": b"-1e400",
    "1e1000000000": b"1e1000000000",
    "NaN": b"NaN",
    "Infinity": b"Infinity",
    "-Infinity": b"-Infinity",
    "NaN inside": b'{"a":[NaN]}',
    "a name twice": b'{"a":1,"a":1}',
    "a name twice, once escaped": f'{{"a":1,"{escape("0061")}":1}}'.encode(),
    "a name twice, deeper": b'[{"a":{"b":1,"b":2}}]',
    "a name of 65 characters": b'{"' + b"k" * 65 + b'":1}',
    "10 001 values": b"[" + b"1," * 9_999 + b"1]",
    "10 001 objects": b"[" + b"{}," * 9_999 + b"{}]",
    "10 001 values in objects": b"[" + b",".join([b'{"a":1}'] * 5_000) + b"]",
    "a lone high surrogate": f'"{escape("d800")}"'.encode(),
    "a lone low surrogate": f'"{escape("dfff")}"'.encode(),
    "surrogates in the wrong order": f'"{escape("dc00")}{escape("d800")}"'.encode(),
    "a lone surrogate in a name": f'{{"{escape("d800")}":1}}'.encode(),
    "an encoded surrogate": b'"\xed\xa0\x80"',
    "U+0000 escaped": f'"{escape("0000")}"'.encode(),
    "U+0000 in a name": f'{{"{escape("0000")}":1}}'.encode(),
    "U+0000 raw": b'"\0"',
    "a raw control character": b'"\x01"',
    "a byte order mark": b"\xef\xbb\xbf{}",
    "a byte order mark before a text": b"\xef\xbb\xbfabc",
    "UTF-16 with mark": '{"a":1}'.encode("utf-16"),
    "UTF-16 little-endian": '{"a":1}'.encode("utf-16-le"),
    "UTF-16 big-endian": '{"a":1}'.encode("utf-16-be"),
    "UTF-32": '{"a":1}'.encode("utf-32-le"),
    "bad UTF-8": b'"\xff"',
    "overlong UTF-8": b'"\xc0\x80"',
    "trailing data": b"{}{}",
    "a trailing comma": b"[1,]",
    "a comment": b"/* x */{}",
    "nothing": b"",
    "only spaces": b" \r\n\t",
    "a string without end": b'"abc',
    "an object without end": b'{"a":1',
    "a backslash at the end": b'"' + BACKSLASH.encode(),
    "32 767 escapes without end": b'"' + BACKSLASH.encode() * 65_534,
    "65 536 quotes and backslashes": (BACKSLASH + '"').encode() * 32_768,
    "a leading zero": b"01",
    "a plus": b"+1",
    "hexadecimal": b"0x10",
}
# Accepted leniently as texts, because a contract has unquoted texts.
BARE_TEXTS = {"a leading zero", "a plus", "hexadecimal"}

corpus = pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)


@corpus
def test_ht_2_text_outside_of_the_profile_is_refused(payload: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode(payload, max_bytes=200_000)


@pytest.mark.parametrize(
    "payload", [payload for name, payload in REFUSED.items() if name not in BARE_TEXTS], ids=lambda _: ""
)
def test_ht_2_leniency_does_not_widen_the_bounds(payload: bytes) -> None:
    with pytest.raises(MalformedJson):
        decode(payload, lenient=True, max_bytes=200_000)


ACCEPTED: dict[str, tuple[str, Any]] = {
    "32 levels": ("[" * 32 + "]" * 32, None),
    "32 levels of objects": ('{"a":' * 31 + "{}" + "}" * 31, None),
    "40 containers side by side": ("[" + "[]," * 39 + "{}]", [[]] * 39 + [{}]),
    "brackets in strings": ('["' + "[" * 100 + BACKSLASH + '"' + "{" * 100 + '"]', ["[" * 100 + '"' + "{" * 100]),
    "10 000 values": ("[" + "1," * 9_998 + "1]", [1] * 9_999),
    "10 000 values that are empty": ("[" + "[ ]," * 9_998 + "{\n}]", [[]] * 9_998 + [{}]),
    "commas in a string": ('"' + "," * 20_000 + '"', "," * 20_000),
    "the largest integer": ("9007199254740992", 2**53),
    "the smallest integer": ("-9007199254740992", -(2**53)),
    "a number of 32 characters": ("0." + "1" * 30, 0.1111111111111111),
    "a tiny double": ("1e-400", 0.0),
    "a name of 64 characters": ('{"' + "k" * 64 + '":1}', {"k" * 64: 1}),
    "one name in two objects": ('[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    "a pair of surrogates": (f'"{escape("d83d")}{escape("de00")}"', SMILE),
    "a backslash before u0000": (f'"{BACKSLASH}{BACKSLASH}u0000"', f"{BACKSLASH}u0000"),
    "spaces all around": (' \r\n\t{ "a" : [ 1 , 2 ] } \r\n\t', {"a": [1, 2]}),
    "null": ("null", None),
}


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize(("text", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_text_at_the_bounds_is_read(text: str, expected: Any, lenient: bool) -> None:
    value = decode(text.encode(), lenient=lenient)

    assert value == (json.loads(text) if expected is None else expected)


def test_a_string_of_64_kib_is_read_and_a_longer_one_refused_whatever_the_size_of_the_body() -> None:
    longest = "é" * 32_768

    assert decode(f'["{longest}"]'.encode(), max_bytes=2**20) == [longest]
    with pytest.raises(MalformedJson, match="65536 bytes"):
        decode(f'["{longest}x"]'.encode(), max_bytes=2**20)


def test_a_body_is_read_up_to_the_size_that_is_allowed() -> None:
    assert decode(b'"12345678"', max_bytes=10) == "12345678"
    with pytest.raises(MalformedJson, match="11 bytes; 10 are allowed"):
        decode(b'"123456789"', max_bytes=10)


@pytest.mark.parametrize("payload", [b"null", b"[]", b"[{}]", b'"{}"', b"1", b"true"])
def test_only_an_object_is_an_object(payload: bytes) -> None:
    with pytest.raises(MalformedJson, match="not an object"):
        decode_object(payload)


@pytest.mark.parametrize(
    ("payload", "path"),
    [
        (b'{"a":[0,{"b":NaN}]}', "$.a[1].b"),
        (b'{"a":{"b":9007199254740993}}', "$.a.b"),
        (b'{"a":[{"b":1,"b":2}]}', "$.a[0]"),
        (b'{"two words":1e400}', '$["two words"]'),
        (f'[1,{{"a":"{escape("d800")}"}}]'.encode(), "$[1].a"),
        (b"1e400", "$"),
    ],
)
def test_a_refusal_names_the_path(payload: bytes, path: str) -> None:
    with pytest.raises(MalformedJson) as caught:
        decode(payload)

    assert str(caught.value).endswith(f"({path}).")


@pytest.mark.parametrize(
    ("payload", "lenient", "position"),
    [
        (b'{"a":1,}', False, 7),
        (b'{"a":1} x', False, 8),
        (b'"ab\xff"', False, 3),
        (b"{a:'b' c}", True, 7),
        (b"{a:'b'", True, 6),
        (b"{a:'b}", True, 3),
    ],
)
def test_a_refusal_of_the_syntax_names_the_position(payload: bytes, lenient: bool, position: int) -> None:
    with pytest.raises(JsonSyntaxError) as caught:
        decode(payload, lenient=lenient)

    assert caught.value.position == position
    assert str(position) in str(caught.value)


def test_what_breaks_a_bound_and_the_syntax_is_no_json() -> None:
    with pytest.raises(JsonSyntaxError):
        decode(b'{"a":1e400')


@pytest.mark.parametrize("lenient", [False, True], ids=["strict", "lenient"])
@pytest.mark.parametrize(
    "payload",
    [
        b'{"secret":"hunter2"',
        b'{"secret":"hunter2","secret":"hunter2"}',
        b'{"secret":"hunter2" "hunter2"}',
        f'{{"secret":"hunter2{escape("0000")}"}}'.encode(),
        b'{"secret":"hunter2\xff"}',
        b"{'secret':'hunter2' hunter2}",
    ],
)
def test_a_refusal_quotes_no_value_and_keeps_no_error_that_does(payload: bytes, lenient: bool) -> None:
    with pytest.raises(MalformedJson) as caught:
        decode(payload, lenient=lenient)

    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter2" not in str(error) + repr(vars(error))
        assert isinstance(error, MalformedJson)
        error = error.__context__


# -- lenient ---------------------------------------------------------------------------------------

LENIENT: dict[str, tuple[str, Any]] = {
    "single quotes": ("{'a':'b'}", {"a": "b"}),
    "names without quotes": ('{a:"b",c1_$-x:"d"}', {"a": "b", "c1_$-x": "d"}),
    "texts without quotes": ("{a:b,c:[d,e-f]}", {"a": "b", "c": ["d", "e-f"]}),
    "letters of any script": ("{имя:Gerät}", {"имя": "Gerät"}),
    "spaces": (" { a : 'b' ,\r\n\tc : d } ", {"a": "b", "c": "d"}),
    "all quotes mixed": ("{'a':\"b\",\"c\":'d',e:f}", {"a": "b", "c": "d", "e": "f"}),
    "a double quote in single ones": ("{'a':'say \"x\"'}", {"a": 'say "x"'}),
    "an escaped double quote in single ones": (f"{{'a':'{BACKSLASH}\"'}}", {"a": '"'}),
    "an escaped single quote": (f"{{'a':'it{BACKSLASH}'s'}}", {"a": "it's"}),
    "an escaped single quote in double ones": (f'{{a:"it{BACKSLASH}\'s"}}', {"a": "it's"}),
    "a single quote in double ones": ('{a:"it\'s"}', {"a": "it's"}),
    "an escaped backslash at the end": (f"{{'a':'b{BACKSLASH}{BACKSLASH}'}}", {"a": f"b{BACKSLASH}"}),
    "an escaped line end": (f"{{'a':'b{BACKSLASH}nc'}}", {"a": "b\nc"}),
    "an escaped letter": (f"{{'a':'{escape('0061')}'}}", {"a": A}),
    "structure in single quotes": ("{'a':'{[,:]}'}", {"a": "{[,:]}"}),
    "empty strings": ("{'':'',a:''}", {"": "", "a": ""}),
    "numbers and literals": (
        "{a:5,b:-1.5e3,c:true,d:null,e:false}",
        {"a": 5, "b": -1500.0, "c": True, "d": None, "e": False},
    ),
    "literals as names": ("{true:1,null:2,5:3}", {"true": 1, "null": 2, "5": 3}),
    "almost literals": ("{a:True,b:05,c:nulls,d:1.}", {"a": "True", "b": "05", "c": "nulls", "d": "1."}),
}


@pytest.mark.parametrize(("text", "expected"), LENIENT.values(), ids=LENIENT)
def test_lenient_text_is_read_when_a_contract_demands_it(text: str, expected: Any) -> None:
    value = decode(text.encode(), lenient=True)

    assert value == expected
    assert json.dumps(value) == json.dumps(expected)


@pytest.mark.parametrize(("text", "expected"), LENIENT.values(), ids=LENIENT)
def test_lenient_text_is_refused_otherwise(text: str, expected: Any) -> None:
    with pytest.raises(JsonSyntaxError):
        decode(text.encode())


@pytest.mark.parametrize(
    "text",
    [
        "{a:NaN}",
        "{a:-Infinity}",
        "{a:1e400}",
        "{a:9007199254740993}",
        "{a:1,'a':2}",
        "{" + "k" * 65 + ":1}",
        f"{{'a':'{escape('d800')}'}}",
        f"{{'a':'{escape('0000')}'}}",
        "{a:'\0'}",
        "{a:'\n'}",
        "{a:" * 32 + "{}" + "}" * 32,
        "['x'" + ",x" * 10_000 + "]",
    ],
)
def test_lenient_text_has_the_same_bounds(text: str) -> None:
    with pytest.raises(MalformedJson):
        decode(text.encode(), lenient=True)


@pytest.mark.parametrize(
    "text",
    ["{a=b}", "{a:b;c:d}", "{a:b,}", "[,]", "{a:b //c\n}", "# x\n{a:b}", "{a:b c}", "{a}", "{'a'}", "{a:'b'"],
)
def test_leniency_ends_where_the_contract_does(text: str) -> None:
    with pytest.raises(JsonSyntaxError):
        decode(text.encode(), lenient=True)


# -- properties ------------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)
keys = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(keys, inner), max_leaves=40)
nearly_json = st.text("{}[]:,\"'\\/ub0Dd8 \n19.eE-+truefalsn=#;é", max_size=60)
payloads = st.binary(max_size=512) | nearly_json.map(str.encode) | values.map(json.dumps).map(str.encode)


@given(values, st.booleans(), st.booleans())
def test_every_value_within_the_bounds_is_read_as_it_was_written(
    value: Any, ascii_only: bool, lenient: bool
) -> None:
    payload = json.dumps(value, ensure_ascii=ascii_only).encode()

    assert decode(payload, lenient=lenient, max_bytes=2**20) == value


@given(values)
def test_every_value_in_single_quotes_is_read_leniently(value: Any) -> None:
    payload = in_single_quotes(value).encode()

    assert decode(payload, lenient=True, max_bytes=2**20) == value


@given(payloads, st.booleans())
@example(b"[" * 100_000, True)
@example(b"'" * 65_536, True)
@example(b"a" * 65_536, True)
@example(b"a " * 32_768, True)
@example(b"a" + b" " * 65_535, True)
@example(b"{a:" * 20_000, True)
@example(b"\\'" * 32_768, True)
def test_any_payload_is_read_or_refused(payload: bytes, lenient: bool) -> None:
    try:
        value = decode(payload, lenient=lenient)
    except MalformedJson:
        return

    assert_within_bounds(value, 0)
    if not lenient:
        assert value == json.loads(payload)


def in_single_quotes(value: Any) -> str:
    if isinstance(value, str):
        inner = json.dumps(value)[1:-1].replace(f'{BACKSLASH}"', '"')
        return "'" + inner.replace("'", f"{BACKSLASH}'") + "'"
    if isinstance(value, list):
        return "[" + ", ".join(map(in_single_quotes, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{in_single_quotes(key)} :{in_single_quotes(value[key])}" for key in value) + "}"
    return json.dumps(value)


def assert_within_bounds(value: Any, level: int) -> None:
    if isinstance(value, str):
        assert "\0" not in value
        assert len(value.encode()) <= 65_536
    elif isinstance(value, int):
        assert abs(value) <= 2**53
    elif isinstance(value, float):
        assert math.isfinite(value)
    elif isinstance(value, list | dict):
        assert level < 32
        for key in value if isinstance(value, dict) else ():
            assert len(key) <= 64
            assert_within_bounds(key, level)
        for item in value.values() if isinstance(value, dict) else value:
            assert_within_bounds(item, level + 1)


@pytest.mark.parametrize(
    "payload",
    [
        b"[" * 65_536,
        b"[" + b"[]," * 21_844 + b"[]]",
        b"[" + b"{}," * 9_998 + b"{}]",
        b"[" + b'{"":0},' * 4_998 + b"0]",
        b"[" + b"1.5," * 9_998 + b"1]",
        b"[" + b"1," * 32_767 + b"1",
        b"[" + b"'a'," * 9_998 + b"0]",
        b"a " * 32_768,
        b"{a:b}" * 13_107,
    ],
    ids=lambda payload: payload[:10].decode(),
)
def test_ht_3_reading_takes_less_than_20_times_the_largest_body(payload: bytes) -> None:
    tracemalloc.start()
    try:
        decode(payload, lenient=True)
    except MalformedJson:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < 20 * 65_536
