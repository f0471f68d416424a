"""Saying who could not log in, and why: one log line and one audit row, floods in sum (threats LG-2, SE-7)."""

from __future__ import annotations

import logging

from firstboot.batching import Batcher
from firstboot.clock import Clock
from firstboot.errors import NotAuthenticated, Unavailable
from firstboot.model import User
from firstboot.storage import AppendAudit, AuditEntry, Write, WriteResult
from firstboot.throttle import FailureThrottle, source_of

logger = logging.getLogger(__name__)

NOBODY = "user:unknown"
"""An address of no user is not kept: people type their password into the wrong field."""


class LoginReports:
    """Reports what went wrong; what went well is audited with the session itself."""

    def __init__(self, commits: Batcher[Write, WriteResult], throttle: FailureThrottle, clock: Clock) -> None:
        self._commits = commits
        self._throttle = throttle
        self._clock = clock

    def logged_in(self, user: User, address: str, how: str = "password") -> AuditEntry:
        """Return the audit entry of a login; it is written with the session."""
        return self._entry("user-logged-in", user, address, how)

    def logged_out(self, user: User, address: str) -> AuditEntry:
        """Return the audit entry of the end of a session that its user wants."""
        return self._entry("user-logged-out", user, address)

    async def refused(self, refusal: NotAuthenticated, user: User | None, address: str) -> None:
        """Log and audit that somebody was not who he said he is."""
        await self._report("login-refused", refusal.code, user, address)

    async def reused(self, user: User, address: str) -> None:
        """Log and audit that a refresh token came twice: it was stolen, before or after its first use."""
        await self._report("refresh-token-reused", "session-ended", user, address)

    async def _report(self, event: str, code: str, user: User | None, address: str) -> None:
        if not self._throttle.is_news(f"login {source_of(address)}"):
            return
        entry = self._entry(event, user, address, code=code)
        logger.warning(event.replace("-", " "), extra={"code": code, "actor": entry.actor, "address": address})
        try:
            await self._commits.submit(AppendAudit(entry))
        except Unavailable as error:  # the refusal stands, and is in the log
            logger.error("a refusal could not be written to the audit log", extra={"reason": str(error)})

    def _entry(
        self, event: str, user: User | None, address: str, detail: str = "", *, code: str = "ok"
    ) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            code=code,
            tenant_id=user.tenant_id if user is not None else None,
            actor=f"user:{user.email}" if user is not None else NOBODY,
            address=address,
            detail=detail,
        )
