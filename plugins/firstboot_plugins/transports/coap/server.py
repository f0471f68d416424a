"""The CoAP transport: a UDP socket, one more for DTLS, and on both the resources that dialects offer."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING

from firstboot.app import Services
from firstboot.config import Address
from firstboot.errors import PluginError, StartRefused
from firstboot.listening import address_of
from firstboot_plugins.transports.coap.config import CoapConfig
from firstboot_plugins.transports.coap.datagrams import Datagrams, bound_datagram_socket
from firstboot_plugins.transports.coap.endpoint import Endpoint
from firstboot_plugins.transports.coap.resources import CoapResource

if TYPE_CHECKING:
    from firstboot_plugins.transports.coap.dtls_listener import DtlsListener


class CoapTransport:
    """Listens, bounds what peers may cost, and routes to the dialects."""

    name = "coap"

    def __init__(self, config: CoapConfig) -> None:
        self._config = config
        self._socket: socket.socket | None = None
        self._dtls_socket: socket.socket | None = None
        self._datagrams: Datagrams | None = None
        self.endpoint: Endpoint | None = None
        self.dtls: DtlsListener | None = None

    def bind(self) -> Mapping[str, Address]:
        self._socket = bound_datagram_socket("coap.bind", self._config.bind)
        if self._config.dtls_bind is None:
            return {"coap": address_of(self._socket)}
        try:
            self._dtls_socket = bound_datagram_socket("coap.dtls_bind", self._config.dtls_bind)
        except StartRefused:
            self._socket.close()
            raise
        return {"coap": address_of(self._socket), "coaps": address_of(self._dtls_socket)}

    async def start(self, services: Services) -> None:
        assert self._socket is not None  # bind comes first
        offers = _offers(services)
        self._datagrams = Datagrams(self._socket)
        self.endpoint = Endpoint(self._config, offers, self._datagrams.send, services.clock.monotonic)
        if self._dtls_socket is not None:
            # Not before it is needed: a server without DTLS does without its memory.
            from firstboot_plugins.transports.coap.dtls_listener import DtlsListener

            assert services.tls is not None  # such a listener without a certificate is refused before
            self.dtls = DtlsListener(
                self._config, offers, self._dtls_socket, services.tls, services.clock.monotonic
            )
            self.dtls.start()
        self._datagrams.start(self.endpoint.received)

    async def stop_accepting(self) -> None:
        if self.endpoint is not None:
            self.endpoint.stop_accepting()
        if self.dtls is not None:
            self.dtls.endpoint.stop_accepting()

    async def stop(self) -> None:
        if self.endpoint is not None:
            await self.endpoint.close()
        if self.dtls is not None:
            await self.dtls.stop()
        elif self._dtls_socket is not None:
            self._dtls_socket.close()
        if self._datagrams is not None:
            self._datagrams.close()
        elif self._socket is not None:
            self._socket.close()


def _offers(services: Services) -> list[CoapResource]:
    resources: list[CoapResource] = []
    taken: dict[str, str] = {}
    offers = services.plugins.offers("firstboot_coap_resources", config=services.config, services=services)
    for plugin, offer in offers:
        if not isinstance(offer, CoapResource):
            raise PluginError(
                plugin, f"offers {type(offer).__name__} as a CoAP resource.", "Offer CoapResource objects."
            )
        other = taken.setdefault(offer.path, plugin)
        if other != plugin:
            raise PluginError(plugin, f"offers {offer.path}, which {other!r} offers too.", "Disable one of them.")
        resources.append(offer)
    return resources
