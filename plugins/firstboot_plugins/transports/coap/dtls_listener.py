"""The listener ``coaps``: a socket, DTLS on it, and CoAP above that."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence

from firstboot.tls import Tls
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.datagrams import Datagrams
from firstboot_plugins.transports.coap.dtls import Dtls
from firstboot_plugins.transports.coap.endpoint import Endpoint
from firstboot_plugins.transports.coap.resources import CoapResource


class DtlsListener:
    """Serves the same resources as the listener without encryption, and shares nothing else with it."""

    def __init__(
        self,
        config: CoapConfig,
        resources: Sequence[CoapResource],
        bound: socket.socket,
        tls: Tls,
        monotonic: Callable[[], float],
    ) -> None:
        self._datagrams = Datagrams(bound)
        self.dtls = Dtls(config, tls, self._datagrams.send, monotonic)
        self.endpoint = Endpoint(config, resources, self.dtls.send, monotonic, self.dtls.certificate_of)

    def start(self) -> None:
        self.dtls.start(self.endpoint.received, self.endpoint.left)
        self._datagrams.start(self.dtls.datagram_received)

    async def stop(self) -> None:
        """Let the requests under way get their answers, and say goodbye to everybody."""
        await self.endpoint.close()
        self.dtls.close()
        self._datagrams.close()
