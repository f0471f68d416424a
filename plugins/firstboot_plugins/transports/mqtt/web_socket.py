"""MQTT over WebSocket: the bytes in binary frames are handed on, and the other way round (threat MQ-16)."""

from __future__ import annotations

import asyncio
import http
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from firstboot.connection_layer import ConnectionLayer
from firstboot_plugins.transports.mqtt.crowd import Crowd

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.config import MqttConfig

SUBPROTOCOLS = (Subprotocol("mqtt"), Subprotocol("mqttv3.1"))
MAX_REQUEST_SIZE = 16_384
"""Bytes of the request that opens a connection."""
CHUNK = 4096
"""Bytes that are read before the frames in them are counted: tiny frames are much work (threat MQ-17)."""
FRAMES_PER_PACKET = 8
"""How many frames a client may use for one packet, on average; they may be torn anywhere."""
CLOSE_WAIT_S = 1.0
"""How long a peer may take to say goodbye."""

_NO_REQUEST = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
_DATA = (Opcode.BINARY, Opcode.CONT)
# It would print frames, and there are passwords in them.
_silent = logging.getLogger(f"{__name__}.frames")
_silent.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class WebSocketListener:
    """What all connections of one listener have in common."""

    config: MqttConfig
    crowd: Crowd

    def accept(self, inner: asyncio.Protocol) -> WebSocketConnection:
        """Return the protocol for a new connection; ``inner`` is connected once it is open."""
        return WebSocketConnection(self, inner)

    def refusal(self, request: Request) -> tuple[http.HTTPStatus, str] | None:
        """Say why a connection is not opened, None when nothing speaks against it."""
        if request.path.partition("?")[0] != self.config.ws_path:
            return http.HTTPStatus.NOT_FOUND, f"MQTT is at {self.config.ws_path}.\n"
        hosts, origins = request.headers.get_all("Host"), request.headers.get_all("Origin")
        if len(hosts) != 1 or len(origins) > 1:
            return http.HTTPStatus.BAD_REQUEST, "One Host, and one Origin at most.\n"
        if origins and not self._is_welcome(origins[0], hosts[0]):
            return http.HTTPStatus.FORBIDDEN, "Pages of this origin may not connect.\n"
        return None

    def _is_welcome(self, origin: str, host: str) -> bool:
        if self.config.ws_origins is not None:
            return origin in self.config.ws_origins
        own = _host_of(f"//{host}")
        return own is not None and _host_of(origin) == own


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


class WebSocketConnection(ConnectionLayer):
    """Puts what the inner protocol writes into frames, and takes out of them what it reads."""

    __slots__ = ("_frames", "_listener", "_request_size", "_since", "_websocket")

    def __init__(self, listener: WebSocketListener, inner: asyncio.Protocol) -> None:
        super().__init__(inner, listener.crowd)
        self._listener = listener
        self._websocket = ServerProtocol(
            subprotocols=SUBPROTOCOLS, max_size=listener.config.max_packet_size, logger=_silent
        )
        self._request_size = 0
        self._since = asyncio.get_running_loop().time()
        self._frames = self._most_frames

    # -- the socket --------------------------------------------------------------------------------

    def _start_timer(self) -> asyncio.TimerHandle:
        # From the moment when the socket was accepted: TLS has had its part already.
        until = self._since + self._listener.config.connect_timeout.total_seconds()
        return asyncio.get_running_loop().call_at(until, self.drop)

    def data_received(self, data: bytes) -> None:
        for at in range(0, len(data), CHUNK):
            if self._transport.is_closing() or self._websocket.eof_sent:
                return
            self._take(data[at : at + CHUNK])

    def eof_received(self) -> None:
        """Leave it to the transport to close: nothing comes that would end the connection any better."""

    # -- frames ------------------------------------------------------------------------------------

    def _take(self, data: bytes) -> None:
        if not self._is_open:
            self._request_size += len(data)
            if self._request_size > MAX_REQUEST_SIZE:
                self.abort()
                return
        self._websocket.receive_data(data)
        events = cast("Sequence[Request | Frame]", self._websocket.events_received())
        if self._is_open and not self._spend(len(events)):
            self._websocket.fail(CloseCode.POLICY_VIOLATION, "too many frames")
            events = ()
        if not self._is_open and self._websocket.handshake_exc is not None:
            self._transport.write(_NO_REQUEST)
        for event in events:
            if isinstance(event, Request):
                self._answer(event)
            elif self._is_open:
                self._on_frame(event)
        self._flush()

    def _answer(self, request: Request) -> None:
        if self._websocket.eof_sent:  # for what has come right behind the request, without waiting for an answer
            self.abort()
            return
        refusal = self._listener.refusal(request)
        response: Response = self._websocket.reject(*refusal) if refusal else self._websocket.accept(request)
        self._websocket.send_response(response)
        self._flush()
        if self._websocket.state is State.OPEN:
            self._open()

    def _on_frame(self, frame: Frame) -> None:
        if frame.opcode in _DATA:
            if frame.data and not self._is_closing:
                self._inner.data_received(bytes(frame.data))
        elif frame.opcode is Opcode.TEXT:
            self._is_closing = True
            self._websocket.fail(CloseCode.UNSUPPORTED_DATA, "MQTT is in binary frames")  # MQTT-6.0.0-1

    @property
    def _most_frames(self) -> float:
        return float(self._listener.config.burst * FRAMES_PER_PACKET)

    def _spend(self, frames: int) -> bool:
        """Say whether the peer may send so many frames now."""
        now = asyncio.get_running_loop().time()
        refilled = (now - self._since) * self._listener.config.messages_per_second * FRAMES_PER_PACKET
        self._frames = min(self._most_frames, self._frames + refilled) - frames
        self._since = now
        return self._frames >= 0

    def _flush(self) -> None:
        """Send what the protocol has to say, and close when it wants to."""
        for data in self._websocket.data_to_send():
            if self._transport.is_closing():
                return
            if data:
                self._transport.write(data)
                if self._transport.get_write_buffer_size() > self._listener.config.max_write_buffer:
                    self.abort()  # of a peer that asks for pongs, and does not read them
            else:
                self._is_closing = True
                self._timer.cancel()
                self._transport.close()

    # -- what the inner protocol does ---------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._websocket.state is State.OPEN and not self.is_closing():
            self._websocket.send_binary(bytes(data))
            self._flush()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def close(self) -> None:
        """Say goodbye, and close when the peer has done so too, or does not do it soon."""
        if self.is_closing():
            return
        self._is_closing = True
        if self._websocket.state is State.OPEN:
            self._websocket.send_close(CloseCode.NORMAL_CLOSURE)
            self._flush()
            self._transport.resume_reading()
        self._timer = asyncio.get_running_loop().call_later(CLOSE_WAIT_S, self._transport.close)
