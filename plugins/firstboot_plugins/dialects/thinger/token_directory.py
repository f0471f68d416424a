"""The tokens of all accounts in memory, by their texts: a request costs no look into the database."""

from __future__ import annotations

from collections.abc import Sequence

from firstboot.api_tokens import USE_RECORDED_EVERY_MS
from firstboot.app import Services
from firstboot.model import ApiToken
from firstboot.secret import Secret
from firstboot.storage import Change, ChangeKind
from firstboot_plugins.dialects.thinger.accounts import Accounts
from firstboot_plugins.dialects.thinger.known_token import KnownToken, known_token

MAX_LENGTH = 4096
"""Longer texts are not looked at."""


class TokenDirectory:
    """Kept true by the log of changes; a text that is not known yet is looked for there once more."""

    def __init__(self, services: Services, accounts: Accounts) -> None:
        self._services = services
        self._accounts = accounts
        self._keyring = services.core.keyring
        self._changes = services.changes
        self._by_id: dict[int, KnownToken] = {}
        # Time tells nothing of a text that is like one: only where the whole hash, which this process has keyed
        # at random, is the same are texts compared, and then in a time of their own.
        self._by_secret: dict[Secret, KnownToken] = {}
        self._used_at_ms: dict[int, int] = {}
        self._changes.watch(ChangeKind.API_TOKEN, self._follow)

    async def load(self) -> None:
        """Read them all.

        Raises: `Unavailable`.
        """
        for tenant in await self._services.storage.all_tenants():
            for token in await self._services.storage.list_api_tokens(tenant.id):
                await self.take(token)

    async def search(self, secret: Secret) -> KnownToken | None:
        """As `get`, also for a token that another process has made just now.

        Raises: `Unavailable`.
        """
        if 0 < len(secret) <= MAX_LENGTH:
            await self._changes.catch_up()
        return self.get(secret)

    def get(self, secret: Secret) -> KnownToken | None:
        """Return the token that this text is, if it is good at this moment."""
        if len(secret) > MAX_LENGTH:
            return None
        known = self._by_secret.get(secret)
        now_ms = self._services.clock.now_ms()
        if known is None or not known.is_good_at(now_ms):
            return None
        self._note_use(known.token, now_ms)
        return known

    def of_account(self, tenant_id: int) -> Sequence[KnownToken]:
        """Return the tokens of an account, in the order in which they were made."""
        own = [known for known in self._by_id.values() if known.token.tenant_id == tenant_id]
        return sorted(own, key=lambda known: known.token.id)

    async def take(self, token: ApiToken) -> None:
        """Note what a token is now, if it is one of this dialect.

        Raises: `Unavailable`.
        """
        account = await self._accounts.get(token.tenant_id)
        self.drop(token.id)
        known = None if account is None else known_token(self._keyring, token, account)
        if known is not None:
            self._by_id[token.id] = known
            self._by_secret.update(dict.fromkeys(known.secrets, known))

    def drop(self, token_id: int) -> None:
        """Forget a token."""
        known = self._by_id.pop(token_id, None)
        self._used_at_ms.pop(token_id, None)
        for secret in known.secrets if known is not None else ():
            self._by_secret.pop(secret, None)

    async def _follow(self, changes: Sequence[Change]) -> None:
        for token_id in {change.ref for change in changes}:
            token = await self._services.storage.api_token(token_id)
            if token is None:
                self.drop(token_id)
            else:
                await self.take(token)

    def _note_use(self, token: ApiToken, now_ms: int) -> None:
        """Let the moment be written now and then; nobody waits for it."""
        if now_ms - self._used_at_ms.get(token.id, 0) >= USE_RECORDED_EVERY_MS:
            self._used_at_ms[token.id] = now_ms
            self._services.api_tokens.record_use(token, now_ms)
