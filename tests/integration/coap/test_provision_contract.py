"""``POST api/v1/provision`` over CoAP (ThingsBoard contract 2.4, 2.7, 2.8, 2.9 with the corrections of 7)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.harness import WAIT_S, Profile, TestServer, login, running
from tests.integration.coap.raw_coap import (
    PROVISION,
    CoapPeer,
    block,
    block2_of,
    coap_peer,
    coap_request,
)

from firstboot.hookspecs import hookimpl
from firstboot.model import ReprovisionPolicy
from firstboot_plugins.transports.coap.messages import Code, Message, Option, Type, empty

NOT_FOUND = b'{"errorMsg":"Provision data was not found!","status":"NOT_FOUND"}'
FAILURE = b'{"errorMsg":"Failed to provision device!","status":"FAILURE"}'
TEXT_PLAIN = ((int(Option.CONTENT_FORMAT), b""),)


@pytest.mark.parametrize("path", [PROVISION, "api/v1/any-token/provision", "api/v1/provision/provision"])
async def test_success_is_2_01_with_the_contract_s_text(
    server: TestServer, demo: Profile, peer: CoapPeer, path: str
) -> None:
    answer = await peer.post(path, demo.request("meter", token="own-token"))

    assert (answer.type, answer.code, answer.options) == (Type.ACK, Code.CREATED, TEXT_PLAIN)
    assert answer.payload == (
        b'{"credentialsValue":"own-token","credentialsType":"ACCESS_TOKEN","status":"SUCCESS"}'
    )
    assert await login(server, username="own-token") == 0


async def test_what_is_decided_against_the_device_is_4_00_with_its_status(demo: Profile, peer: CoapPeer) -> None:
    unknown = await peer.provision({**demo.request("m"), "provisionDeviceKey": "other"})
    wrong = await peer.provision({**demo.request("m"), "provisionDeviceSecret": "other"})
    blank = await peer.provision(demo.request("  "))

    for answer, payload in ((unknown, NOT_FOUND), (wrong, NOT_FOUND), (blank, FAILURE)):
        assert (answer.code, answer.payload, answer.options) == (Code.BAD_REQUEST, payload, TEXT_PLAIN)


@pytest.mark.parametrize(
    "body",
    [
        b"provisionDeviceKey=k",
        b'"x"',
        b'{"provisionDeviceSecret":"topsecret"}',
        b'{"provisionDeviceKey":"k","provisionDeviceSecret":{"a":"topsecret"}}',
        b'{"provisionDeviceKey":"k","provisionDeviceSecret":"s","credentialsType":"topsecret"}',
        b"\x10\x09",
    ],
    ids=["no JSON", "a text", "no key", "object in a text field", "unknown type", "unknown number of a type"],
)
async def test_what_cannot_be_read_is_4_00_without_a_payload(peer: CoapPeer, body: bytes) -> None:
    answer = await peer.ask(Code.POST, PROVISION, body)

    assert (answer.code, answer.payload, answer.options) == (Code.BAD_REQUEST, b"", ())


async def test_pc_1_protobuf_is_answered_in_protobuf_without_a_format(server: TestServer, peer: CoapPeer) -> None:
    await server.profile("pb", key="key1", secret="sec1-and-more-of-it")
    known = bytes.fromhex("0a056465762d311a1b0a046b6579311213") + b"sec1-and-more-of-it"
    with_token = known + bytes.fromhex("220c0a0a0a08") + b"TOKEN123"

    made = await peer.ask(Code.POST, PROVISION, with_token)
    again = await peer.ask(Code.POST, PROVISION, with_token)
    unknown = await peer.ask(Code.POST, PROVISION, bytes.fromhex("0a056465762d311a0c0a046b657931120473656331"))
    no_body = await peer.ask(Code.POST, PROVISION)
    as_json = await peer.provision({"provisionDeviceKey": "key1", "provisionDeviceSecret": "wrong"})

    assert (made.code, made.payload.hex(), made.options) == (
        Code.CREATED, "08011a08544f4b454e313233", (),
    )  # fmt: skip
    assert (again.code, again.payload.hex()) == (Code.BAD_REQUEST, "0803")
    assert (unknown.code, unknown.payload.hex()) == (Code.BAD_REQUEST, "0802")
    assert (no_body.code, no_body.payload.hex()) == (Code.BAD_REQUEST, "0802")
    assert as_json.payload == NOT_FOUND


async def test_pc_1_the_format_that_the_request_names_does_not_matter(demo: Profile, peer: CoapPeer) -> None:
    for number in (b"", b"\x32", b"\x2a", b"\xff\xff"):
        answer = await peer.provision(demo.request(), options=((Option.CONTENT_FORMAT, number),))

        assert answer.code == Code.CREATED


class _Thoughtful:
    """A plugin that takes its time."""

    FIRSTBOOT_API = 1

    def __init__(self) -> None:
        self.may_go_on = asyncio.Event()

    @hookimpl
    async def firstboot_device_provisioning(self, request: object, proposal: object) -> None:
        await self.may_go_on.wait()


async def test_pc_3_an_answer_that_takes_long_comes_after_an_acknowledgement(tmp_path: Path) -> None:
    plugin = _Thoughtful()
    async with running(tmp_path, plugins={"slow": plugin}) as server, coap_peer(server.coap_port) as peer:
        demo = await server.profile()
        data = coap_request(Code.POST, PROVISION, json.dumps(demo.request("m")).encode(), message_id=7).encode()
        peer.send(data)

        acknowledgement = await peer.hear()
        peer.send(data)
        once_more = await peer.hear()
        plugin.may_go_on.set()
        answer = await peer.hear()
        peer.send(empty(Type.ACK, answer.id))

    assert acknowledgement == once_more == Message(Type.ACK, Code.EMPTY, 7)
    assert (answer.type, answer.code, answer.token) == (Type.CON, Code.CREATED, b"t")


async def test_pc_4_a_certificate_is_sent_and_answered_in_blocks(demo: Profile, peer: CoapPeer) -> None:
    text = "MIIB" + "A" * 3000
    body = json.dumps(demo.request("m", credentialsType="X509_CERTIFICATE", hash=text)).encode()
    last = (len(body) - 1) // 512
    for number in range(last):
        part = body[number * 512 : number * 512 + 512]
        value = block(number, True, 5)
        more = await peer.ask(Code.POST, PROVISION, part, options=((Option.BLOCK1, value),))
        assert (more.code, more.options, more.payload) == (Code.CONTINUE, ((27, value),), b"")

    value = block(last, False, 5)
    answer = await peer.ask(Code.POST, PROVISION, body[last * 512 :], options=((Option.BLOCK1, value),))
    assert (Option.BLOCK1, value) in answer.options
    received = answer.payload
    while (part := block2_of(answer)) is not None and part.more:
        wanted = block(part.number + 1, False, part.size_exponent)
        answer = await peer.ask(Code.POST, PROVISION, options=((Option.BLOCK2, wanted),))
        received += answer.payload

    assert answer.code == Code.CREATED
    assert json.loads(received) == {
        "credentialsValue": text, "credentialsType": "X509_CERTIFICATE", "status": "SUCCESS",
    }  # fmt: skip


async def test_pc_5_no_other_method_provisions(server: TestServer, demo: Profile, peer: CoapPeer) -> None:
    body = json.dumps(demo.request("m")).encode()

    codes = [(await peer.ask(method, PROVISION, body)).code for method in (Code.GET, Code.PUT, Code.DELETE)]

    assert codes == [Code.BAD_REQUEST, Code.METHOD_NOT_ALLOWED, Code.METHOD_NOT_ALLOWED]
    assert await server.device("m") is None


async def test_a_request_that_wants_no_confirmation_gets_an_answer_without_one(
    demo: Profile, peer: CoapPeer
) -> None:
    answer = await peer.provision(demo.request("m"), type_=Type.NON)

    assert (answer.type, answer.code) == (Type.NON, Code.CREATED)


async def test_pv_9_a_request_that_comes_again_is_not_executed_again(
    server: TestServer, demo: Profile, peer: CoapPeer
) -> None:
    data = coap_request(Code.POST, PROVISION, json.dumps(demo.request("m")).encode(), message_id=9).encode()

    answers = []
    for _ in range(3):
        peer.send(data)
        answers.append(await peer.receive())

    assert len(set(answers)) == 1
    assert json.loads(answers[0].partition(b"\xff")[2])["status"] == "SUCCESS"
    assert [row.entry.event for row in await server.audit()].count("device-provisioned") == 1


async def test_pv_9_a_request_that_comes_again_at_once_makes_one_device(
    server: TestServer, demo: Profile, peer: CoapPeer
) -> None:
    data = coap_request(Code.POST, PROVISION, json.dumps(demo.request("m")).encode(), message_id=9).encode()

    for _ in range(5):
        peer.send(data)
    answer = await peer.hear()
    await peer.ping()

    assert answer.code == Code.CREATED
    assert [row.entry.event for row in await server.audit()].count("device-provisioned") == 1


async def test_the_same_number_with_another_request_is_another_request(demo: Profile, peer: CoapPeer) -> None:
    """CO-5: a peer that sends much has used all numbers before their time is over."""
    for name in ("one", "two"):
        peer.send(coap_request(Code.POST, PROVISION, json.dumps(demo.request(name)).encode(), message_id=9))

        assert (await peer.hear()).code == Code.CREATED


async def test_pv_5_of_fifty_requests_for_one_name_one_succeeds(tmp_path: Path, database: str | None) -> None:
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()

        async def ask() -> Code:
            async with coap_peer(server.coap_port) as peer:
                return Code((await peer.provision(demo.request("m"))).code)

        codes = await asyncio.gather(*(ask() for _ in range(50)))

    assert sorted(codes) == [Code.CREATED] + [Code.BAD_REQUEST] * 49


class TestConfirmedDelivery:
    """PV-6: whoever has acknowledged the answer is not given it a second time."""

    @pytest.fixture
    async def demo(self, server: TestServer) -> Profile:
        return await server.profile(reprovision=ReprovisionPolicy.RETRY)

    async def _answer(self, peer: CoapPeer, demo: Profile) -> Message:
        peer.send(coap_request(Code.POST, PROVISION, json.dumps(demo.request("m")).encode(), message_id=3))
        assert await peer.hear() == Message(Type.ACK, Code.EMPTY, 3)
        answer = await peer.hear()
        assert (answer.type, answer.code, answer.token) == (Type.CON, Code.CREATED, b"t")
        return answer

    async def test_pv_6_an_acknowledged_answer_is_not_given_again(
        self, server: TestServer, demo: Profile, peer: CoapPeer
    ) -> None:
        async def delivered() -> bool:
            device = await server.device("m")
            return device is not None and device.delivered_at_ms is not None

        answer = await self._answer(peer, demo)

        peer.send(empty(Type.ACK, answer.id))

        async with asyncio.timeout(WAIT_S):
            while not await delivered():  # noqa: ASYNC110 -- the database has no event for it
                await asyncio.sleep(0)
        assert (await peer.provision(demo.request("m"))).payload == FAILURE

    async def test_pv_6_an_answer_that_was_lost_is_given_again(
        self, server: TestServer, demo: Profile, peer: CoapPeer
    ) -> None:
        answer = await self._answer(peer, demo)

        async with coap_peer(server.coap_port) as rebooted:
            again = await rebooted.provision(demo.request("m"))

        assert (again.code, again.payload) == (Code.CREATED, answer.payload)

    async def test_pv_6_a_rejected_answer_is_given_again(
        self, server: TestServer, demo: Profile, peer: CoapPeer
    ) -> None:
        answer = await self._answer(peer, demo)
        peer.send(empty(Type.RST, answer.id))
        await peer.ping()

        again = await peer.provision(demo.request("m"))

        assert (again.code, again.payload) == (Code.CREATED, answer.payload)


async def test_a_server_whose_database_is_away_says_when_to_ask_again(
    server: TestServer, demo: Profile, peer: CoapPeer
) -> None:
    await server.services.provisioning.finish()

    answer = await peer.provision(demo.request("m"))

    assert answer.code == Code.SERVICE_UNAVAILABLE
    assert int.from_bytes(answer.first(Option.MAX_AGE) or b"") > 0
