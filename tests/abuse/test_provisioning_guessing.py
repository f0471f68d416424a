"""PV-1, PV-2: guessing keys and secrets is slow for the guesser, and costs nobody else anything."""

from __future__ import annotations

import hmac
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from tests.harness import TestServer, running
from tests.integration.http.raw_http import http_peer, http_request
from tests.integration.provisioning.asking import ask_all, refusals, statuses
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot import profile_directory
from firstboot.keyring import Keyring
from firstboot.throttle import FailureThrottle


async def test_pv_1_secrets_are_drawn_with_at_least_128_bits(server: TestServer) -> None:
    made = [await server.profile(f"p{number}") for number in range(3)]

    # 25 of 36 characters are 129 bits.
    assert all(re.fullmatch("[a-z0-9]{25,}", profile.secret) for profile in made)
    assert len({profile.secret for profile in made} | {profile.key for profile in made}) == 6


async def test_pv_1_an_unknown_key_and_a_wrong_secret_get_the_same_bytes(server: TestServer) -> None:
    demo = await server.profile()
    unknown = {**demo.request("meter"), "provisionDeviceKey": "x" * len(demo.key)}
    wrong = {**demo.request("meter"), "provisionDeviceSecret": "x" * len(demo.secret)}

    said = []
    for request in (unknown, wrong):
        async with http_peer(server.http_port) as peer:
            await peer.send(http_request(json.dumps(request).encode(), "connection: close"))
            said.append(re.sub(rb"date: [^\r]*", b"", await peer.expect_closed()))

    assert said[0] == said[1]


async def test_pv_1_an_unknown_key_and_a_wrong_secret_take_the_same_steps(
    server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    demo = await server.profile()
    steps: list[tuple[Any, ...]] = []
    digest, compare = Keyring.digest, hmac.compare_digest

    def counted_digest(self: Keyring, purpose: str, text: str) -> bytes:
        steps.append(("digest", purpose))
        return digest(self, purpose, text)

    def counted_compare(one: bytes, other: bytes) -> bool:
        steps.append(("compare", len(one), len(other)))
        return compare(one, other)

    monkeypatch.setattr(Keyring, "digest", counted_digest)
    monkeypatch.setattr(profile_directory.hmac, "compare_digest", counted_compare)

    await server.post({**demo.request("meter"), "provisionDeviceKey": "x"})
    for_unknown_key = [*steps]
    steps.clear()
    await server.post({**demo.request("meter"), "provisionDeviceSecret": "x"})

    assert steps == for_unknown_key
    assert [step[0] for step in steps].count("compare") == 2


async def test_pv_2_after_many_wrong_guesses_right_secrets_from_the_same_address_are_served_at_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "firstboot")
    clock = FakeClock()
    settings = {"failures_per_minute": 5, "failure_delay": "10ms"}
    recorded: list[tuple[str, ...]] = []
    record = FailureThrottle.record

    def noted(self: FailureThrottle, *sources: str) -> object:
        recorded.append(sources)
        return record(self, *sources)

    monkeypatch.setattr(FailureThrottle, "record", noted)
    async with running(tmp_path, clock=clock.clock, provisioning=settings) as server:
        demo = await server.profile()
        wrong = {**demo.request("meter"), "provisionDeviceSecret": "wrong"}

        guesses = await ask_all(*[(server, wrong)] * 200)
        right = await ask_all(*((server, demo.request(f"meter-{number}")) for number in range(50)))
        assert recorded == [("address 127.0.0.1", "profile demo")] * 200, "who is right never meets the throttle"
        clock.advance(61)
        await server.post(wrong)
        rows = await refusals(server)

    assert {*statuses(guesses)} == {"NOT_FOUND"}
    assert {*statuses(right)} == {"SUCCESS"}
    assert rows == ["wrong-secret"] * 6, "five of the flood, and the one a minute later"
    lines = [record.message for record in caplog.records]
    assert lines.count("device refused") == 6
    summaries = [record.__dict__ for record in caplog.records if record.levelno == logging.WARNING]
    assert [(line["source"], line["failures"], line["not_reported"]) for line in summaries] == [
        ("address 127.0.0.1", 200, 195)
    ]


async def test_pv_2_guessing_switches_no_profile_off(tmp_path: Path) -> None:
    async with running(tmp_path, provisioning={"failures_per_minute": 1, "failure_delay": "1ms"}) as server:
        demo = await server.profile()
        wrong = {**demo.request("meter"), "provisionDeviceSecret": "wrong"}

        await ask_all(*[(server, wrong)] * 100)

        assert await server.device("meter") is None
        assert (await server.post(demo.request("meter")))["status"] == "SUCCESS"


async def test_pv_2_refusals_of_every_kind_are_slowed_down(tmp_path: Path) -> None:
    async with running(tmp_path, provisioning={"failures_per_minute": 4, "failure_delay": "1ms"}) as server:
        demo = await server.profile()
        await server.post(demo.request("meter"))

        for _ in range(3):
            await server.post(demo.request("meter"))
            await server.post({**demo.request("x"), "provisionDeviceKey": "unknown"})
            async with http_peer(server.http_port) as peer:
                await peer.ask(http_request(b"no request"))

        assert await refusals(server) == ["name-taken", "unknown-key", "bad-request", "name-taken"]
