"""Sessions of devices that have nothing but a provisioning key (contract 12.2, 12.4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from firstboot.errors import FirstbootError
from firstboot.sessions import SessionEnd
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.errors import ThingerError, as_thinger_error, unauthorized
from firstboot_plugins.dialects.thinger.pool_claims import PoolEmpty
from firstboot_plugins.dialects.thinger.session_replies import UNREADABLE, SessionRequest, encode, read_request
from firstboot_plugins.transports.mqtt.dialect import Message, Reply, Sender
from firstboot_plugins.transports.mqtt.packets import Publish, Reason

if TYPE_CHECKING:
    from firstboot_plugins.dialects.thinger.shared import Thinger

REQUESTS = "provision/ensure"
REPLIES = "provision/reply"
_POOL = "provision/pool/"
_FULL = "full"
WAIT: Mapping[str, Any] = {}
"""Stands for the answer to a claim for which no device is ready yet."""


class ProvisionSession:
    """Serves ``provision/ensure``, and claims by subscribing; it sees its own answers and nothing else.

    The server ends it after so many requests, or after so long; who waits for a device may stay.
    """

    def __init__(self, thinger: Thinger, asker: Asker, slot: str, send: Sender) -> None:
        """``slot``: where the session is registered, so that it can be ended."""
        self._thinger = thinger
        self._asker = asker
        self._slot = slot
        self._send = send
        self._left = thinger.config.session_requests
        self._reply_qos: int | None = None
        self._unsent: list[tuple[float, bytes]] = []
        """Replies for which there is no subscription yet, with the moment after which nobody waits for them."""
        self._decided: dict[str, Mapping[str, Any]] = {}
        """Answers to the claims of the SUBSCRIBE that is being served."""
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._timer = self._start_timer()
        self._closed = False

    def owns(self, topic: str) -> bool:
        return True

    def close(self) -> None:
        self._closed = True
        self._timer.cancel()
        for task in self._waiting.values():
            task.cancel()

    def _start_timer(self) -> asyncio.TimerHandle:
        session_s = self._thinger.config.session_time.total_seconds()
        return asyncio.get_running_loop().call_later(session_s, self._end, SessionEnd.TIME_OVER)

    def _end(self, why: SessionEnd) -> None:
        self._thinger.services.sessions.end_one(self._asker.owner, self._slot, why)

    # -- ensure ------------------------------------------------------------------------------------

    async def publish(self, message: Publish) -> Reply:
        if message.topic != REQUESTS:
            return Reply(Reason.TOPIC_NAME_INVALID, close=True)
        self._left -= 1
        if self._left < 0:
            return Reply(Reason.QUOTA_EXCEEDED, close=True)
        payload = await self._answer(message.payload)
        if self._reply_qos is None:
            wait_s = self._thinger.config.answer_wait.total_seconds()
            self._unsent.append((time.monotonic() + wait_s, payload))
            return Reply()
        return Reply(messages=(Message(REPLIES, payload, self._reply_qos),))

    async def _answer(self, payload: bytes) -> bytes:
        request = UNREADABLE
        try:
            request = read_request(payload, self._thinger.config.max_body)
            return await self._ensured(request)
        except FirstbootError as error:
            return request.refusal(as_thinger_error(error))

    async def _ensured(self, request: SessionRequest) -> bytes:
        self._count()
        if not isinstance(request.device, str):
            raise ThingerError(400, "missing field: device")
        result = await self._thinger.ensuring.ensure(self._asker, request.device, request.body)
        return request.reply(result.status, result.body)

    def _count(self) -> None:
        limits, asker = self._thinger.limits, self._asker
        if asker.until_ms is not None and asker.until_ms <= self._thinger.services.clock.now_ms():
            raise unauthorized()
        limits.request(asker.key)
        limits.provisioning(asker.key, asker.origin.address)

    # -- subscriptions -----------------------------------------------------------------------------

    async def decide(self, topic_filters: Sequence[str]) -> None:
        """Make the claims that are in a SUBSCRIBE: refused is what was not given."""
        self._decided.clear()
        for topic_filter in topic_filters:
            if (wanted := _wanted(topic_filter)) is not None:
                self._left -= 1
                answer = await self._claimed(*wanted) if self._left >= 0 else None
                if answer is not None:
                    self._decided[topic_filter] = answer

    async def _claimed(self, pool: str, hardware_id: str) -> Mapping[str, Any] | None:
        try:
            self._count()
            return await self._thinger.claims.claim(self._asker, pool, hardware_id)
        except PoolEmpty:
            return WAIT if self._thinger.claims.may_wait(self._asker.account, pool) else None
        except FirstbootError:
            return None

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        # Not at once: nothing should overtake the SUBACK.
        later = asyncio.get_running_loop().call_soon
        if topic_filter == REPLIES:
            self._reply_qos = qos
            later(self._send_unsent)
            return qos
        answer = self._decided.pop(topic_filter, None)
        if answer is None or self._closed:  # a claim takes its time: the client may have left meanwhile
            if self._left < 0:
                later(self._end, SessionEnd.TIME_OVER)
            return None
        if answer is WAIT:
            self._stop_waiting(topic_filter)
            self._timer.cancel()
            self._waiting[topic_filter] = asyncio.create_task(self._wait(topic_filter, qos))
        else:
            later(self._tell, topic_filter, answer, qos)
        return qos

    def unsubscribe(self, topic_filter: str) -> bool:
        if topic_filter != REPLIES:
            return self._stop_waiting(topic_filter)
        existed, self._reply_qos = self._reply_qos is not None, None
        return existed

    def _send_unsent(self) -> None:
        now = time.monotonic()
        for until, payload in self._unsent:
            if now <= until and self._reply_qos is not None:
                self._send(Message(REPLIES, payload, self._reply_qos))
        self._unsent.clear()

    # -- waiting for a device ----------------------------------------------------------------------

    async def _wait(self, topic: str, qos: int) -> None:
        wanted = _wanted(topic)
        assert wanted is not None  # else it was not granted
        try:
            answer = await self._thinger.claims.wait(self._asker, *wanted)
        except FirstbootError as error:
            refusal = as_thinger_error(error)
            answer = {"status": refusal.status, "message": refusal.message}
        finally:
            if self._waiting.get(topic) is asyncio.current_task():
                del self._waiting[topic]
                self._restart_timer()
        self._tell(topic, answer, qos)

    def _stop_waiting(self, topic: str) -> bool:
        task = self._waiting.pop(topic, None)
        if task is None:
            return False
        task.cancel()
        self._restart_timer()
        return True

    def _restart_timer(self) -> None:
        if not self._waiting and not self._closed:
            self._timer.cancel()
            self._timer = self._start_timer()

    def _tell(self, topic: str, answer: Mapping[str, Any], qos: int) -> None:
        told = {key: value for key, value in answer.items() if key != "mqtt" or topic.endswith(f"/{_FULL}")}
        self._send(Message(topic, encode(told).encode(), qos))


def _wanted(topic_filter: str) -> tuple[str, str] | None:
    """Return the pool and the hardware id in a filter that claims; None for any other."""
    if not topic_filter.startswith(_POOL):
        return None
    match topic_filter.removeprefix(_POOL).split("/"):
        case [pool, hardware_id] | [pool, hardware_id, "full"] if not {"+", "#"} & {pool, hardware_id}:
            return pool, hardware_id
    return None
