"""What is kept of peers stays within its bounds (threats CO-1, CO-2, CO-3)."""

from __future__ import annotations

import pytest
from tests.integration.coap.raw_coap import block, coap_request
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot_plugins.transports.coap import peers, rates
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.deliveries import EXCHANGE_LIFETIME_S
from firstboot_plugins.transports.coap.exchanges import Exchange, Exchanges
from firstboot_plugins.transports.coap.kept import Kept
from firstboot_plugins.transports.coap.messages import Code, Message, Option
from firstboot_plugins.transports.coap.peers import Peer, Verified
from firstboot_plugins.transports.coap.rates import Rates
from firstboot_plugins.transports.coap.replies import Answered
from firstboot_plugins.transports.coap.uploads import Uploads

HERE = Peer("192.0.2.1", 5683)
ELSEWHERE = Peer("192.0.2.1", 5684)


@pytest.fixture
def time() -> FakeClock:
    return FakeClock()


class TestKept:
    def kept(self, time: FakeClock) -> Kept[str, str]:
        return Kept(time.clock.monotonic, life_s=10, most=3, most_bytes=100)

    def test_what_is_kept_is_found(self, time: FakeClock) -> None:
        kept = self.kept(time)
        kept.put("a", "value", 10)

        assert (kept.get("a"), kept.get("b"), len(kept), kept.size) == ("value", None, 1, 10)

    def test_what_is_too_old_is_forgotten(self, time: FakeClock) -> None:
        kept = self.kept(time)
        kept.put("a", "value", 10)
        time.advance(10)
        kept.put("b", "value", 10)

        assert (kept.get("a"), list(kept), kept.size) == (None, ["b"], 10)

    def test_of_too_many_the_oldest_is_forgotten(self, time: FakeClock) -> None:
        kept = self.kept(time)
        for key in "abcd":
            kept.put(key, "value", 1)

        assert (list(kept), kept.size) == (["b", "c", "d"], 3)

    def test_of_too_much_the_oldest_is_forgotten(self, time: FakeClock) -> None:
        kept = self.kept(time)
        kept.put("a", "value", 10)
        kept.put("b", "value", 10)
        kept.resize("b", 95)

        assert (list(kept), kept.size) == (["b"], 95)

    def test_what_is_larger_than_everything_is_not_kept(self, time: FakeClock) -> None:
        kept = self.kept(time)
        kept.put("a", "value", 101)

        assert (list(kept), kept.size) == ([], 0)

    def test_a_new_value_takes_the_place_of_the_former_one(self, time: FakeClock) -> None:
        kept = self.kept(time)
        kept.put("a", "old", 10)
        kept.put("a", "new", 20)
        kept.resize("gone", 50)

        assert (kept.get("a"), kept.size, kept.drop("a"), kept.drop("a"), kept.size) == ("new", 20, "new", None, 0)


class TestRates:
    def test_co_2_an_address_may_send_its_burst_and_then_its_rate(self, time: FakeClock) -> None:
        counted = Rates(2, 5, time.clock.monotonic)

        at_once = [counted.take("192.0.2.1") for _ in range(7)]
        time.advance(1)
        later = [counted.take("192.0.2.1") for _ in range(3)]

        assert at_once == [True] * 5 + [False] * 2
        assert later == [True, True, False]

    def test_co_2_one_address_costs_no_other(self, time: FakeClock) -> None:
        counted = Rates(1, 1, time.clock.monotonic)

        assert counted.take("192.0.2.1")
        assert not counted.take("192.0.2.1")
        assert counted.take("192.0.2.2")

    def test_co_2_a_network_of_ipv6_is_one_address(self, time: FakeClock) -> None:
        counted = Rates(1, 1, time.clock.monotonic)

        assert counted.take("2001:db8::1")
        assert not counted.take("2001:db8::2")
        assert counted.take("2001:db8:0:1::1")

    def test_co_2_of_too_many_addresses_the_least_recent_is_forgotten(
        self, time: FakeClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rates, "MAX_SOURCES", 10)
        counted = Rates(1, 1, time.clock.monotonic)

        for number in range(100):
            counted.take(f"192.0.2.{number}")

        assert len(counted) == 10


class TestVerified:
    def test_co_1_a_challenge_verifies_whoever_got_it(self, time: FakeClock) -> None:
        verified = Verified(time.clock.monotonic)
        value = verified.challenge(HERE)

        assert HERE not in verified
        assert verified.check(HERE, value)
        assert HERE in verified
        assert ELSEWHERE not in verified

    @pytest.mark.parametrize("value", [b"", b"x", bytes(16), bytes(40)])
    def test_co_1_made_up_values_verify_nobody(self, time: FakeClock, value: bytes) -> None:
        verified = Verified(time.clock.monotonic)

        assert not verified.check(HERE, value)

    def test_co_1_a_challenge_is_no_good_for_others_or_in_another_server(self, time: FakeClock) -> None:
        verified, other = Verified(time.clock.monotonic), Verified(time.clock.monotonic)

        assert not verified.check(ELSEWHERE, verified.challenge(HERE))
        assert not other.check(HERE, verified.challenge(HERE))

    def test_co_1_a_challenge_and_its_effect_end(self, time: FakeClock) -> None:
        verified = Verified(time.clock.monotonic)
        early, late = verified.challenge(HERE), verified.challenge(HERE)
        assert verified.check(HERE, early)

        time.advance(max(peers.ECHO_S + 1, peers.VERIFIED_S))

        assert HERE not in verified
        assert not verified.check(HERE, late)


class TestUploads:
    def uploads(self, time: FakeClock, **settings: int) -> Uploads:
        return Uploads(CoapConfig(**settings), time.clock.monotonic)  # type: ignore[arg-type]

    def part(
        self, number: int, payload: bytes, *, more: bool = True, path: str = "p", tag: bytes = b""
    ) -> Message:
        options = ((Option.BLOCK1, block(number, more, 0)), (Option.REQUEST_TAG, tag))
        return coap_request(Code.POST, path, payload, options=options)

    def refused(self, uploads: Uploads, part: Message, peer: Peer = HERE) -> Code:
        with pytest.raises(Answered) as caught:
            uploads.take(part, peer, len(part.payload))
        return caught.value.reply.code

    def test_co_3_blocks_become_one_body(self, time: FakeClock) -> None:
        uploads = self.uploads(time)

        assert self.refused(uploads, self.part(0, b"a" * 16)) == Code.CONTINUE
        assert self.refused(uploads, self.part(1, b"b" * 16)) == Code.CONTINUE
        assert uploads.take(self.part(2, b"c", more=False), HERE, 1) == (b"a" * 16 + b"b" * 16 + b"c", 33)
        assert len(uploads) == 0

    def test_a_block_that_comes_twice_counts_once(self, time: FakeClock) -> None:
        uploads = self.uploads(time)
        for number, payload in ((0, b"a" * 16), (1, b"b" * 16), (1, b"b" * 16)):
            assert self.refused(uploads, self.part(number, payload)) == Code.CONTINUE

        assert uploads.take(self.part(2, b"c", more=False), HERE, 1)[0] == b"a" * 16 + b"b" * 16 + b"c"

    @pytest.mark.parametrize(("number", "payload"), [(2, b"x" * 16), (0, b"short"), (1, b"short"), (1, b"x" * 17)])
    def test_co_3_a_block_that_does_not_fit_ends_the_upload(
        self, time: FakeClock, number: int, payload: bytes
    ) -> None:
        uploads = self.uploads(time)
        self.refused(uploads, self.part(0, b"a" * 16))

        code = self.refused(uploads, self.part(number, payload))

        assert code in (Code.REQUEST_ENTITY_INCOMPLETE, Code.BAD_REQUEST)
        assert len(uploads) == 0

    def test_co_3_blocks_of_others_and_of_other_requests_do_not_mix(self, time: FakeClock) -> None:
        uploads = self.uploads(time)
        self.refused(uploads, self.part(0, b"a" * 16))

        assert self.refused(uploads, self.part(1, b"b" * 16), ELSEWHERE) == Code.REQUEST_ENTITY_INCOMPLETE
        assert self.refused(uploads, self.part(1, b"b" * 16, path="q")) == Code.REQUEST_ENTITY_INCOMPLETE
        assert self.refused(uploads, self.part(1, b"b" * 16, tag=b"2")) == Code.REQUEST_ENTITY_INCOMPLETE
        assert self.refused(uploads, self.part(1, b"b" * 16)) == Code.CONTINUE

    def test_co_3_a_body_has_its_limit(self, time: FakeClock) -> None:
        uploads = self.uploads(time, max_body=20)
        announced = coap_request(
            Code.POST, "p", b"a" * 16, options=((Option.BLOCK1, block(0, True, 0)), (Option.SIZE1, b"\x15"))
        )

        assert self.refused(uploads, announced) == Code.REQUEST_ENTITY_TOO_LARGE
        assert self.refused(uploads, coap_request(Code.POST, "p", b"a" * 21)) == Code.REQUEST_ENTITY_TOO_LARGE
        assert self.refused(uploads, self.part(0, b"a" * 16)) == Code.CONTINUE
        assert self.refused(uploads, self.part(1, b"b" * 16)) == Code.REQUEST_ENTITY_TOO_LARGE
        assert len(uploads) == 0

    def test_co_3_an_upload_has_its_time(self, time: FakeClock) -> None:
        uploads = self.uploads(time)
        self.refused(uploads, self.part(0, b"a" * 16))

        time.advance(30)

        assert self.refused(uploads, self.part(1, b"b" * 16)) == Code.REQUEST_ENTITY_INCOMPLETE

    def test_co_3_of_too_many_uploads_of_one_address_the_oldest_starts_again(self, time: FakeClock) -> None:
        uploads = self.uploads(time, max_uploads_per_address=2)
        for path in "abc":
            self.refused(uploads, self.part(0, b"x" * 16, path=path))

        assert len(uploads) == 2
        assert self.refused(uploads, self.part(1, b"x" * 16, path="a")) == Code.REQUEST_ENTITY_INCOMPLETE
        assert self.refused(uploads, self.part(1, b"x" * 16, path="c")) == Code.CONTINUE

    def test_co_3_of_too_many_uploads_in_all_the_newest_is_told_to_come_again(self, time: FakeClock) -> None:
        uploads = self.uploads(time, max_uploads=2)
        codes = [
            self.refused(uploads, self.part(0, b"x" * 16), Peer(f"192.0.2.{number}", 1)) for number in range(3)
        ]

        assert codes == [Code.CONTINUE, Code.CONTINUE, Code.SERVICE_UNAVAILABLE]


class TestExchanges:
    def exchanges(self, time: FakeClock, sent: list[bytes], **settings: int) -> Exchanges:
        config = CoapConfig(**settings)  # type: ignore[arg-type]
        return Exchanges(config, lambda data, peer: sent.append(data), time.clock.monotonic)

    def begin(self, exchanges: Exchanges, number: int, payload: bytes = b"", peer: Peer = HERE) -> Exchange | None:
        message = coap_request(Code.POST, "p", payload, message_id=number)
        return exchanges.begin(message, peer, message.encode())

    def test_pv_9_the_same_request_gets_the_same_answer(self, time: FakeClock) -> None:
        sent: list[bytes] = []
        exchanges = self.exchanges(time, sent)
        exchange = self.begin(exchanges, 1)
        assert exchange is not None

        before = self.begin(exchanges, 1)
        exchanges.answer(exchange, b"answer")
        after = self.begin(exchanges, 1)

        assert (before, after, sent) == (None, None, [b"answer", b"answer"])

    def test_pv_9_another_peer_another_number_or_another_request_is_new(self, time: FakeClock) -> None:
        exchanges = self.exchanges(time, [])
        self.begin(exchanges, 1)

        assert self.begin(exchanges, 1, peer=ELSEWHERE) is not None
        assert self.begin(exchanges, 2) is not None
        assert self.begin(exchanges, 1, b"another") is not None

    def test_pv_9_after_its_time_a_number_is_new(self, time: FakeClock) -> None:
        exchanges = self.exchanges(time, [])
        self.begin(exchanges, 1)

        time.advance(EXCHANGE_LIFETIME_S)

        assert self.begin(exchanges, 1) is not None

    def test_co_2_only_so_many_are_remembered(self, time: FakeClock) -> None:
        exchanges = self.exchanges(time, [], max_remembered=100)
        for number in range(1000):
            assert self.begin(exchanges, number) is not None

        assert len(exchanges) == 100

    def test_co_2_only_so_many_bytes_are_remembered(self, time: FakeClock) -> None:
        exchanges = self.exchanges(time, [], max_remembered_bytes=100_000)
        for number in range(1000):
            exchange = self.begin(exchanges, number)
            assert exchange is not None
            exchanges.answer(exchange, bytes(1000))

        assert 0 < exchanges.size <= 100_000
