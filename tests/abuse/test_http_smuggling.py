"""HT-4: requests that two servers could read differently are 400, and the connection ends."""

from __future__ import annotations

import json
import logging

import pytest
from tests.harness import TestServer
from tests.integration.http.raw_http import http_peer, http_request

LINE = b"POST /api/v1/provision HTTP/1.1\r\n"
INNER = b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"

CORPUS = {
    "length and chunked": LINE + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked and length": LINE + b"transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n" + INNER,
    "two lengths": LINE + b"content-length: 2\r\ncontent-length: 40\r\n\r\n{}" + INNER,
    "two equal lengths": LINE + b"content-length: 2\r\ncontent-length: 2\r\n\r\n{}" + INNER,
    "list of lengths": LINE + b"content-length: 2, 2\r\n\r\n{}" + INNER,
    "signed length": LINE + b"content-length: +2\r\n\r\n{}" + INNER,
    "negative length": LINE + b"content-length: -2\r\n\r\n{}" + INNER,
    "hexadecimal length": LINE + b"content-length: 0x2\r\n\r\n{}" + INNER,
    "length with a space": LINE + b"content-length: 1 0\r\n\r\n{}" + INNER,
    "length beyond 64 bits": LINE + b"content-length: 99999999999999999999999999\r\n\r\n{}" + INNER,
    "length not a number": LINE + b"content-length: two\r\n\r\n{}" + INNER,
    "unknown coding": LINE + b"transfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked not last": LINE + b"transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n" + INNER,
    "chunked twice": LINE + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER,
    "chunked in HTTP/1.0": (
        b"POST /api/v1/provision HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + INNER
    ),
    "chunk size with a sign": LINE + b"transfer-encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n",
    "chunk size with 0x": LINE + b"transfer-encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "chunk size too large": LINE + b"transfer-encoding: chunked\r\n\r\n" + b"f" * 17 + b"\r\n{}\r\n0\r\n\r\n",
    "chunk longer than said": LINE + b"transfer-encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
    "chunk with bare LF": LINE + b"transfer-encoding: chunked\r\n\r\n2\n{}\n0\n\n",
    "length in a trailer": LINE + b"transfer-encoding: chunked\r\n\r\n0\r\ncontent-length: 40\r\n\r\n" + INNER,
    "folded header": LINE + b"x: a\r\n b\r\ncontent-length: 2\r\n\r\n{}",
    "folded length": LINE + b"content-length:\r\n 2\r\n\r\n{}",
    "bare LF after the line": b"POST /api/v1/provision HTTP/1.1\nhost: a\r\ncontent-length: 2\r\n\r\n{}",
    "bare LF after a header": LINE + b"host: a\ncontent-length: 2\r\n\r\n{}",
    "bare LF at the end": LINE + b"host: a\r\ncontent-length: 2\r\n\n{}",
    "bare CR in a header": LINE + b"x: a\rtransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "NUL in a value": LINE + b"x: a\0b\r\ncontent-length: 2\r\n\r\n{}",
    "NUL in a name": LINE + b"x\0y: a\r\ncontent-length: 2\r\n\r\n{}",
    "NUL in the path": b"POST /api/v1/provision\0 HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}",
    "space before the colon": LINE + b"content-length : 2\r\n\r\n{}",
    "space before the name": LINE + b" content-length: 2\r\n\r\n{}",
    "no colon": LINE + b"content-length\r\n\r\n{}",
    "empty name": LINE + b": a\r\n\r\n",
    "no version": b"POST /api/v1/provision\r\ncontent-length: 2\r\n\r\n{}",
    "unknown version": b"POST /api/v1/provision HTTP/9.9\r\ncontent-length: 2\r\n\r\n{}",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: a\r\n\r\n",
    "unknown method": b"PROVISION / HTTP/1.1\r\nhost: a\r\n\r\n",
    "TLS": bytes.fromhex("1603010200010001fc0303"),
    "MQTT": bytes.fromhex("101000044d5154540402003c000464656d6f"),
}


async def test_ht_4_a_request_that_can_be_read_in_two_ways_is_400_and_close(
    server: TestServer, subtests: pytest.Subtests
) -> None:
    for name, sent in CORPUS.items():
        with subtests.test(name):
            async with http_peer(server.http_port) as peer:
                await peer.send(sent + (b"" if sent.endswith(b"\r\n\r\n") else b"\r\n\r\n"))

                answer = await peer.answer()
                rest = await peer.expect_closed()

            assert (answer.status, answer.json()) == (400, {"status": 400, "message": "Bad Request"})
            assert rest == b"", "what follows is not read as a request"


async def test_ht_4_a_trailer_does_not_change_how_the_body_is_read(server: TestServer) -> None:
    demo = await server.profile()
    body = json.dumps(demo.request("meter")).encode()
    head = LINE + b"host: a\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n" % len(body)

    async with http_peer(server.http_port) as peer:
        answer = await peer.ask(head + body + b"\r\n0\r\ncontent-encoding: gzip\r\n\r\n")

    assert answer.json()["status"] == "SUCCESS"


@pytest.mark.parametrize("rest", [b"", INNER], ids=["bare", "with a request inside"])
async def test_ht_4_an_offered_protocol_does_not_change_where_the_request_ends(
    server: TestServer, rest: bytes
) -> None:
    offer = ("connection: upgrade", "upgrade: websocket")

    async with http_peer(server.http_port) as peer:
        first = await peer.ask(http_request(rest, *offer, path="/nowhere"))
        second = await peer.ask(http_request(path="/nowhere"))

    assert (first.status, second.status) == (404, 404)


async def test_ht_4_a_request_before_a_broken_one_is_answered_all_the_same(server: TestServer) -> None:
    demo = await server.profile()
    good = http_request(json.dumps(demo.request("meter", token="t")).encode())

    async with http_peer(server.http_port) as peer:
        answer = await peer.ask(good + b"BROKEN\r\n\r\n")
        rest = await peer.expect_closed()

    assert answer.json()["status"] == "SUCCESS"
    assert rest == b""


async def test_se_6_a_flood_of_broken_requests_is_a_few_lines_in_the_log(
    server: TestServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    for _ in range(40):
        async with http_peer(server.http_port) as peer:
            await peer.ask(b"BROKEN\r\n\r\n")

    assert 1 <= len(caplog.records) <= 10
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
