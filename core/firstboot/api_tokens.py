"""API tokens: secrets for programs, with scopes, expiry and a name (threat LG-9)."""

from __future__ import annotations

import asyncio
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from firstboot.batching import Batcher
from firstboot.clock import Clock, new_public_id
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, Unavailable
from firstboot.keyring import Keyring
from firstboot.model import ApiToken
from firstboot.names import clean_name
from firstboot.randomness import random_bytes
from firstboot.scopes import check_scopes, check_within
from firstboot.secret import Secret
from firstboot.storage import (
    AuditEntry,
    CreateApiToken,
    DeleteApiToken,
    Outcome,
    RecordTokenUse,
    Storage,
    UpdateApiToken,
    Write,
    WriteResult,
)

PREFIX = "fbt_"
"""So that a token is known for what it is: by us at once, and by those who search code for secrets."""
USE_RECORDED_EVERY_MS = 60_000
_SIZE_BYTES = 32
_LENGTH = len(PREFIX) + 43


class ApiTokenService:
    """Makes, finds, changes and revokes tokens. What is stored of one is its digest: it is shown once."""

    def __init__(
        self, storage: Storage, commits: Batcher[Write, WriteResult], keyring: Keyring, clock: Clock
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._clock = clock
        self._being_recorded: set[int] = set()

    async def create(
        self,
        tenant_id: int,
        name: str,
        scopes: Iterable[str],
        expires_at_ms: int | None = None,
        *,
        within: Collection[str] | None = None,
        details: Mapping[str, Any] | None = None,
        secret: Secret | None = None,
        enabled: bool = True,
        actor: str,
    ) -> tuple[ApiToken, Secret]:
        """Make a token; ``within`` are the scopes of whoever asks, None when no scopes bound him.

        ``secret`` is one in a dialect's own form, as hard to guess as ours, and without `PREFIX`. Such a token
        needs no scopes: the dialect keeps in ``details`` what it may do.

        Raises: `InvalidValue`, `NotAllowed`, `AlreadyExists`.
        """
        now_ms = self._clock.now_ms()
        if expires_at_ms is not None and expires_at_ms <= now_ms:
            raise InvalidValue("The token would have expired already.")
        wanted = tuple(scopes)
        checked = check_scopes(wanted) if wanted or secret is None else ()
        check_within(checked, within)
        if secret is None:
            secret = Secret(PREFIX + urlsafe_b64encode(random_bytes(_SIZE_BYTES)).rstrip(b"=").decode("ascii"))
        token = ApiToken(
            id=0,
            public_id=new_public_id(now_ms),
            tenant_id=tenant_id,
            name=clean_name(name, "token name"),
            scopes=checked,
            digest=self._digest(secret),
            created_by=actor,
            created_at_ms=now_ms,
            expires_at_ms=expires_at_ms,
            enabled=enabled,
            details=details or {},
        )
        audit = self._audit("api-token-created", token, actor, f"{token.name}: {' '.join(checked)}".rstrip(": "))
        result = await self._commits.submit(CreateApiToken(token=token, audit=audit))
        if result.outcome is Outcome.NAME_TAKEN:
            raise AlreadyExists(f"There is an API token named {token.name!r} already.")
        if result.outcome is not Outcome.DONE:
            raise NotFound("There is no such tenant.")
        return replace(token, id=result.id), secret

    async def list(self, tenant_id: int) -> Sequence[ApiToken]:
        return await self._storage.list_api_tokens(tenant_id)

    async def get(self, tenant_id: int, public_id: UUID) -> ApiToken:
        """Return a token of the tenant.

        Raises: `NotFound`.
        """
        for token in await self._storage.list_api_tokens(tenant_id):
            if token.public_id == public_id:
                return token
        raise _gone()

    async def by_name(self, tenant_id: int, name: str) -> ApiToken:
        """Return a token of the tenant.

        Raises: `NotFound`.
        """
        for token in await self._storage.list_api_tokens(tenant_id):
            if token.name == name:
                return token
        raise _gone()

    async def update(self, token: ApiToken, *, secret: Secret | None = None, actor: str) -> ApiToken:
        """Replace scopes, expiry, details, whether it is enabled, and the secret if there is another.

        Whatever was opened with it ends.

        Raises: `InvalidValue`, `NotFound`.
        """
        scopes = check_scopes(token.scopes) if token.scopes else ()
        changed = replace(token, scopes=scopes, digest=token.digest if secret is None else self._digest(secret))
        audit = self._audit("api-token-updated", token, actor, token.name)
        result = await self._commits.submit(UpdateApiToken(token=changed, audit=audit))
        if result.outcome is not Outcome.DONE:
            raise _gone()
        return changed

    async def revoke(self, token: ApiToken, *, actor: str) -> None:
        """Delete a token; whatever was opened with it ends.

        Raises: `NotFound`.
        """
        audit = self._audit("api-token-revoked", token, actor, token.name)
        result = await self._commits.submit(DeleteApiToken(token_id=token.id, audit=audit))
        if result.outcome is not Outcome.DONE:
            raise _gone()

    async def find(self, secret: Secret) -> ApiToken | None:
        """Return the token that this secret is, unless it has expired or is disabled, and note that it was used.

        Each call looks into the database: the form is for whoever asks to check before.

        Raises: `Unavailable`.
        """
        if secret.reveal().startswith(PREFIX) and len(secret) != _LENGTH:
            return None
        token = await self._storage.api_token_by_digest(self._digest(secret))
        now_ms = self._clock.now_ms()
        if token is None or not token.enabled:
            return None
        if token.expires_at_ms is not None and token.expires_at_ms <= now_ms:
            return None
        if token.last_used_at_ms is None or now_ms - token.last_used_at_ms >= USE_RECORDED_EVERY_MS:
            self.record_use(token, now_ms)
        return token

    def record_use(self, token: ApiToken, now_ms: int) -> None:
        """Write the moment of use; nobody waits for it, and nobody fails for it."""
        if token.id in self._being_recorded:
            return
        try:
            recorded = self._commits.submit(RecordTokenUse(token.id, now_ms))
        except Unavailable:
            return
        self._being_recorded.add(token.id)

        def done(future: asyncio.Future[WriteResult]) -> None:
            self._being_recorded.discard(token.id)
            if not future.cancelled():
                future.exception()  # looked at, so that nobody reports it

        recorded.add_done_callback(done)

    def _digest(self, secret: Secret) -> bytes:
        return self._keyring.digest("api-token", secret.reveal())

    def _audit(self, event: str, token: ApiToken, actor: str, detail: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(), event=event, tenant_id=token.tenant_id, actor=actor, detail=detail
        )


def _gone() -> NotFound:
    return NotFound("There is no such API token.")
