"""CoAP over DTLS 1.2: many clients on one socket, each with a session of its own (RFC 7252, 9.1).

Whoever has not shown that its address is its own gets one short answer, and nothing is kept of it. What one
client sends changes nothing for another.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Iterable

from firstboot.model import PeerCertificate
from firstboot.throttle import FailureThrottle, source_of
from firstboot.tls import Tls
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.dtls_hello import Cookies, Hello, hello_verify_request, read_hello
from firstboot_plugins.transports.coap.dtls_session import Session
from firstboot_plugins.transports.coap.dtls_table import Sessions
from firstboot_plugins.transports.coap.peers import Peer
from firstboot_plugins.transports.coap.rates import Rates

logger = logging.getLogger(__name__)

MAX_HANDSHAKES = 256
MAX_HANDSHAKES_OF_AN_ADDRESS = 32
"""That go on at the same time; OpenSSL sets aside up to 1 MiB for what a client announces in one."""
FAILURES_PER_MINUTE = 10
"""Handshakes of one address that are logged one by one."""
CHECK_INTERVAL_S = 1.0
_APPLICATION_DATA = bytes([23])


class Dtls:
    """The DTLS listener; above it are messages, as from a socket without encryption."""

    def __init__(
        self,
        config: CoapConfig,
        tls: Tls,
        send: Callable[[bytes, Peer], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._tls = tls
        self._asks = config.client_certificates == "optional"
        self._send = send
        self._cookies = Cookies(monotonic)
        self._rates = Rates(config.messages_per_second, config.burst, monotonic)
        self._failures = FailureThrottle(per_minute=FAILURES_PER_MINUTE, max_delay_s=0.0, monotonic=monotonic)
        self.handshakes = Sessions(
            monotonic,
            most=MAX_HANDSHAKES,
            most_of_an_address=MAX_HANDSHAKES_OF_AN_ADDRESS,
            longest_silence_s=config.dtls_handshake_timeout.total_seconds(),
        )
        self.sessions = Sessions(
            monotonic,
            most=config.dtls_max_sessions,
            most_of_an_address=config.dtls_max_sessions_per_address,
            longest_silence_s=config.dtls_idle_timeout.total_seconds(),
        )
        self._numbers = itertools.count(1)
        self._timers: dict[Session, asyncio.TimerHandle] = {}
        self._check_timer: asyncio.TimerHandle | None = None
        self._received: Callable[[bytes, Peer], None]
        self._left: Callable[[Peer], None]

    def start(self, received: Callable[[bytes, Peer], None], left: Callable[[Peer], None]) -> None:
        """Hand on what clients say from now on; ``left`` is told who cannot be reached any more."""
        self._received = received
        self._left = left
        self._check()

    def close(self) -> None:
        """Say goodbye to everybody."""
        if self._check_timer is not None:
            self._check_timer.cancel()
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for session in self.sessions:
            session.close()

    # -- for those above ---------------------------------------------------------------------------

    def send(self, message: bytes, peer: Peer) -> None:
        """Encrypt a message and send it; nobody gets it if the session is over."""
        session = self._session(peer)
        if session is not None:
            session.send(message)

    def certificate_of(self, peer: Peer) -> PeerCertificate | None:
        """Return what the peer has proven with at its handshake."""
        session = self._session(peer)
        return None if session is None else session.certificate

    def _session(self, peer: Peer) -> Session | None:
        session = self.sessions.get(_where(peer))
        return session if session is not None and session.peer == peer else None

    # -- datagrams ---------------------------------------------------------------------------------

    def datagram_received(self, datagram: bytes, where: Peer) -> None:
        """Take what came to the socket from an address."""
        if not datagram or not self._rates.take(where.address):
            return
        handshake, session = self.handshakes.get(where), self.sessions.get(where)
        hello = read_hello(datagram)
        if hello is not None and all(each is None or each.random != hello.random for each in (handshake, session)):
            self._begin(hello, datagram, where)
        elif handshake is not None and (session is None or datagram[:1] != _APPLICATION_DATA):
            self._go_on(handshake, datagram)
        elif session is not None:
            self._take(session, datagram)

    def _begin(self, hello: Hello, datagram: bytes, where: Peer) -> None:
        """Take a hello. A client's former session, if it has one, goes on until the new one is there."""
        if not self._cookies.fits(hello, where):
            self._send(hello_verify_request(hello, self._cookies.new(hello, where)), where)
            return
        connection, errors = self._tls.datagram_connection(asks_for_certificate=self._asks, cookie=hello.cookie)
        peer = where._replace(session=next(self._numbers))
        session = Session(connection, errors, peer, hello.random, self._send)
        session.begin(datagram)
        for each in self.handshakes.add(where, session):
            self._forget_timer(each)
        self._look_after(session)

    def _go_on(self, session: Session, datagram: bytes) -> None:
        messages = session.receive(datagram)
        if session.is_open:
            where = _where(session.peer)
            self.handshakes.drop(where)
            self._end(self.sessions.add(where, session))
        self._look_after(session)
        self._hand_on(session, messages)

    def _take(self, session: Session, datagram: bytes) -> None:
        messages = session.receive(datagram)
        if messages:
            self.sessions.touch(_where(session.peer))
        self._hand_on(session, messages)

    def _hand_on(self, session: Session, messages: Iterable[bytes]) -> None:
        for message in messages:
            self._received(message, session.peer)
        if session.over is not None and self.sessions.get(_where(session.peer)) is session:
            self.sessions.drop(_where(session.peer))
            self._left(session.peer)

    # -- time --------------------------------------------------------------------------------------

    def _look_after(self, session: Session) -> None:
        """See to it that a handshake goes on, or is forgotten."""
        self._forget_timer(session)
        if session.over is not None and not session.is_open:
            self.handshakes.drop(_where(session.peer))
            self._log_failure(session, session.over)
            return
        wait_s = session.retransmit_in()
        if wait_s is not None:
            self._timers[session] = asyncio.get_running_loop().call_later(wait_s, self._retransmit, session)

    def _retransmit(self, session: Session) -> None:
        session.retransmit()
        self._look_after(session)

    def _forget_timer(self, session: Session) -> None:
        timer = self._timers.pop(session, None)
        if timer is not None:
            timer.cancel()

    def _check(self) -> None:
        for each in self.handshakes.drop_silent():
            self._forget_timer(each)
            self._log_failure(each, "timed out")
        self._end(self.sessions.drop_silent())
        self._failures.sweep()
        self._check_timer = asyncio.get_running_loop().call_later(CHECK_INTERVAL_S, self._check)

    def _end(self, sessions: Iterable[Session]) -> None:
        for each in sessions:
            each.close()
            self._left(each.peer)

    def _log_failure(self, session: Session, reason: str) -> None:
        if self._failures.record(source_of(session.peer.host)).report:
            logger.info("a DTLS handshake failed", extra={"address": session.peer.host, "reason": reason})


def _where(peer: Peer) -> Peer:
    """Return the peer without its session, as the socket knows it."""
    return peer._replace(session=0)
