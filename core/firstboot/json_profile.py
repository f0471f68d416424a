"""The JSON that is accepted from outside (threats HT-2, HT-3).

UTF-8 without byte order mark. Depth at most 32, at most 10 000 values, strings at most 64 KiB, member names at
most 64 characters, numbers at most 32 characters, integers within ±2^53, finite doubles. No member name twice
in an object, no NaN or Infinity, no lone surrogate, no U+0000, nothing after the value.

The standard library reads it, and its hooks see everything that depends on single values. What would cost
memory or stack before a hook is called (depth, number of values) is judged beforehand, by counting brackets and
commas: most texts have so few that where they stand does not matter. Only the others are scanned.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from firstboot.errors import InvalidValue

MAX_BYTES = 65_536
MAX_DEPTH = 32
MAX_VALUES = 10_000
MAX_STRING_BYTES = 65_536
MAX_KEY_LENGTH = 64
MAX_NUMBER_LENGTH = 32
MAX_INTEGER = 2**53


class MalformedJson(InvalidValue):
    """A text is not JSON, or not within the bounds. The message says where and why, and quotes no value."""

    code = "malformed-json"


class JsonSyntaxError(MalformedJson):
    """A text is not JSON at all; what is JSON but breaks a bound is a plain `MalformedJson`."""

    def __init__(self, message: str, position: int) -> None:
        super().__init__(f"Not JSON: {message} at character {position}.")
        self.position = position
        """Index of the character where reading failed."""


def decode(
    payload: bytes,
    *,
    lenient: bool = False,
    max_bytes: int = MAX_BYTES,
    max_string_bytes: int = MAX_STRING_BYTES,
    max_key_length: int = MAX_KEY_LENGTH,
) -> Any:
    """Return the JSON value that ``payload`` holds.

    ``lenient`` also takes strings in single quotes, and member names and texts without quotes. The bounds are
    the same. ``max_key_length``: for texts whose member names are names of devices.

    Raises: `MalformedJson`, and nothing else.
    """
    if len(payload) > max_bytes:
        raise MalformedJson(f"The JSON text has {len(payload)} bytes; {max_bytes} are allowed.")
    if payload.startswith(codecs.BOM_UTF8):
        raise JsonSyntaxError("byte order mark", 0)
    position = -1
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        position = error.start
    if position >= 0:  # Outside of the handler: the error would keep the whole payload alive, and show it.
        raise JsonSyntaxError("no UTF-8", position)
    try:
        return _read(text, max_string_bytes, max_key_length)
    except JsonSyntaxError:
        if not lenient:
            raise
    strict_text = bytearray()  # Not a list: one object for each piece is many times the text.
    for _, piece in _strict_pieces(text):
        strict_text += piece.encode()
    position = -1
    try:
        return _read(strict_text.decode(), max_string_bytes, max_key_length)
    except JsonSyntaxError as error:
        position = error.position
    raise JsonSyntaxError("unexpected text", _position_before(text, position))


def decode_object(
    payload: bytes,
    *,
    lenient: bool = False,
    max_bytes: int = MAX_BYTES,
    max_key_length: int = MAX_KEY_LENGTH,
) -> dict[str, Any]:
    """Return the JSON object that ``payload`` holds; as `decode` otherwise.

    Raises: `MalformedJson`.
    """
    value = decode(payload, lenient=lenient, max_bytes=max_bytes, max_key_length=max_key_length)
    if not isinstance(value, dict):
        raise MalformedJson("The JSON text is not an object.")
    return value


# -- strict reading --------------------------------------------------------------------------------


def _object(max_key_length: int, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("an object has the same name twice")
    for key in members:
        if len(key) > max_key_length:
            raise MalformedJson(f"an object has a name of more than {max_key_length} characters")
    return members


def _integer(text: str) -> int:
    # The length first: Python refuses to convert thousands of digits, and takes its time for hundreds.
    if len(text) > MAX_NUMBER_LENGTH or not -MAX_INTEGER <= (number := int(text)) <= MAX_INTEGER:
        raise MalformedJson("an integer is beyond ±2^53")
    return number


def _double(text: str) -> float:
    if len(text) > MAX_NUMBER_LENGTH:
        raise MalformedJson(f"a number has more than {MAX_NUMBER_LENGTH} characters")
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise MalformedJson("a number is too large")
    return number


def _constant(text: str) -> Any:
    raise MalformedJson("NaN and Infinity are not JSON")


def _as_value(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a hook return its refusal in place of the value, so that a walk over the whole finds it."""

    def keep(argument: Any) -> Any:
        try:
            return hook(argument)
        except MalformedJson as fault:
            return fault

    return keep


@lru_cache(maxsize=8)
def _decoder(max_key_length: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=partial(_object, max_key_length),
        parse_int=_integer,
        parse_float=_double,
        parse_constant=_constant,
    )


@lru_cache(maxsize=8)
def _fault_keeping_decoder(max_key_length: int) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_as_value(partial(_object, max_key_length)),
        parse_int=_as_value(_integer),
        parse_float=_as_value(_double),
        parse_constant=_as_value(_constant),
    )


_SPACE = " \t\r\n"


def _read(text: str, max_string_bytes: int, max_key_length: int) -> Any:
    openings = text.count("{") + text.count("[")
    # A value is the whole, or follows an opening bracket or a comma.
    if openings > MAX_DEPTH or openings + text.count(",") >= MAX_VALUES:
        _judge_structure(text)
    end = len(text)
    start = end - len(text.lstrip(_SPACE)) if text[:1] in _SPACE else 0
    fault: MalformedJson | None = None
    try:
        value, stop = _decoder(max_key_length).raw_decode(text, start)
    except json.JSONDecodeError as error:
        fault = JsonSyntaxError(error.msg.lower().removesuffix(" at"), error.pos)
    except MalformedJson:
        fault = _locate(text, start, max_string_bytes, max_key_length)
    if fault is not None:  # Outside of the handlers: the decoder's error holds the whole text.
        raise fault
    if stop != end and (rest := text[stop:].lstrip(_SPACE)):
        raise JsonSyntaxError("extra data", end - len(rest))
    # Only an escape makes a surrogate or U+0000; only a long text has room for a long string.
    if "\\u" in text or end > MAX_STRING_BYTES // 4:
        _judge_values(value, max_string_bytes)
    return value


# Possessive throughout: each character is looked at once, also when a string does not end.
_STRUCTURE = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?+|[\[{](?:[ \t\r\n]*+[\]}])?+|[\]},]', re.DOTALL)


def _judge_structure(text: str) -> None:
    depth = 0
    values = 1
    for match in _STRUCTURE.finditer(text):
        mark = match.group()
        if mark == ",":
            values += 1
        elif mark in "]}":
            depth -= 1
        elif mark in "[{":
            depth += 1
            values += 1
        empty_container = mark[0] in "[{" and len(mark) > 1
        if depth + empty_container > MAX_DEPTH:
            raise MalformedJson(f"The JSON text has more than {MAX_DEPTH} levels at character {match.start()}.")
        if values > MAX_VALUES:
            raise MalformedJson(f"The JSON text has more than {MAX_VALUES} values at character {match.start()}.")


def _locate(text: str, start: int, max_string_bytes: int, max_key_length: int) -> MalformedJson:
    """Read a text that broke a bound once more, to say where."""
    try:
        value, _ = _fault_keeping_decoder(max_key_length).raw_decode(text, start)
    except json.JSONDecodeError as error:
        return JsonSyntaxError(error.msg.lower().removesuffix(" at"), error.pos)
    path, reason = _find_fault(value, max_string_bytes) or ("", "a bound is broken")
    return MalformedJson(f"The JSON text is refused: {reason} (${path}).")


def _judge_values(value: Any, max_string_bytes: int) -> None:
    found = _find_fault(value, max_string_bytes)
    if found is not None:
        raise MalformedJson(f"The JSON text is refused: {found[1]} (${found[0]}).")


def _find_fault(value: Any, max_string_bytes: int) -> tuple[str, str] | None:
    """Return the path of the first value that breaks a bound, and which bound; None when all are well."""
    if isinstance(value, str):
        reason = _text_fault(value, max_string_bytes)
        return ("", reason) if reason else None
    if isinstance(value, MalformedJson):
        return "", str(value)
    if isinstance(value, dict):
        for key, member in value.items():
            reason = _text_fault(key, max_string_bytes)
            if reason:
                return "", f"in a name, {reason}"
            found = _find_fault(member, max_string_bytes)
            if found is not None:
                step = f".{key}" if key.isidentifier() else f"[{json.dumps(key)}]"
                return step + found[0], found[1]
    elif isinstance(value, list):
        for index, item in enumerate(value):
            found = _find_fault(item, max_string_bytes)
            if found is not None:
                return f"[{index}]{found[0]}", found[1]
    return None


def _text_fault(text: str, max_string_bytes: int) -> str | None:
    if "\0" in text:
        return "U+0000 is not allowed"
    try:
        size = len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError:
        return "half of a surrogate pair is not a character"
    return f"a string has more than {max_string_bytes} bytes" if size > max_string_bytes else None


# -- lenient reading -------------------------------------------------------------------------------

# Possessive like the other: a text that fits nothing fails at once, however long it is.
_LENIENT = re.compile(
    r"""
      (?P<space>[ \t\r\n]++)
    | (?P<mark>[{}\[\]:,])
    | "(?P<double>[^"\\]*+(?:\\.[^"\\]*+)*+)"
    | '(?P<single>[^'\\]*+(?:\\.[^'\\]*+)*+)'
    | (?P<bare>[^\x00-\x20\x7f{}\[\]:,;=\#/\\"']++)(?P<name>(?=[ \t\r\n]*+:))?+
    """,
    re.DOTALL | re.VERBOSE,
)
_LITERAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_NEEDS_CARE = re.compile(r"\\'|\\.|\"", re.DOTALL)


def _strict_pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the text as strict JSON, piece by piece, each with the position where it came from.

    What a piece says is left to the strict reader to judge: nothing is accepted here.
    """
    position = 0
    while position < len(text):
        match = _LENIENT.match(text, position)
        if match is None:
            raise JsonSyntaxError("unexpected text", position)
        kind = match.lastgroup
        if kind == "mark":
            yield position, match.group()
        elif kind == "double" or kind == "single":
            yield position, f'"{_NEEDS_CARE.sub(_escape, match.group(kind))}"'
        elif kind == "name" or (kind == "bare" and _LITERAL.fullmatch(match.group()) is None):
            yield position, f'"{match.group()}"'
        elif kind == "bare":
            yield position, match.group()
        else:
            yield position, " "
        position = match.end()


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    if found == "\\'":
        return "'"
    return '\\"' if found == '"' else found


def _position_before(text: str, position: int) -> int:
    """Return where in the lenient text the character at ``position`` of the strict text came from."""
    for start, piece in _strict_pieces(text):
        position -= len(piece)
        if position < 0:
            return start
    return len(text)
