"""``POST /api/v1/provision`` byte for byte (ThingsBoard contract 2.4, 2.7, 2.8 with the corrections of 7)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.harness import Profile, TestServer, running
from tests.integration.http.raw_http import HttpPeer, http_peer, http_request
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.model import ProfileLimits
from firstboot.profiles import parse_networks

NOT_FOUND = b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}'
FAILURE = b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}'
NOW_MS = 1_800_000_000_000


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[TestServer]:
    async with running(tmp_path, clock=FakeClock(now_ms=NOW_MS).clock) as started:
        yield started


@pytest.fixture
async def demo(server: TestServer) -> Profile:
    return await server.profile()


@pytest.fixture
async def peer(server: TestServer) -> AsyncIterator[HttpPeer]:
    async with http_peer(server.http_port) as opened:
        yield opened


def encoded(request: dict[str, Any]) -> bytes:
    return json.dumps(request).encode()


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        (
            {"token": "own-token"},
            '{"credentialsValue":"own-token","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"}',
        ),
        (
            {"credentialsType": "MQTT_BASIC", "clientId": "c1", "username": "u1", "password": "p1"},
            '{"credentialsValue":{"clientId":"c1","userName":"u1","password":"p1"},'
            '"credentialsType":"MQTT_BASIC","status":"SUCCESS"}',
        ),
        (
            {
                "credentialsType": "X509_CERTIFICATE",
                "hash": "-----BEGIN CERTIFICATE-----\r\nTUlJ\r\nQg==\r\n-----END CERTIFICATE-----\r\n",
            },
            '{"credentialsValue":"TUlJQg==","credentialsType":"X509_CERTIFICATE","status":"SUCCESS"}',
        ),
    ],
)
async def test_success_is_200_with_the_contract_s_text(
    demo: Profile, peer: HttpPeer, wanted: dict[str, str], text: str
) -> None:
    answer = await peer.ask(http_request(encoded(demo.request("meter", **wanted))))

    assert (answer.status, answer.body.decode()) == (200, text)


async def test_ph_1_what_is_decided_against_the_device_is_200_too(demo: Profile, peer: HttpPeer) -> None:
    unknown = await peer.ask(http_request(encoded({**demo.request("m"), "provisionDeviceKey": "other"})))
    wrong = await peer.ask(http_request(encoded({**demo.request("m"), "provisionDeviceSecret": "other"})))
    blank = await peer.ask(http_request(encoded(demo.request("  "))))

    assert (unknown.status, unknown.body) == (200, NOT_FOUND)
    assert (wrong.status, wrong.body) == (200, NOT_FOUND)
    assert (blank.status, blank.body) == (200, FAILURE)


async def test_ph_2_the_answer_is_json_whatever_is_accepted(demo: Profile, peer: HttpPeer) -> None:
    for accept in ("*/*", "text/plain", "application/json", "image/png"):
        answer = await peer.ask(http_request(encoded(demo.request()), f"accept: {accept}"))

        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["status"] == "SUCCESS"


async def test_ph_3_the_content_type_of_the_request_does_not_matter(demo: Profile, peer: HttpPeer) -> None:
    for headers in ((), ("content-type: text/plain",), ("content-type: application/x-www-form-urlencoded",)):
        answer = await peer.ask(http_request(encoded(demo.request()), *headers))

        assert answer.json()["status"] == "SUCCESS"


async def test_null_is_the_same_as_absent(demo: Profile, peer: HttpPeer) -> None:
    fields = ("deviceName", "credentialsType", "token", "username", "password", "clientId", "hash", "gateway")

    answer = await peer.ask(http_request(encoded(demo.request(**dict.fromkeys(fields)))))

    assert answer.json()["credentialsType"] == "ACCESS_TOKEN"
    assert answer.json()["status"] == "SUCCESS"


MALFORMED = {
    "no JSON": b"provisionDeviceKey=k",
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"17",
    "null": b"null",
    "no key": b'{"provisionDeviceSecret":"topsecret"}',
    "no secret": b'{"provisionDeviceKey":"topsecret"}',
    "key null": b'{"provisionDeviceKey":null,"provisionDeviceSecret":"topsecret"}',
    "object in a text field": b'{"provisionDeviceKey":"k","provisionDeviceSecret":{"a":"topsecret"}}',
    "array in a text field": b'{"provisionDeviceKey":"k","provisionDeviceSecret":["topsecret"]}',
    "unknown type": b'{"provisionDeviceKey":"k","provisionDeviceSecret":"s","credentialsType":"topsecret"}',
    "type in lower case": b'{"provisionDeviceKey":"k","provisionDeviceSecret":"s","credentialsType":"mqtt_basic"}',
    "protobuf": bytes.fromhex("0a056465762d311a0c0a046b657931120473656331"),
}


async def test_what_cannot_be_read_is_500_with_code_2_and_repeats_nothing(
    peer: HttpPeer, subtests: pytest.Subtests
) -> None:
    for name, body in MALFORMED.items():
        with subtests.test(name):
            answer = await peer.ask(http_request(body))

            error = answer.json()
            assert (answer.status, list(error)) == (500, ["status", "message", "errorCode", "timestamp"])
            assert (error["status"], error["errorCode"], error["timestamp"]) == (500, 2, NOW_MS)
            assert b"topsecret" not in answer.body


async def test_an_empty_body_is_400_with_code_31(peer: HttpPeer) -> None:
    answer = await peer.ask(http_request())

    assert answer.status == 400
    assert (answer.json()["status"], answer.json()["errorCode"]) == (400, 31)


async def test_a_missing_body_is_400_with_code_31(peer: HttpPeer) -> None:
    answer = await peer.ask(b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\n\r\n")

    assert (answer.status, answer.json()["errorCode"]) == (400, 31)


async def test_ht_10_no_other_method_does_anything(server: TestServer, demo: Profile, peer: HttpPeer) -> None:
    headers = ("x-http-method-override: POST", "x-method-override: POST")

    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"):
        answer = await peer.ask(http_request(encoded(demo.request("meter")), *headers, method=method))

        assert (answer.status, answer.headers["allow"]) == (405, "POST")
        assert answer.json() == {"status": 405, "message": "Method Not Allowed"}
    assert await server.device("meter") is None


async def test_ht_10_head_is_refused_without_a_body(peer: HttpPeer) -> None:
    await peer.send(b"HEAD /api/v1/provision HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")

    said = await peer.expect_closed()

    assert said.startswith(b"HTTP/1.1 405 ")
    assert said.endswith(b"\r\n\r\n")


async def test_ht_11_an_unknown_path_is_404_in_the_same_shape_and_reflects_nothing(peer: HttpPeer) -> None:
    for path in ("/", "/api/v1/provision/", "/api/v1/provision/x", "/%3Cscript%3E", "/docs"):
        answer = await peer.ask(http_request(b"{}", path=path))

        assert (answer.status, answer.json()) == (404, {"status": 404, "message": "Not Found"})


async def test_ht_5_a_forged_host_is_not_where_anything_points(peer: HttpPeer) -> None:
    forged = (b"POST %b HTTP/1.1\r\nhost: evil.example\r\nx-forwarded-host: evil.example\r\n"
              b"content-length: 2\r\n\r\n{}")  # fmt: skip

    for path in (b"/api/v1/provision", b"/api/v1/provision/", b"/api/v1//provision"):
        answer = await peer.ask(forged % path)

        assert "location" not in answer.headers
        assert b"evil" not in answer.body


async def test_ht_5_a_forged_address_does_not_lead_into_an_allowed_network(server: TestServer) -> None:
    elsewhere = await server.profile(
        "elsewhere", limits=ProfileLimits(allowed_networks=parse_networks(["192.0.2.0/24"]))
    )
    forged = ("x-forwarded-for: 192.0.2.1", "forwarded: for=192.0.2.1", "x-real-ip: 192.0.2.1")

    async with http_peer(server.http_port) as peer:
        answer = await peer.ask(http_request(encoded(elsewhere.request("meter")), *forged))

    assert answer.json()["status"] == "FAILURE"


async def test_a_body_of_64_kib_is_read_and_one_byte_more_is_413(demo: Profile, peer: HttpPeer) -> None:
    body = encoded(demo.request("meter"))
    largest = body + b" " * (65_536 - len(body))

    taken = await peer.ask(http_request(largest))
    refused = await peer.ask(http_request(largest + b" "))

    assert taken.json()["status"] == "SUCCESS"
    assert (refused.status, refused.json()["status"], refused.json()["errorCode"]) == (413, 413, 31)


async def test_a_chunked_body_is_read_and_above_64_kib_it_is_413(demo: Profile, server: TestServer) -> None:
    body = encoded(demo.request("meter"))
    head = b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"1000\r\n" + b" " * 0x1000 + b"\r\n"

    async with http_peer(server.http_port) as peer:
        taken = await peer.ask(head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        refused = await peer.ask(head + chunk * 17)

    assert taken.json()["status"] == "SUCCESS"
    assert (refused.status, refused.json()["errorCode"]) == (413, 31)


async def test_a_compressed_body_is_415(demo: Profile, server: TestServer) -> None:
    for encoding in ("gzip", "deflate", "br", "identity, gzip", "GZIP"):
        async with http_peer(server.http_port) as peer:
            answer = await peer.ask(http_request(encoded(demo.request()), f"content-encoding: {encoding}"))

        assert (answer.status, answer.json()["errorCode"]) == (415, 31)


async def test_a_body_compressed_in_transfer_is_415(peer: HttpPeer) -> None:
    answer = await peer.ask(
        b"POST /api/v1/provision HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"
    )

    assert answer.status == 415


async def test_ht_11_no_answer_names_the_software_or_may_be_sniffed(demo: Profile, server: TestServer) -> None:
    requests = [
        http_request(encoded(demo.request("meter"))),
        http_request(encoded(demo.request("meter"))),
        http_request(b"broken"),
        http_request(),
        http_request(b" " * 70_000),
        http_request(path="/nowhere"),
        http_request(method="DELETE"),
        b"GARBAGE\r\n\r\n",
    ]

    statuses = []
    for request in requests:
        async with http_peer(server.http_port) as peer:
            answer = await peer.ask(request)
        statuses.append(answer.status)
        assert "server" not in answer.headers
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
        assert b"uvicorn" not in answer.body
        assert b"firstboot" not in answer.body.lower()

    assert statuses == [200, 200, 500, 400, 413, 404, 405, 400]


async def test_answers_with_credentials_are_not_cached(demo: Profile, peer: HttpPeer) -> None:
    answer = await peer.ask(http_request(encoded(demo.request("meter"))))

    assert answer.headers["cache-control"] == "no-store"


async def test_java_s_offer_of_http_2_is_ignored_and_the_request_answered(demo: Profile, peer: HttpPeer) -> None:
    offer = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAABAAMAAABk")

    answer = await peer.ask(http_request(encoded(demo.request("meter")), *offer))

    assert answer.json()["status"] == "SUCCESS"


async def test_many_requests_on_one_connection_are_answered_in_order(demo: Profile, peer: HttpPeer) -> None:
    names = [f"meter-{number}" for number in range(5)]

    await peer.send(b"".join(http_request(encoded(demo.request(name, token=name))) for name in names))

    assert [(await peer.answer()).json()["credentialsValue"] for _ in names] == names
