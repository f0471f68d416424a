"""Taking addresses: each refusal says which setting, and what to do (OP-13)."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from firstboot.config import Address
from firstboot.errors import StartRefused
from firstboot.listening import address_of, bound_socket


def test_port_0_draws_a_port_that_is_told() -> None:
    with closing(bound_socket("mqtt.bind", Address("127.0.0.1", 0))) as bound:
        at = address_of(bound)

        assert at.host == "127.0.0.1"
        assert at.port > 0
        assert not bound.getblocking()


def test_a_bound_socket_does_not_accept_yet() -> None:
    """Nobody is answered by a server that may still refuse to start."""
    with closing(bound_socket("mqtt.bind", Address("127.0.0.1", 0))) as bound:
        port = address_of(bound).port

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5)


def test_a_taken_port_is_named() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]

        with pytest.raises(StartRefused, match=rf"mqtt\.bind: 127\.0\.0\.1:{port} is taken.*another port"):
            bound_socket("mqtt.bind", Address("127.0.0.1", port))


def test_a_port_is_free_again_as_soon_as_its_server_is_gone() -> None:
    """OP-1: connections that linger from before must not block the next start."""
    with closing(bound_socket("mqtt.bind", Address("127.0.0.1", 0))) as first:
        at = address_of(first)
        first.listen()
        client = socket.create_connection((at.host, at.port))
        first.setblocking(True)
        accepted, _ = first.accept()
        accepted.close()  # the side that closes first keeps the port in TIME_WAIT
        client.close()

    with closing(bound_socket("mqtt.bind", at)) as second:
        assert address_of(second) == at


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1", "host with spaces"])
def test_an_address_that_is_not_this_machines_is_named(host: str) -> None:
    with pytest.raises(StartRefused, match=r"^http\.bind: "):
        bound_socket("http.bind", Address(host, 0))


def test_ipv6_is_taken_where_there_is_some() -> None:
    try:
        with closing(socket.create_server(("::1", 0), family=socket.AF_INET6)):
            pass
    except OSError:
        pytest.skip("this machine has no IPv6")

    with closing(bound_socket("mqtt.bind", Address("::1", 0))) as bound:
        assert str(address_of(bound)) == f"[::1]:{address_of(bound).port}"
