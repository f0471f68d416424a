"""HT-2, HT-3, HT-7: bad JSON and strange names over the socket are refused, and nothing is harmed."""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.harness import Profile, TestServer, running
from tests.integration.http.raw_http import Answer, http_peer, http_request

NESTED = 20_000


def around(text: bytes, key: str = "k", secret: str = "topsecret") -> bytes:
    """Return a request with one more field."""
    return b'{"provisionDeviceKey":"%b","provisionDeviceSecret":"%b","x":%b}' % (
        key.encode(),
        secret.encode(),
        text,
    )


REFUSED = {
    "deep array": b"[" * 60_000,
    "deep object": b'{"a":' * 10_000,
    "deep field": around(b"[" * NESTED + b"]" * NESTED),
    "long integer": around(b"1" * 60_000),
    "large integer": around(b"9007199254740993"),
    "huge exponent": around(b"1e1000000000"),
    "long number": around(b"0." + b"1" * 40),
    "NaN": around(b"NaN"),
    "Infinity": around(b"-Infinity"),
    "duplicate key": b'{"provisionDeviceKey":"a","provisionDeviceKey":"b","provisionDeviceSecret":"topsecret"}',
    "lone surrogate": around(rb'"\ud800"'),
    "U+0000": around(rb'"\u0000"'),
    "raw control character": around(b'"\x01"'),
    "not UTF-8": around(b'"\xff\xfe"'),
    "overlong UTF-8": around(b'"\xc0\xaf"'),
    "byte order mark": b"\xef\xbb\xbf" + around(b"1"),
    "UTF-16": around(b"1").decode().encode("utf-16"),
    "UTF-32": around(b"1").decode().encode("utf-32"),
    "trailing data": around(b"1") + b"{}",
    "two values": around(b"1") + around(b"1"),
    "cut off": around(b"1")[:-1],
    "many values": around(b"[" + b"1," * 20_000 + b"1]"),
    "many members": b"{" + b",".join(b'"%d":1' % number for number in range(7000)) + b"}",
    "comment": b"/* */" + around(b"1"),
    "only spaces": b" " * 100,
    "NUL bytes": b"\0" * 100,
    "true": b"true",
    "list": b"[1]",
    "number": b"1",
    "text": b'"topsecret"',
    "null": b"null",
}
FIELDS = (
    "provisionDeviceKey",
    "provisionDeviceSecret",
    "deviceName",
    "credentialsType",
    "token",
    "username",
    "password",
    "clientId",
    "hash",
    "gateway",
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestServer]:
    async with running(tmp_path, provisioning={"failures_per_minute": 10_000}) as started:
        yield started


async def post(server: TestServer, body: bytes) -> Answer:
    async with http_peer(server.http_port) as peer:
        return await peer.ask(http_request(body))


async def test_ht_2_and_ht_3_what_is_no_good_json_is_refused_without_a_trace(
    server: TestServer, subtests: pytest.Subtests, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for name, body in REFUSED.items():
        with subtests.test(name):
            answer = await post(server, body)

            assert (answer.status, answer.json()["errorCode"]) == (500, 2)
            assert b"topsecret" not in answer.body
            assert len(answer.body) < 500

    assert not [record for record in caplog.records if record.exc_info]
    assert "topsecret" not in caplog.text


async def test_ht_2_wrong_types_in_every_field_are_decided_or_refused(server: TestServer) -> None:
    demo = await server.profile()

    for field in FIELDS:
        for value in ({}, [], {"a": 1}, [None], 1, -1, 1.5, True, False, None, "", "x", "\x7f", "x" * 60_000):
            answer = await post(server, json.dumps({**demo.request(), field: value}).encode())

            assert answer.status in (200, 413, 500)
            if answer.status == 500:
                assert answer.json()["errorCode"] == 2
                assert answer.json()["message"].startswith("The ")


async def test_ht_2_numbers_and_booleans_in_text_fields_become_their_text(server: TestServer) -> None:
    demo = await server.profile()

    for name, text in ((12, "12"), (True, "true"), (1.5, "1.5")):
        assert (await server.post(demo.request(None, deviceName=name)))["status"] == "SUCCESS"
        assert await server.device(text) is not None


async def test_a_single_quoted_request_is_read_as_thingsboard_reads_it(server: TestServer) -> None:
    demo = await server.profile()
    text = f"{{provisionDeviceKey:'{demo.key}','provisionDeviceSecret':\"{demo.secret}\",deviceName:'meter'}}"

    assert (await post(server, text.encode())).json()["status"] == "SUCCESS"
    assert await server.device("meter") is not None


BAD_NAMES = {
    "only spaces": "   ",
    "only no-break spaces": "\u00a0\u00a0",
    "256 characters": "x" * 256,
    "60 KiB": "x" * 60_000,
    "line feed": "a\nb",
    "escape": "a\x1bb",
    "DEL": "a\x7fb",
    "right-to-left override": "a\u202eb",
    "zero-width space": "a\u200bb",
    "zero-width joiner": "a\u200db",
    "byte order mark": "a\ufeffb",
    "line separator": "a\u2028b",
    "unassigned": "a\U000e0fffb",
    "noncharacter": "a\ufffeb",
    "HTML": "<script>alert(1)</script>",
    "image": '<img src="x">',
    "template": "{{7*7}}",
}
GOOD_NAMES = [
    "x" * 255, "a/b", "+", "#", "$SYS/x", "..", "../../etc/passwd", "'; DROP TABLE device; --", "%s%n{0}{x}",
    "a*(b)+$[", "NULL", "0", "=1+1", "ä", "Ω", "設備", "😀", "a < b", "C:\\x", "`id`", "$(id)",
]  # fmt: skip


async def test_ht_7_bad_names_are_refused(server: TestServer, subtests: pytest.Subtests) -> None:
    demo = await server.profile()

    for what, name in BAD_NAMES.items():
        with subtests.test(what):
            answer = await post(server, json.dumps(demo.request(name)).encode())

            assert (answer.status, answer.json()["status"]) == (200, "FAILURE")


async def test_ht_7_names_that_mean_something_elsewhere_are_only_names_here(
    tmp_path: Path, database: str | None
) -> None:
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()

        for name in GOOD_NAMES:
            assert (await server.post(demo.request(name)))["status"] == "SUCCESS", name

        found = [await server.device(name) for name in GOOD_NAMES]
        assert [device.name for device in found if device is not None] == GOOD_NAMES


@pytest.mark.parametrize("name", ["Zähler", "Åström", "가"])
async def test_ht_7_two_names_that_are_equal_in_nfc_are_one_device(
    tmp_path: Path, database: str | None, name: str
) -> None:
    composed, decomposed = unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)
    assert composed != decomposed
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()

        assert (await server.post(demo.request(decomposed)))["status"] == "SUCCESS"
        assert (await server.post(demo.request(composed)))["status"] == "FAILURE"
        device = await server.device(composed)
        assert device is not None
        assert device.name == composed


async def test_ht_6_no_level_of_the_log_shows_what_a_device_sent_in_path_or_query(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    demo: Profile = await server.profile()
    secrets = ["query-secret", "path-secret", "header-secret", "own-token", demo.secret]
    body = json.dumps(demo.request("meter", token="own-token")).encode()

    async with http_peer(server.http_port) as peer:
        await peer.ask(http_request(body, path="/api/v1/provision?authorization=query-secret"))
        await peer.ask(http_request(body, path="/api/v1/path-secret/attributes"))
        await peer.ask(http_request(body, "x-authorization: Bearer header-secret"))

    shown = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in caplog.records)
    assert await server.device("meter") is not None
    assert [secret for secret in secrets if secret in shown] == []
