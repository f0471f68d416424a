"""Sessions of people: opened by a login, renewed by refresh tokens, ended at once (threats LG-6, LG-7)."""

from __future__ import annotations

from uuid import UUID, uuid4

from firstboot.access_tokens import AccessTokens, Claims, TokenExpired, TokenKind, TokenPair
from firstboot.batching import Batcher
from firstboot.clock import Clock, milliseconds
from firstboot.config import LoginConfig
from firstboot.errors import NotAuthenticated
from firstboot.keyring import Keyring
from firstboot.login_reports import LoginReports
from firstboot.model import User, UserSession
from firstboot.secret import Secret
from firstboot.storage import (
    EndUserSession,
    OpenUserSession,
    Outcome,
    RenewUserSession,
    Storage,
    Write,
    WriteResult,
)


class UserSessions:
    """Opens, renews, finds and ends sessions. Each is a row: a token whose row is gone opens nothing."""

    def __init__(
        self,
        *,
        config: LoginConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        tokens: AccessTokens,
        reports: LoginReports,
        clock: Clock,
    ) -> None:
        self._life_ms = milliseconds(config.refresh_token_life)
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._tokens = tokens
        self._reports = reports
        self._clock = clock

    async def open(self, user: User, address: str, *, how: str) -> TokenPair:
        """Open a session for a user who was proven; ``how`` is for the audit log.

        Raises: `NotAuthenticated` when the user may not log in, or not with this password any more;
        `Unavailable`.
        """
        _check_may_log_in(user)
        session_id = uuid4()
        tokens = await self._issue(user, session_id)
        now_ms = self._clock.now_ms()
        session = UserSession(
            public_id=session_id,
            user_id=user.id,
            refresh_digest=self._digest(tokens.refresh_token),
            created_at_ms=now_ms,
            expires_at_ms=now_ms + self._life_ms,
        )
        audit = self._reports.logged_in(user, address, how)
        await self._commits.submit(OpenUserSession(session=session, audit=audit))
        # A password that was changed while it was checked has ended all sessions but this one.
        found = await self._storage.user_session(session_id)
        if found is None or found[1].password_hash != user.password_hash:
            await self.end(user, session_id, address)
            raise NotAuthenticated("wrong-password", "Invalid username or password")
        return tokens

    async def renew(self, refresh_token: Secret, address: str) -> TokenPair:
        """Exchange a refresh token, once, for a new pair. One that comes twice ends the session (LG-6).

        Raises: `NotAuthenticated`, `Unavailable`.
        """
        session, user = await self._find(await self._tokens.read(refresh_token, TokenKind.REFRESH))
        tokens = await self._issue(user, session.public_id)
        now_ms = self._clock.now_ms()
        result = await self._commits.submit(
            RenewUserSession(
                session_id=session.public_id,
                replaces=self._digest(refresh_token),
                refresh_digest=self._digest(tokens.refresh_token),
                at_ms=now_ms,
                expires_at_ms=now_ms + self._life_ms,
            )
        )
        if result.outcome is Outcome.STALE:
            await self._reports.reused(user, address)
        if result.outcome is not Outcome.DONE:
            raise _session_over()
        return tokens

    async def find(self, access_token: Secret) -> tuple[UserSession, User]:
        """Return session and user of an access token, as they are in the database at this moment.

        Raises: `NotAuthenticated`, `Unavailable`.
        """
        return await self._find(await self._tokens.read(access_token, TokenKind.ACCESS))

    async def end(self, user: User, session_id: UUID, address: str) -> None:
        """End a session.

        Raises: `Unavailable`.
        """
        audit = self._reports.logged_out(user, address)
        await self._commits.submit(EndUserSession(session_id=session_id, audit=audit))

    async def _find(self, claims: Claims) -> tuple[UserSession, User]:
        found = await self._storage.user_session(claims.session_id)
        if found is None:
            raise _session_over()
        session, user = found
        if user.public_id != claims.user_id or session.expires_at_ms <= self._clock.now_ms():
            raise _session_over()
        _check_may_log_in(user)
        return session, user

    async def _issue(self, user: User, session_id: UUID) -> TokenPair:
        tenant = customer = None
        if user.tenant_id is not None:
            tenants = await self._storage.all_tenants()
            tenant = next((each.public_id for each in tenants if each.id == user.tenant_id), None)
            if user.customer_id is not None:
                found = await self._storage.customers_by_id(user.tenant_id, [user.customer_id])
                customer = found[0].public_id if found else None
        return await self._tokens.issue(user, session_id, tenant=tenant, customer=customer)

    def _digest(self, refresh_token: Secret) -> bytes:
        return self._keyring.digest("refresh-token", refresh_token.reveal())


def _check_may_log_in(user: User) -> None:
    if not user.enabled or user.password_hash is None:
        raise NotAuthenticated("not-active", "User account is not active")


def _session_over() -> TokenExpired:
    return TokenExpired("session-over")
