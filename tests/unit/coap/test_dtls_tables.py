"""What the DTLS listener remembers of its clients, and for how long."""

from __future__ import annotations

from typing import cast

import pytest

from firstboot_plugins.transports.coap.dtls_hello import COOKIE_S, Cookies, Hello
from firstboot_plugins.transports.coap.dtls_session import Session
from firstboot_plugins.transports.coap.dtls_table import Sessions
from firstboot_plugins.transports.coap.peers import Peer

PEER = Peer("192.0.2.1", 5684)
HELLO = Hello(bytes(8), bytes(32), b"")


class Clock:
    now = 1000.0 * COOKIE_S

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class TestCookies:
    def test_one_is_good_for_a_while_and_no_longer(self, clock: Clock) -> None:
        cookies = Cookies(clock)
        said = HELLO._replace(cookie=cookies.new(HELLO, PEER))

        for passed, good in ((0.0, True), (COOKIE_S, True), (2 * COOKIE_S, False)):
            clock.now = Clock.now + passed
            assert cookies.fits(said, PEER) is good

    @pytest.mark.parametrize(
        ("hello", "peer"),
        [
            (HELLO, PEER._replace(address="192.0.2.2")),
            (HELLO, PEER._replace(port=5685)),
            (HELLO, PEER._replace(scope=1)),
            (HELLO._replace(random=bytes([1]) * 32), PEER),
        ],
        ids=["address", "port", "network", "random"],
    )
    def test_one_fits_to_nobody_else(self, clock: Clock, hello: Hello, peer: Peer) -> None:
        cookies = Cookies(clock)
        cookie = cookies.new(HELLO, PEER)

        assert cookies.fits(HELLO._replace(cookie=cookie), PEER)
        assert not cookies.fits(hello._replace(cookie=cookie), peer)
        assert not Cookies(clock).fits(HELLO._replace(cookie=cookie), PEER)  # after a start of the server


class TestSessions:
    @pytest.fixture
    def sessions(self, clock: Clock) -> Sessions:
        return Sessions(clock, most=4, most_of_an_address=2, longest_silence_s=10.0)

    def _add(self, sessions: Sessions, host: str, port: int) -> tuple[Session, list[Session]]:
        session = cast(Session, f"{host} {port}")  # the table only keeps it
        return session, sessions.add(Peer(host, port), session)

    def test_the_quietest_of_an_address_gives_way(self, sessions: Sessions) -> None:
        first, _ = self._add(sessions, "192.0.2.1", 1)
        second, _ = self._add(sessions, "192.0.2.1", 2)
        other, _ = self._add(sessions, "192.0.2.2", 1)
        sessions.touch(Peer("192.0.2.1", 1))

        third, gone = self._add(sessions, "192.0.2.1", 3)

        assert gone == [second]
        assert list(sessions) == [other, first, third]

    def test_the_addresses_of_one_ipv6_network_count_as_one(self, sessions: Sessions) -> None:
        first, _ = self._add(sessions, "2001:db8::1", 1)
        self._add(sessions, "2001:db8::2", 1)

        assert self._add(sessions, "2001:db8::3", 1)[1] == [first]

    def test_the_quietest_of_all_gives_way(self, sessions: Sessions) -> None:
        added = [self._add(sessions, f"192.0.2.{number}", 1)[0] for number in range(4)]

        assert self._add(sessions, "192.0.2.9", 1)[1] == [added[0]]
        assert len(sessions) == 4

    def test_a_new_session_of_a_peer_takes_the_place_of_the_former_one(self, sessions: Sessions) -> None:
        first, _ = self._add(sessions, "192.0.2.1", 1)

        assert self._add(sessions, "192.0.2.1", 1)[1] == [first]
        assert len(sessions) == 1

    def test_who_is_silent_for_too_long_is_forgotten(self, sessions: Sessions, clock: Clock) -> None:
        first, _ = self._add(sessions, "192.0.2.1", 1)
        second, _ = self._add(sessions, "192.0.2.2", 1)
        clock.now += 9.0
        sessions.touch(Peer("192.0.2.1", 1))
        clock.now += 1.0

        assert sessions.drop_silent() == [second]
        assert sessions.get(Peer("192.0.2.1", 1)) is first
        clock.now += 9.0
        assert sessions.drop_silent() == [first]
        assert sessions.drop_silent() == []
