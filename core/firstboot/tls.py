"""The server's certificates while it runs: read anew when they change, and watched for their end (threat SE-8)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import datetime, timedelta
from pathlib import Path

from OpenSSL import SSL

from firstboot.clock import Clock
from firstboot.config import TlsConfig
from firstboot.errors import ConfigError
from firstboot.moments import as_datetime
from firstboot.tls_contexts import ContextRefused, Contexts
from firstboot.tls_files import TlsFiles, expired, read_files
from firstboot.tls_settings import paths_of

logger = logging.getLogger(__name__)

LOOK_INTERVAL_S = 1.0
"""How often the files are looked at. They are read once they have stayed the same from one look to the next."""
REMIND_INTERVAL_S = 3600.0
"""How often it is said that a certificate has expired."""
NOTICES_DAYS = (30, 7, 1)
"""How long before the end of a certificate it is said that it ends."""
_Signature = tuple[tuple[int, int, int] | None, ...]


class Tls:
    """Gives new connections the certificates that are in force."""

    def __init__(
        self, config: TlsConfig, clock: Clock, seen: _Signature, files: TlsFiles, contexts: Contexts
    ) -> None:
        self._config = config
        self._clock = clock
        self._files = files
        self._contexts = contexts
        self._seen = seen
        self._is_changing = False
        self._asked = asyncio.Event()
        self._noticed: dict[bytes, int] = {}
        """How many days before its end a certificate was last spoken of, by fingerprint."""

    @classmethod
    def open(cls, config: TlsConfig, clock: Clock) -> Tls:
        """Read the files.

        Raises: `ConfigError` with all that is wrong with them.
        """
        seen = _signature(config)  # before: what changes after it is read again
        return cls(config, clock, seen, *_load(config, as_datetime(clock.now_ms())))

    def connection(self, *, asks_for_certificate: bool) -> tuple[SSL.Connection, set[tuple[int, int]]]:
        """Return the server's side of a new connection; see `Contexts.connection`."""
        return self._contexts.connection(asks_for_certificate=asks_for_certificate)

    def datagram_connection(
        self, *, asks_for_certificate: bool, cookie: bytes
    ) -> tuple[SSL.Connection, set[tuple[int, int]]]:
        """Return the server's side of a new connection of DTLS; see `Contexts.datagram_connection`."""
        return self._contexts.datagram_connection(asks_for_certificate=asks_for_certificate, cookie=cookie)

    # -- new files ---------------------------------------------------------------------------------

    async def reload(self) -> bool:
        """Read the files anew; say whether they are in force now. If not, all stays as it was (fault OP-14)."""
        self._seen = await asyncio.to_thread(_signature, self._config)
        self._is_changing = False
        now = as_datetime(self._clock.now_ms())
        try:
            files, contexts = await asyncio.to_thread(_load, self._config, now)
            if problems := expired(files.certificates, now):
                raise ConfigError(*problems)
        except ConfigError as error:
            logger.error("new certificates are not used, the old ones stay in force", extra={"reason": str(error)})
            return False
        self._files, self._contexts = files, contexts
        logger.info(
            "certificates are read", extra={"until": f"{files.certificates[0].expires_at:%Y-%m-%d %H:%M} UTC"}
        )
        self.remind()
        return True

    async def look(self) -> None:
        """Read the files if they have changed and nobody writes them any more."""
        signature = await asyncio.to_thread(_signature, self._config)
        if signature != self._seen:
            self._seen = signature
            self._is_changing = True
        elif self._is_changing:
            await self.reload()

    def ask_to_reload(self) -> None:
        """Let `watch` read the files anew now, also if nothing has changed."""
        self._asked.set()

    async def watch(self) -> None:
        """Follow the files and the calendar for ever."""
        self.remind()
        reminded_at = self._clock.monotonic()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_INTERVAL_S):
                    await self._asked.wait()
            if self._asked.is_set():
                self._asked.clear()
                await self.reload()
            else:
                await self.look()
            if self._clock.monotonic() - reminded_at >= REMIND_INTERVAL_S:
                reminded_at = self._clock.monotonic()
                self.remind()

    # -- the calendar ------------------------------------------------------------------------------

    def remind(self) -> None:
        """Log what has expired, each time, and what ends soon, once for each of `NOTICES_DAYS`."""
        now = as_datetime(self._clock.now_ms())
        for problem in expired(self._files.certificates, now):
            logger.error("a certificate has expired; devices refuse to connect", extra={"reason": str(problem)})
        for certificate in self._files.certificates:
            left = certificate.expires_at - now
            due = [days for days in NOTICES_DAYS if timedelta() < left <= timedelta(days=days)]
            fingerprint = certificate.leaf.signature
            if due and min(due) < self._noticed.get(fingerprint, NOTICES_DAYS[0] + 1):
                self._noticed[fingerprint] = min(due)
                logger.warning(
                    "a certificate ends soon",
                    extra={"file": str(certificate.file), "until": f"{certificate.expires_at:%Y-%m-%d %H:%M} UTC"},
                )

    def faults(self) -> tuple[str, ...]:
        """Say what keeps devices from connecting."""
        return tuple(str(each) for each in expired(self._files.certificates, as_datetime(self._clock.now_ms())))

    def warnings(self) -> tuple[str, ...]:
        """Say what will keep devices from connecting soon."""
        now = as_datetime(self._clock.now_ms())
        soon = timedelta(days=NOTICES_DAYS[0])
        return tuple(
            f"The certificate in {each.file} ends at {each.expires_at:%Y-%m-%d %H:%M} UTC."
            for each in self._files.certificates
            if timedelta() < each.expires_at - now <= soon
        )


def _load(config: TlsConfig, now: datetime) -> tuple[TlsFiles, Contexts]:
    files, problems = read_files(config, now)
    if problems:
        raise ConfigError(*problems)
    try:
        return files, Contexts(config, files)
    except ContextRefused as error:
        raise ConfigError(error.problem) from None


def _signature(config: TlsConfig) -> _Signature:
    return tuple(_signature_of(path) for path in paths_of(config))


def _signature_of(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
