"""The ways in: MQTT on TCP, TLS and WebSocket, each on its own port, all to the same connections."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from firstboot.config import Address
from firstboot.errors import StartRefused
from firstboot.listening import BACKLOG, ENCRYPTED_BINDS, LISTENERS, address_of, bound_sockets
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.crowd import Crowd

if TYPE_CHECKING:
    from firstboot.tls import Tls

Accept = Callable[[], asyncio.Protocol]


class Listeners:
    """The sockets that the door listens on."""

    def __init__(self, config: MqttConfig) -> None:
        self._config = config
        self._sockets: dict[str, socket.socket] = {}
        """Those that nobody listens on yet."""
        self._servers: list[asyncio.Server] = []

    def bind(self) -> dict[str, Address]:
        """Take all addresses, and return them by listener.

        Raises: `StartRefused` with all that is wrong with them.
        """
        self._sockets = bound_sockets("mqtt", self._config)
        return {name: address_of(bound) for name, bound in self._sockets.items()}

    async def start(
        self, connection: Accept, crowd: Crowd, tls: Tls | None, handshake_failed: Callable[[str, str], None]
    ) -> None:
        """Accept. ``connection`` makes the protocol of a connection, which is connected once it can say CONNECT.

        Raises: `StartRefused`.
        """
        for name, bound in list(self._sockets.items()):
            accept = connection
            _, setting = LISTENERS[name]
            if setting in ("ws_bind", "wss_bind"):
                accept = self._over_web_socket(accept, crowd)
            if setting in ENCRYPTED_BINDS:
                assert tls is not None  # such a listener without a certificate is refused before
                accept = self._over_tls(accept, crowd, tls, handshake_failed)
            try:
                loop = asyncio.get_running_loop()
                self._servers.append(await loop.create_server(accept, sock=bound, backlog=BACKLOG))
                del self._sockets[name]  # it is the server's now
            except OSError as error:
                raise StartRefused(f"mqtt.{setting}: cannot listen: {error.strerror}.") from None

    def _over_web_socket(self, accept: Accept, crowd: Crowd) -> Accept:
        # Not before it is needed: a server without such listeners does without its memory.
        from firstboot_plugins.transports.mqtt.web_socket import WebSocketListener

        listener = WebSocketListener(self._config, crowd)
        return lambda: listener.accept(accept())

    def _over_tls(self, accept: Accept, crowd: Crowd, tls: Tls, failed: Callable[[str, str], None]) -> Accept:
        from firstboot.tls_connection import TlsListener

        listener = TlsListener(
            tls=tls,
            arrivals=crowd,
            asks_for_certificate=self._config.client_certificates == "optional",
            handshake_timeout_s=self._config.connect_timeout.total_seconds(),
            failed=failed,
        )
        return lambda: listener.accept(accept())

    def stop_accepting(self) -> None:
        """Close the sockets, also when `start` never was; the connections go on."""
        for server in self._servers:
            server.close()
        for bound in self._sockets.values():
            bound.close()
