"""Access tokens: one text that says everything (ThingsBoard contract PR-13, PR-14)."""

from __future__ import annotations

from collections.abc import Iterable

from firstboot.config import Config
from firstboot.credentials import CredentialGenerator, refuse_control_characters
from firstboot.errors import ProvisioningRefused
from firstboot.hookspecs import hookimpl
from firstboot.model import Credentials, WantedCredentials
from firstboot.secret import random_text

FIRSTBOOT_API = 1

TOKEN_LENGTH = 20
"""Characters of a generated token; ThingsBoard's length."""


class AccessTokens:
    """Makes and checks ``ACCESS_TOKEN``: the token is the look-up id, and there is no value beside it."""

    type = "ACCESS_TOKEN"

    def issue(self, wanted: WantedCredentials) -> Credentials:
        """Take the token exactly as the device sent it, or draw one."""
        if not wanted.given:
            return self._draw()
        if not wanted.token:
            raise ProvisioningRefused(
                "The device brought credentials but no token. Send token, or name the type in credentialsType.",
                code="bad-credentials-request",
            )
        refuse_control_characters(wanted.token)
        return Credentials(self.type, wanted.token)

    def renew(self, current: Credentials) -> Credentials:
        """Draw another token."""
        return self._draw()

    def reveal(self, credentials: Credentials) -> str:
        """Return the token."""
        return credentials.id

    def _draw(self) -> Credentials:
        return Credentials(self.type, random_text(TOKEN_LENGTH))


@hookimpl
def firstboot_credential_generators(config: Config) -> Iterable[CredentialGenerator]:
    """Offer `AccessTokens`."""
    return [AccessTokens()]
