"""Access tokens of an account: made, changed and deleted (contract 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from firstboot.api_tokens import ApiTokenService
from firstboot.clock import Clock
from firstboot.keyring import Keyring
from firstboot.model import Tenant
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.known_token import DETAILS, KnownToken, jwt_of, known_token
from firstboot_plugins.dialects.thinger.token_bodies import TokenChange
from firstboot_plugins.dialects.thinger.token_secrets import new_nonce


class AccessTokens:
    """What programs and the command line do with tokens. Who may do it is for them to check."""

    def __init__(self, api_tokens: ApiTokenService, keyring: Keyring, clock: Clock, server: str | None) -> None:
        """``server``: where a token says that it is good; None: it does not say."""
        self._api_tokens = api_tokens
        self._keyring = keyring
        self._clock = clock
        self._server = server

    async def create(self, account: Tenant, name: str, wanted: TokenChange, *, actor: str) -> KnownToken:
        """Make a token.

        Raises: `AlreadyExists`, `ThingerError`.
        """
        self._check_expiry(wanted)
        kept = {"svr": self._server, **wanted.kept}
        return await self.add(
            account,
            name,
            kept,
            enabled=wanted.enabled is not False,
            expires_at_ms=wanted.expires_at_ms,
            actor=actor,
        )

    async def add(
        self,
        account: Tenant,
        name: str,
        kept: Mapping[str, Any],
        *,
        enabled: bool = True,
        expires_at_ms: int | None = None,
        actor: str,
    ) -> KnownToken:
        """Make a token with these details.

        Raises: `AlreadyExists`.
        """
        kept = {
            **kept,
            "nonce": new_nonce(),
            # What was handed out stays as it is: a later change of the expiry is not in it.
            "exp": None if expires_at_ms is None else expires_at_ms // 1000,
        }
        token, _ = await self._api_tokens.create(
            account.id,
            name,
            (),
            expires_at_ms,
            details={DETAILS: kept},
            secret=jwt_of(self._keyring, name, account.name, kept),
            enabled=enabled,
            actor=actor,
        )
        made = known_token(self._keyring, token, account)
        assert made is not None  # it has the details of this dialect
        return made

    async def update(self, known: KnownToken, wanted: TokenChange, *, actor: str) -> KnownToken:
        """Change a token, which keeps its texts. Live sessions that were opened with it end.

        Raises: `NotFound`, `ThingerError`.
        """
        self._check_expiry(wanted)
        token = known.token
        kept = {**known.details, **wanted.kept, "modified": self._clock.now_ms()}
        changed = await self._api_tokens.update(
            replace(
                token,
                details={**token.details, DETAILS: kept},
                enabled=token.enabled if wanted.enabled is None else wanted.enabled,
                expires_at_ms=wanted.expires_at_ms if wanted.sets_expiry else token.expires_at_ms,
            ),
            actor=actor,
        )
        read = known_token(self._keyring, changed, known.account)
        assert read is not None  # as before
        return read

    async def delete(self, known: KnownToken, *, actor: str) -> None:
        """Delete a token: what was made with it goes on, it opens nothing any more.

        Raises: `NotFound`.
        """
        await self._api_tokens.revoke(known.token, actor=actor)

    def _check_expiry(self, wanted: TokenChange) -> None:
        if wanted.expires_at_ms is not None and wanted.expires_at_ms <= self._clock.now_ms():
            raise ThingerError(400, "expire is in the past")
