"""Naming what blocks the event loop (threats PL-3, OP-11)."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from types import FrameType

logger = logging.getLogger(__name__)

BEAT_S = 0.2
BLOCKED_S = 0.7
"""With `BEAT_S` below a second: so long the loop may be blocked before it is told."""
PLACES = 5
"""Places of the stack that are told, the innermost first."""


class Watchdog:
    """A thread that expects a beat from the event loop, and logs its stack when none comes.

    ``owner_of`` tells the plugin to which a module belongs.
    """

    def __init__(self, owner_of: Callable[[str], str | None]) -> None:
        self._owner_of = owner_of
        self._beat_at = time.monotonic()
        self._stopped = threading.Event()

    async def watch(self) -> None:
        """Beat until cancelled, while a thread listens."""
        self._beat_at = time.monotonic()
        loop_thread = threading.get_ident()
        threading.Thread(target=self._listen, args=(loop_thread,), name="watchdog", daemon=True).start()
        try:
            while True:
                self._beat_at = time.monotonic()
                await asyncio.sleep(BEAT_S)
        finally:
            self._stopped.set()

    def _listen(self, loop_thread: int) -> None:
        reported_beat = 0.0
        while not self._stopped.wait(BEAT_S):
            beat_at = self._beat_at
            if time.monotonic() - beat_at < BLOCKED_S or beat_at == reported_beat:
                continue
            reported_beat = beat_at
            self._report(sys._current_frames().get(loop_thread))

    def _report(self, innermost: FrameType | None) -> None:
        owners = (self._owner_of(frame.f_globals.get("__name__", "")) for frame in _outwards(innermost))
        places = (
            f"{frame.f_globals.get('__name__', '?')}:{frame.f_lineno} {frame.f_code.co_name}"
            for frame in islice(_outwards(innermost), PLACES)
        )
        logger.error(
            "the event loop is blocked",
            extra={"plugin": next(filter(None, owners), None), "stack": " < ".join(places)},
        )


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
