"""Taking an address to listen on, so that a taken port is a clear refusal and not a crash."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterable, Mapping

from firstboot.config import Address
from firstboot.errors import StartRefused

LISTENERS: Mapping[str, tuple[str, str]] = {
    "mqtt": ("mqtt", "bind"),
    "mqtts": ("mqtt", "tls_bind"),
    "mqttws": ("mqtt", "ws_bind"),
    "mqttwss": ("mqtt", "wss_bind"),
    "http": ("http", "bind"),
    "https": ("http", "tls_bind"),
    "coap": ("coap", "bind"),
    "coaps": ("coap", "dtls_bind"),
}
"""The listeners by their names in the ready file, each with the section and the setting that say where."""
ENCRYPTED_BINDS = frozenset({"tls_bind", "wss_bind", "dtls_bind"})
"""Settings of any section by these names are listeners that need a certificate."""
BACKLOG = 4096
"""Connections that may wait to be accepted: a fleet comes back at once after a power cut (threat MQ-13)."""


def bound_sockets(section: str, config: object) -> dict[str, socket.socket]:
    """Return a TCP socket for each of the section's `LISTENERS` that has an address; none of them listens yet.

    Raises: `StartRefused` with all that is wrong with the addresses.
    """
    bound: dict[str, socket.socket] = {}
    refusals = []
    for name, setting in _settings(section):
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


def _settings(section: str) -> Iterable[tuple[str, str]]:
    return ((name, setting) for name, (of, setting) in LISTENERS.items() if of == section)


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
        if not (name in LISTENERS and LISTENERS[name][1] in ENCRYPTED_BINDS) and not is_loopback(address)
    }


def address_of(bound: socket.socket) -> Address:
    """Return where a socket is bound; tells the port that was drawn for port 0."""
    host, port = bound.getsockname()[:2]
    return Address(host, port)
