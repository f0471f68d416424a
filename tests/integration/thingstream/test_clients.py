"""Answers read as the programs of devices read them: with their buffers, searches and checks (contract 6)."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.integration.thingstream.fleet import Fleet
from tests.integration.thingstream.rovers import (
    ASSISTNOW,
    MAC,
    POINTPERFECT,
    UNIQUE_ID,
    VERSION,
    corrections,
)

DAY_MS = 86_400_000
PEM_BUFFER, ID_BUFFER = 2000, 128
"""Of C programs: one byte is for the end of the text."""


def copied(text: str, buffer: int) -> str:
    """Copy a text as C programs do, which cut what does not fit."""
    return text[: buffer - 1]


class HighPrecisionBoard:
    """The vendor's own program for its boards: a typed reader that wants all there is, and 6000 bytes at most."""

    def __init__(self, body: bytes) -> None:
        assert len(body) < 6000
        told = json.loads(body)
        self.certificate = copied(told["certificate"], PEM_BUFFER)
        self.key = copied(told["privateKey"], PEM_BUFFER)
        self.client_id = copied(told["clientId"], ID_BUFFER)
        self.host = copied(told["brokerHost"], ID_BUFFER)
        for flag in ("supportsMqtt", "supportsLband"):
            assert told[flag] is True or told[flag] is False
        self.days = {}
        for name in ("current", "next"):
            key = told["dynamickeys"][name]
            assert re.fullmatch(r"[0-9a-fA-F]{32}", key["value"])
            self.days[name] = key["duration"] / DAY_MS
        self.topics = {each["description"]: each["path"] for each in told["subscriptions"]}

    def topic(self, words: str) -> str:
        """Return the first topic whose description has these words."""
        return next(path for description, path in self.topics.items() if words in description)


class TorchSketch:
    """An Arduino sketch: a pool of 8192 bytes for the JSON, and topics told from each other by words."""

    POOL = 8192

    def __init__(self, body: bytes) -> None:
        assert len(body) < self.POOL
        told: dict[str, Any] = json.loads(body)
        self.certificate, self.key = str(told["certificate"]), str(told["privateKey"])
        keys = told["dynamickeys"]
        self.start, self.next_start = int(keys["current"]["start"]), int(keys["next"]["start"])
        self.duration = int(keys["current"]["duration"])
        self.regional: list[str] = []
        self.key_topic = ""
        for each in told["subscriptions"]:
            if "key distribution" in each["description"]:
                self.key_topic = each["path"]
            elif "L-band + IP correction topic for" in each["description"]:
                self.regional.append(each["path"])


class ZtpScript:
    """A script that looks for the topics by place and path, and asks again when a refusal is not final."""

    FINAL = ("already registered", "no plan", "not whitelisted")

    @classmethod
    def retries(cls, text: str) -> bool:
        return not any(words in text.lower() for words in cls.FINAL)


def assistnow_client(status: int, body: bytes) -> tuple[str, list[str], str] | None:
    """Read an answer of AssistNow in at most 8191 bytes; None: it goes to the other service on 403."""
    assert len(body) < 8192
    if status == 403:
        return None
    assert status == 200
    told = json.loads(body)
    assert isinstance(told["allowedData"], str)
    assert 0 < len(told["chipcode"]) <= 512
    return told["chipcode"], told["allowedData"].split(","), told["serviceUrl"]


async def test_the_vendor_s_board_and_the_sketch_read_all_that_they_need(fleet: Fleet) -> None:
    profile = await corrections(fleet)
    # The bytes of the board, and those of the sketch.
    board_body = b'{"tags":["ztp"],"token":"%b","hardwareId":"f412fa001122","givenName":"xplr-hpg"}'
    sketch_body = b'{"token":"%b","givenName":"Torch 1.1 - 64B7088E45A002","hardwareId":"64B7088E45A002"}'
    token = profile.token.encode()

    board_answer = await fleet.ask(board_body % token, path=POINTPERFECT)
    sketch_answer = await fleet.ask(sketch_body % token, path=POINTPERFECT)

    board = HighPrecisionBoard(board_answer.content)
    assert board.certificate.endswith("-----END CERTIFICATE-----\n")
    assert board.key.endswith("-----END RSA PRIVATE KEY-----\n")
    assert (len(board.client_id), board.host) == (36, "localhost")
    assert board.days == {"current": 28, "next": 28}
    assert board.topic("key distribution topic") == "/pp/ubx/0236/Lb"
    assert board.topic("AssistNow") == "/pp/ubx/mga"
    assert board.topic("correction topic for EU") == "/pp/Lb/eu"
    assert board.topic("geographic area definition") == "/pp/Lb/eu/gad"
    assert board.topic("high-precision atmosphere correction") == "/pp/Lb/eu/hpac"
    assert board.topic("GNSS orbit, clocks and bias") == "/pp/Lb/eu/ocb"
    assert board.topic("GNSS clock") == "/pp/Lb/eu/clk"
    assert board.topic("frequencies") == "/pp/frequencies/Lb"
    sketch = TorchSketch(sketch_answer.content)
    assert (sketch.key_topic, sketch.regional) == ("/pp/ubx/0236/Lb", ["/pp/Lb/eu"])
    assert sketch.next_start == sketch.start + sketch.duration
    name = (await fleet.call("GET", "/things", hardwareId="64B7088E45A002"))["things"][0]["name"]
    assert name == "Torch 1.1 - 64B7088E45A002"


async def test_a_client_that_prints_refusals_knows_which_are_final(fleet: Fleet) -> None:
    mine, other = await corrections(fleet), await corrections(fleet, "other")
    listed = await corrections(fleet, "listed", hardwareCodes=["X"])
    idle = await corrections(fleet, "idle", autoActivate=False)
    await fleet.ask({"token": mine.token, "hardwareId": MAC}, path=POINTPERFECT)

    final = [
        await fleet.ask({"token": each.token, "hardwareId": hardware}, path=POINTPERFECT)
        for each, hardware in ((other, MAC), (listed, "Y"), (idle, "Z"))
    ]
    others = [
        await fleet.ask(body, path=POINTPERFECT)
        for body in (b"x", {"hardwareId": MAC}, {"token": "aabbccdd-0011-2233-0a0b-0c0d00010203"})
    ]

    assert [each.status_code for each in final] == [403] * 3
    assert not any(ZtpScript.retries(each.text) for each in final)
    assert [(each.status_code, ZtpScript.retries(each.text)) for each in others] == [
        (400, True), (400, True), (403, True),
    ]  # fmt: skip


async def test_an_assistnow_client_gets_its_chipcode_or_goes_to_the_other_service(fleet: Fleet) -> None:
    profile = await fleet.profile("receivers", deviceType="AssistNow")
    body = b'{"token":"%b","messages":{"UBX-SEC-UNIQID":"%b","UBX-MON-VER":"%b"}}'
    frames = UNIQUE_ID.encode(), VERSION.encode()

    good = await fleet.ask(body % (profile.token.encode(), *frames), path=ASSISTNOW)
    bad = await fleet.ask(body % (b"aabbccdd-0011-2233-0a0b-0c0d00010203", *frames), path=ASSISTNOW)

    read = assistnow_client(good.status_code, good.content)
    assert read is not None
    assert read[1] == ["ulorb_l1", "uporb_7", "ualm"]
    assert assistnow_client(bad.status_code, bad.content) is None
