"""Who asks, over whatever transport: an account's token, or a person who is logged in."""

from __future__ import annotations

from dataclasses import dataclass

from firstboot.model import Origin, Tenant
from firstboot.sessions import Owner
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.permissions import Permissions


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Somebody who has proven to belong to an account."""

    account: Tenant
    rights: Permissions
    origin: Origin
    key: str
    """Tells this token or person from all others, for counting."""
    actor: str
    """For the audit log: ``api-token:NAME`` or ``user:EMAIL``."""
    owner: Owner
    """On what live sessions that this asker opens depend."""
    until_ms: int | None = None
    """When the token expires; None: it does not, or a person's login judges itself."""

    def may(self, type: str, resource: str, *actions: str) -> bool:
        """Say whether any of the actions is allowed on a resource."""
        return self.rights.may(type, resource, *actions)

    def check(self, type: str, resource: str, *actions: str) -> None:
        """Refuse unless any of the actions is allowed on a resource.

        Raises: `ThingerError` (403), which names the first of them.
        """
        if not self.rights.may(type, resource, *actions):
            raise forbidden(*actions)

    def check_some(self, type: str, *actions: str) -> None:
        """Refuse unless any of the actions is allowed on one resource at least, as for a list of what is allowed.

        Raises: `ThingerError` (403).
        """
        if not self.rights.may_some(type, *actions):
            raise forbidden(*actions)


def forbidden(*actions: str) -> ThingerError:
    """Return the answer to whoever lacks the right to do any of these."""
    return ThingerError(403, f"forbidden: {actions[0]}")
