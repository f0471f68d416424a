"""Taking an address to listen on, so that a taken port is a clear refusal and not a crash."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Mapping

from firstboot.config import Address
from firstboot.errors import StartRefused

ENCRYPTED_LISTENERS = frozenset({"https", "mqtts", "mqttwss", "coaps"})
BACKLOG = 4096
"""Connections that may wait to be accepted: a fleet comes back at once after a power cut (threat MQ-13)."""


def bound_sockets(section: str, config: object, settings: Mapping[str, str]) -> dict[str, socket.socket]:
    """Return a TCP socket for each listener that has an address; none of them listens yet.

    ``settings``: by listener, which setting of the section says where. Nowhere, that is None, is no listener.

    Raises: `StartRefused` with all that is wrong with the addresses.
    """
    bound: dict[str, socket.socket] = {}
    refusals = []
    for name, setting in settings.items():
        address: Address | None = getattr(config, setting)
        try:
            if address is not None:
                bound[name] = bound_socket(f"{section}.{setting}", address)
        except StartRefused as error:
            refusals.append(str(error))
    if refusals:
        for each in bound.values():
            each.close()
        raise StartRefused("\n".join(refusals))
    return bound


def _reuse(new: socket.socket) -> None:
    # Connections of a server that has just stopped linger; its address is free all the same.
    new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)


def bound_socket(
    setting: str,
    address: Address,
    *,
    kind: socket.SocketKind = socket.SOCK_STREAM,
    set_up: Callable[[socket.socket], None] = _reuse,
) -> socket.socket:
    """Return a socket bound to the address that ``setting`` names; it does not listen yet.

    ``set_up`` sets its options before it is bound.

    Raises: `StartRefused`.
    """
    try:
        family, _, protocol, _, where = socket.getaddrinfo(
            address.host, address.port, type=kind, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartRefused(f"{setting}: {address.host!r} is no address of this machine ({error}).") from None
    bound = socket.socket(family, kind, protocol)
    try:
        set_up(bound)
        bound.bind(where)
        bound.setblocking(False)
    except OSError as error:
        bound.close()
        if error.errno == errno.EADDRINUSE:
            raise StartRefused(f"{setting}: {address} is taken by another program. Choose another port.") from None
        raise StartRefused(f"{setting}: cannot listen on {address}: {error.strerror}.") from None
    return bound


def is_loopback(address: Address) -> bool:
    """Say whether only this machine can reach the address."""
    return address.host.startswith("127.") or address.host in ("::1", "localhost")


def open_listeners(listeners: Mapping[str, Address]) -> dict[str, Address]:
    """Return the listeners that others can reach, and that do not encrypt (threat SE-9)."""
    return {
        name: address
        for name, address in listeners.items()
        if name not in ENCRYPTED_LISTENERS and not is_loopback(address)
    }


def address_of(bound: socket.socket) -> Address:
    """Return where a socket is bound; tells the port that was drawn for port 0."""
    host, port = bound.getsockname()[:2]
    return Address(host, port)
