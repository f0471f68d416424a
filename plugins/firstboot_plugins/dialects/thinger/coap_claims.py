"""Claims of pools over CoAP: at once, or by observing until a device is ready (contract 12.4)."""

from __future__ import annotations

import asyncio
import time

from firstboot.errors import FirstbootError
from firstboot.secret import random_text
from firstboot.sessions import SessionEnd
from firstboot_plugins.dialects.thinger.body_fields import BodyFields
from firstboot_plugins.dialects.thinger.coap_frame import CoapCall
from firstboot_plugins.dialects.thinger.errors import ThingerError, unauthorized
from firstboot_plugins.dialects.thinger.pool_claims import PoolEmpty
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import Answer, Observer


async def claim(call: CoapCall) -> Answer:
    """Answer with the credentials of a device, if one is ready."""
    fields = BodyFields(call.body)
    hardware_id = fields.take("hardware_id")
    fields.end()
    pool = call.request.path["pool"]
    return call.answer(Code.CREATED, await call.thinger.claims.claim(call.asker, pool, hardware_id))


async def claim_when_ready(call: CoapCall) -> Answer:
    """Answer as `claim` does; who observes is told later when the pool is empty, and lets devices wait."""
    judged_at = time.monotonic()
    pool, hardware_id = call.request.path["pool"], call.request.parameter("hw")
    if call.request.stops_observing:
        return call.answer(Code.CONTENT, {})
    if call.request.observer is None:
        raise ThingerError(400, "observe to wait for a device, or send POST")
    try:
        return call.answer(Code.CONTENT, await call.thinger.claims.claim(call.asker, pool, hardware_id))
    except PoolEmpty:
        if hardware_id is None or not call.thinger.claims.may_wait(call.asker.account, pool):
            raise
    _Waiting(call, call.request.observer, pool, hardware_id).begin(judged_at)
    return Answer(Code.VALID)


class _Waiting:
    """Waits for a device; what it is told then is the last that the observer hears."""

    def __init__(self, call: CoapCall, observer: Observer, pool: str, hardware_id: str) -> None:
        self._call = call
        self._observer = observer
        self._pool = pool
        self._hardware_id = hardware_id
        self._slot = f"coap claim {random_text(18)}"
        self._task: asyncio.Task[None] | None = None

    def begin(self, judged_at: float) -> None:
        """Wait from now on. ``judged_at``: when the token was looked up.

        Raises: `ThingerError` (401) when the token has ended since.
        """
        sessions = self._call.thinger.services.sessions
        if not sessions.open(self._call.asker.owner, self, judged_at=judged_at, slot=self._slot):
            raise unauthorized()
        self._observer.begin(self)
        self._task = asyncio.create_task(self._wait())

    async def _wait(self) -> None:
        call = self._call
        try:
            found = await call.thinger.claims.wait(call.asker, self._pool, self._hardware_id)
            last = call.answer(Code.CONTENT, found)
        except FirstbootError as error:
            last = call.refusal(error)
        except asyncio.CancelledError:  # nobody waits any more, or the same hardware asks somewhere else
            self._task = None
            self._observer.end(None)
            raise
        self._task = None
        self._observer.end(last)

    def still_there(self) -> Answer:
        return Answer(Code.VALID)

    def closed(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._call.thinger.services.sessions.close(self._call.asker.owner, self, slot=self._slot)

    def end(self, why: SessionEnd) -> None:
        """Tell the device that its token has ended, or that the server stops."""
        stops = why is SessionEnd.SERVER_STOPS
        self._observer.end(Answer(Code.SERVICE_UNAVAILABLE if stops else Code.UNAUTHORIZED))
