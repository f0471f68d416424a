"""The door: the MQTT transport that accepts sockets and owns every session.

A plain broker would hand the answer with credentials to everyone who subscribed to its topic, and act on
a client id before it knows whose it is. Here every connection is judged first, and what a dialect serves
never leaves the connection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping
from typing import Any

from firstboot.app import Services
from firstboot.config import Address
from firstboot.errors import PluginError
from firstboot.model import Origin
from firstboot.sessions import Owner, SessionEnd
from firstboot.throttle import FailureThrottle, source_of
from firstboot_plugins.transports.mqtt.admission import V3_NOT_AUTHORIZED
from firstboot_plugins.transports.mqtt.broker.message import BrokerMessage
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.connection import Connection
from firstboot_plugins.transports.mqtt.crowd import Crowd
from firstboot_plugins.transports.mqtt.dialect import FAILURES, ConnectRefused, Login, MqttDialect
from firstboot_plugins.transports.mqtt.listeners import Listeners
from firstboot_plugins.transports.mqtt.packets import Connect, Reason
from firstboot_plugins.transports.mqtt.pubsub import PubSub, broker_message
from firstboot_plugins.transports.mqtt.rates import Rates
from firstboot_plugins.transports.mqtt.stored_sessions import LastWill, StoredSessions

logger = logging.getLogger(__name__)

CHECK_INTERVAL_S = 0.5
MAX_LINES_PER_MINUTE = 10


class Door:
    """Listens, keeps the connections within their limits, and asks the dialects who a client is."""

    name = "mqtt"

    def __init__(self, config: MqttConfig) -> None:
        self.config = config
        self.connect_timeout_s = config.connect_timeout.total_seconds()
        self.longest_silence_s = config.longest_silence.total_seconds()
        self.provision_linger_s = config.provision_linger.total_seconds()
        self.longest_session_s = config.longest_session.total_seconds()
        self.crowd = Crowd(config.max_unauthenticated, config.max_unauthenticated_per_address)
        self.rates = Rates(config)
        self.dialects: list[MqttDialect] = []
        self.services: Services
        self.now = time.monotonic
        self.pubsub = PubSub(config)
        self.stored = StoredSessions(config, lambda: self.now(), self.fire)
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._listeners = Listeners(config)
        self._checker: asyncio.Task[None] | None = None
        self._log_throttle: FailureThrottle | None = None

    # -- life --------------------------------------------------------------------------------------

    def bind(self) -> Mapping[str, Address]:
        return self._listeners.bind()

    async def start(self, services: Services) -> None:
        self.services = services
        services.sessions.on_end(self._forget)
        offered = services.plugins.collect(
            "firstboot_mqtt_dialects", "name", config=services.config, services=services
        )
        for plugin, dialect in offered.values():
            if not callable(getattr(dialect, "provision_session", None)) or not callable(
                getattr(dialect, "login", None)
            ):
                raise PluginError(
                    plugin, "offers an MQTT dialect that is none.", "Give it provision_session and login."
                )
            self.dialects.append(dialect)
        self._log_throttle = FailureThrottle(
            per_minute=MAX_LINES_PER_MINUTE, max_delay_s=0, monotonic=services.clock.monotonic
        )
        await self._listeners.start(lambda: Connection(self), self.crowd, services.tls, self._shook_no_hands)
        self._checker = asyncio.get_running_loop().create_task(self._check())

    async def stop_accepting(self) -> None:
        self._listeners.stop_accepting()

    async def stop(self) -> None:
        self._listeners.stop_accepting()
        for connection in list(self._connections):
            connection.end(SessionEnd.SERVER_STOPS)
        if self._checker is not None:
            self._checker.cancel()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=1.0)
            for task in late:
                task.cancel()
        await self.pubsub.stop()
        while self._connections:  # closing takes a turn of the loop for each
            await asyncio.sleep(0.01)
            for connection in list(self._connections):
                connection.check(self.now())
        self.crowd.drop_all()  # who has not come as far as MQTT

    # -- what connections need ---------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.crowd.admit(connection)

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.crowd.leave(connection)

    def fire(self, last_will: LastWill) -> None:
        """Publish the will of a client that is gone, if it still might do so itself."""
        try:
            message = broker_message(last_will.will, last_will.rights, sender=0)
        except FAILURES:
            logger.exception("a will could not be published")
            return
        if message is not None:
            self.spawn(self._publish_will(message, last_will.owner))

    async def _publish_will(self, message: BrokerMessage, owner: Owner) -> None:
        try:
            await self.pubsub.publish(message, owner)
        except Exception:
            logger.exception("a will could not be published")

    def _forget(self, owner: Owner, why: SessionEnd) -> None:
        """Leave nothing of an owner whose rights have ended: no session, no message (threat MQ-10)."""
        if why not in (SessionEnd.TAKEN_OVER, SessionEnd.SERVER_STOPS):
            self.stored.forget(owner)
            self.pubsub.forget(owner)

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def login(self, connect: Connect, origin: Origin) -> Login:
        """Ask the dialects in turn; the first refusal is the one that counts.

        Raises: `ConnectRefused`, `firstboot.errors.Unavailable`.
        """
        first_refusal: ConnectRefused | None = None
        for dialect in self.dialects:
            try:
                login = await dialect.login(connect, origin)
                if login is not None:
                    return login
            except ConnectRefused as refusal:
                first_refusal = first_refusal or refusal
        answer = first_refusal or ConnectRefused(V3_NOT_AUTHORIZED, Reason.NOT_AUTHORIZED)
        if answer.reason is not None:
            answer.delay_s = self.services.logins.refused(origin, answer.code, answer.reason)
        raise answer

    def _shook_no_hands(self, address: str, reason: str) -> None:
        if self.may_log(address):
            logger.info("a TLS handshake failed", extra={"address": address, "reason": reason})

    def may_log(self, address: str) -> bool:
        """Say whether one more line about this peer is not too much (threat SE-6)."""
        return self._log_throttle is not None and self._log_throttle.record(source_of(address)).report

    async def _check(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            now = self.now()
            if self._log_throttle is not None:
                self._log_throttle.sweep()
            self.stored.sweep()
            self.rates.sweep(now)
            for connection in list(self._connections):
                connection.check(now)
