"""Room for peers that have not proven anything yet (threat MQ-4)."""

from __future__ import annotations

from firstboot_plugins.transports.mqtt.crowd import Crowd


class Stranger:
    def __init__(self, address: str = "192.0.2.1") -> None:
        self.address = address
        self.dropped = False

    def drop(self) -> None:
        self.dropped = True


def admit(crowd: Crowd, *peers: Stranger) -> None:
    for peer in peers:
        crowd.admit(peer)


def dropped(*peers: Stranger) -> list[bool]:
    return [peer.dropped for peer in peers]


def test_up_to_the_bound_nobody_is_dropped_and_above_it_the_first() -> None:
    crowd, peers = Crowd(3, 3), [Stranger() for _ in range(5)]

    admit(crowd, *peers[:3])
    assert dropped(*peers) == [False] * 5
    admit(crowd, *peers[3:])

    assert dropped(*peers) == [True, True, False, False, False]
    assert len(crowd) == 3


def test_an_address_has_its_own_bound_and_all_together_have_one() -> None:
    crowd = Crowd(3, 2)
    near, far = [Stranger("192.0.2.1") for _ in range(3)], [Stranger("198.51.100.1") for _ in range(2)]

    admit(crowd, far[0], *near)
    assert dropped(*near, far[0]) == [True, False, False, False]
    admit(crowd, far[1])

    assert dropped(*near, *far) == [True, False, False, True, False]


def test_ipv6_neighbours_are_one_source() -> None:
    crowd = Crowd(10, 1)
    peers = [Stranger("2001:db8::1"), Stranger("2001:db8::2"), Stranger("2001:db8:0:1::1")]

    admit(crowd, *peers)

    assert dropped(*peers) == [True, False, False]


def test_who_stirs_is_dropped_after_those_who_are_quiet() -> None:
    crowd, peers = Crowd(2, 2), [Stranger() for _ in range(3)]
    admit(crowd, *peers[:2])

    crowd.stirred(peers[0])
    admit(crowd, peers[2])

    assert dropped(*peers) == [False, True, False]


def test_who_has_left_does_not_count_and_is_not_dropped() -> None:
    crowd, peers = Crowd(1, 1), [Stranger() for _ in range(2)]
    admit(crowd, peers[0])

    crowd.leave(peers[0])
    crowd.leave(peers[0])
    crowd.stirred(peers[0])
    admit(crowd, peers[1])

    assert dropped(*peers) == [False, False]
    assert len(crowd) == 1


def test_nothing_is_remembered_of_addresses_that_are_gone() -> None:
    crowd = Crowd(5, 2)
    for number in range(100):
        peer = Stranger(f"192.0.2.{number}")
        admit(crowd, peer)
        crowd.leave(peer)

    assert not crowd._by_source
