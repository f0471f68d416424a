"""The socket: which address of this machine a datagram came to, and answers that come from there."""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable
from contextlib import suppress

from firstboot.config import Address
from firstboot.listening import bound_socket
from firstboot_plugins.transports.coap.peers import Peer

logger = logging.getLogger(__name__)

# Python has no names for these numbers of Linux yet.
_IP_PKTINFO = 8
_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29

_V4_INFO = struct.Struct("=I4s4s")  # interface, our address, address in the header
_V6_INFO = struct.Struct("=16sI")
_V4_MAPPED = bytes(10) + b"\xff\xff"
_ANCILLARY = socket.CMSG_SPACE(_V4_INFO.size) + socket.CMSG_SPACE(_V6_INFO.size)
MAX_DATAGRAM = 65_536
AT_A_TIME = 64
"""Datagrams that are read before others get their turn."""
RECEIVE_BUFFER = 4 * 1024 * 1024


def bound_datagram_socket(setting: str, address: Address) -> socket.socket:
    """Return a UDP socket bound to the address that ``setting`` names, and to nobody else's (threat CO-7).

    Raises: `StartRefused`.
    """
    return bound_socket(setting, address, kind=socket.SOCK_DGRAM, set_up=_set_up)


def _set_up(new: socket.socket) -> None:
    if new.family == socket.AF_INET6:
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        with suppress(OSError):  # an older system; what it would let in is recognised as well
            new.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    else:
        new.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    with suppress(OSError):
        new.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    with suppress(OSError):
        new.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)


class Datagrams:
    """Reads a socket on the event loop, and writes to it."""

    def __init__(self, bound: socket.socket) -> None:
        self._socket = bound
        self._buffer = bytearray(MAX_DATAGRAM)
        self._received: Callable[[bytes, Peer], None] | None = None
        self._is_v6 = bound.family == socket.AF_INET6

    def start(self, received: Callable[[bytes, Peer], None]) -> None:
        self._received = received
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    def close(self) -> None:
        if self._received is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._received = None
        self._socket.close()

    def send(self, data: bytes, peer: Peer) -> None:
        """Send, unless the system cannot now: a datagram may get lost, and whoever misses it asks again."""
        where: tuple[str, int] | tuple[str, int, int, int] = (peer.address, peer.port)
        ancillary: list[tuple[int, int, bytes]] = []
        if self._is_v6:
            where = (*where, 0, peer.scope)
            if peer.local:
                ancillary.append((socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _V6_INFO.pack(peer.local, 0)))
        elif peer.local:
            ancillary.append((socket.IPPROTO_IP, _IP_PKTINFO, _V4_INFO.pack(0, peer.local, bytes(4))))
        with suppress(OSError):
            self._socket.sendmsg([data], ancillary, 0, where)

    def _read(self) -> None:
        for _ in range(AT_A_TIME):
            try:
                size, ancillary, _, where = self._socket.recvmsg_into([self._buffer], _ANCILLARY)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:  # of an earlier answer, such as that nobody listens there
                continue
            local, is_for_us = _destination(ancillary)
            if is_for_us and self._received is not None:
                scope = where[3] if self._is_v6 else 0
                self._contained(bytes(self._buffer[:size]), Peer(where[0], where[1], scope, local))

    def _contained(self, data: bytes, peer: Peer) -> None:
        """Whatever a datagram does, the next one is read."""
        assert self._received is not None  # that is why it is read
        try:
            self._received(data, peer)
        except Exception:
            logger.exception("a datagram could not be handled")


def _destination(ancillary: list[tuple[int, int, bytes]]) -> tuple[bytes, bool]:
    """Return our address that a datagram came to, and whether it was sent to us alone (threat CO-1)."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _IP_PKTINFO:
            _, ours, addressed = _V4_INFO.unpack_from(data)
            return ours, ours == addressed
        if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
            addressed, _ = _V6_INFO.unpack_from(data)
            v4 = addressed.startswith(_V4_MAPPED)
            return addressed, not (0xE0 <= addressed[12] <= 0xEF if v4 else addressed[0] == 0xFF)
    return b"", True
