"""Naming what blocks the event loop (threats PL-3, OP-11)."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback

logger = logging.getLogger(__name__)

BEAT_S = 0.2
BLOCKED_S = 0.7


class Watchdog:
    """A thread that expects a beat from the event loop, and logs its stack when none comes."""

    def __init__(self) -> None:
        self._beat_at = time.monotonic()
        self._stopped = threading.Event()

    async def watch(self) -> None:
        """Beat until cancelled, while a thread listens."""
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
            frame = sys._current_frames().get(loop_thread)
            stack = traceback.extract_stack(frame)[-6:] if frame is not None else []
            places = " < ".join(f"{entry.filename}:{entry.lineno} {entry.name}" for entry in reversed(stack))
            logger.error("the event loop is blocked", extra={"stack": places[-1000:]})
