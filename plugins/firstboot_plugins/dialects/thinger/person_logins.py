"""Logins of people over thinger.io's API: those of our own REST, in the form that its clients read (contract 2.2).

Passwords, their throttling, sessions and the exchange of refresh tokens are the services' (`firstboot.login`).
What is here puts the two tokens of a login into JWT with the claims that clients look for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from firstboot.access_tokens import TokenPair
from firstboot.app import Services
from firstboot.config import LoginConfig
from firstboot.errors import NotAuthenticated
from firstboot.identities import Identity
from firstboot.model import Authority, Origin, Tenant
from firstboot.secret import Secret, random_text
from firstboot.storage import PageQuery
from firstboot_plugins.dialects.thinger.accounts import Accounts
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.permissions import full
from firstboot_plugins.dialects.thinger.token_secrets import ALGORITHM

MAX_LENGTH = 8192
_ACCESS = "thinger login access"
_REFRESH = "thinger login refresh"
_INNER = "tok"
"""The claim with the token of our own."""


class PersonLogins:
    """Lets administrators of a tenant in, and nobody else: they may do everything in the account."""

    def __init__(self, services: Services, accounts: Accounts) -> None:
        self._services = services
        self._accounts = accounts
        self._login = services.config.section(LoginConfig)

    async def log_in(self, name: str, password: Secret, address: str) -> dict[str, Any]:
        """Open a session; ``name`` is an e-mail address, or the account's where one administrator has it alone.

        Raises: `NotAuthenticated`, `Unavailable`.
        """
        authentication = self._services.authentication
        pair = await authentication.log_in(await self._email_of(name), password, address)
        identity = await authentication.identify(pair.token, address)
        account = await self._account_of(identity)
        if account is None:
            await authentication.log_out(identity, address)
            raise NotAuthenticated("not-an-administrator", "This person administers no tenant.")
        return self._told(pair, account)

    async def refresh(self, token: Secret, address: str) -> dict[str, Any]:
        """Exchange a refresh token, once, for new tokens.

        Raises: `NotAuthenticated`, `Unavailable`.
        """
        authentication = self._services.authentication
        inner = self._inner(token, _REFRESH)
        if inner is None:
            raise NotAuthenticated("malformed-token", "This is no refresh token.")
        pair = await authentication.refresh(inner, address)
        identity = await authentication.identify(pair.token, address)
        account = await self._account_of(identity)
        if account is None:  # moved to a customer meanwhile
            raise NotAuthenticated("not-an-administrator", "This person administers no tenant.")
        return self._told(pair, account)

    async def find(self, bearer: Secret, origin: Origin) -> Asker | None:
        """Return the person whose access token this is, with the rights of this moment.

        Raises: `Unavailable`.
        """
        inner = self._inner(bearer, _ACCESS)
        if inner is None:
            return None
        try:
            identity = await self._services.authentication.identify(inner, origin.address)
        except NotAuthenticated:
            return None
        account = await self._account_of(identity)
        if account is None:
            return None
        return Asker(
            account=account,
            rights=full(),
            origin=origin,
            key=identity.actor,
            actor=identity.actor,
            owner=identity.owner,
        )

    async def _email_of(self, name: str) -> str:
        if "@" in name:
            return name
        account = await self._accounts.find(name)
        if account is None:
            return name
        page = await self._services.users.page(account.id, PageQuery(page_size=1000))
        emails = [user.email for user in page.rows if user.authority is Authority.TENANT_ADMIN]
        return emails[0] if len(emails) == 1 else name

    async def _account_of(self, identity: Identity) -> Tenant | None:
        if identity.authority is not Authority.TENANT_ADMIN or identity.tenant_id is None:
            return None
        return await self._accounts.get(identity.tenant_id)

    def _told(self, pair: TokenPair, account: Tenant) -> dict[str, Any]:
        now_s = self._services.clock.now_ms() // 1000
        life_s = int(self._login.access_token_life.total_seconds())
        refresh_life_s = int(self._login.refresh_token_life.total_seconds())
        access = {"exp": now_s + life_s, "iat": now_s, "usr": account.name, "role": "user"}
        refresh = {"exp": now_s + refresh_life_s, "iat": now_s, "jti": random_text(22)}
        return {
            "access_token": self._wrapped(access, pair.token, _ACCESS),
            "expires_in": life_s,
            "refresh_token": self._wrapped(refresh, pair.refresh_token, _REFRESH),
            "scope": None,
            "token_type": "bearer",
        }

    def _wrapped(self, claims: Mapping[str, Any], inner: Secret, purpose: str) -> str:
        import jwt  # not before somebody logs in

        key = self._services.core.keyring.key(purpose)
        return jwt.encode({**claims, _INNER: inner.reveal()}, key, ALGORITHM)

    def _inner(self, token: Secret, purpose: str) -> Secret | None:
        """Return our own token in one that we have signed; it judges its expiry itself."""
        text = token.reveal()
        if text.count(".") != 2 or len(text) > MAX_LENGTH:
            return None
        import jwt

        key = self._services.core.keyring.key(purpose)
        try:
            claims = jwt.decode(
                text, key, algorithms=[ALGORITHM], options={"verify_exp": False, "verify_iat": False}
            )
        except (jwt.InvalidTokenError, ValueError, RecursionError):  # the last two: no text, nested too deeply
            return None
        return Secret(claims[_INNER])
