"""Random bytes from the operating system, fetched for many uses at a time."""

from __future__ import annotations

import os
import threading

_POOL_SIZE_BYTES = 4096


class _Pool:
    """Hands out each byte once.

    Each call to the system gives up the interpreter lock, and under load takes long to get it back; one
    provisioning needs three.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forget()
        # A child process must not draw the same bytes as its parent.
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._bytes = b""
        self._used = 0

    def take(self, size: int) -> bytes:
        if size > _POOL_SIZE_BYTES:
            return os.urandom(size)
        with self._lock:
            end = self._used + size
            if end > len(self._bytes):
                self._bytes = os.urandom(_POOL_SIZE_BYTES)
                end = size
            self._used = end
            return self._bytes[end - size : end]


random_bytes = _Pool().take
"""Return so many random bytes, fit for secrets."""
