"""Access and refresh tokens of people: JWT, as clients of ThingsBoard read them (contract RA-2, threat LG-6)."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from firstboot.clock import Clock
from firstboot.errors import NotAuthenticated
from firstboot.model import Authority, User
from firstboot.secret import Secret, random_text
from firstboot.signing_keys import SigningKeys

ISSUER = "firstboot"
ALGORITHM = "HS512"
MAX_SIZE_BYTES = 4096
LEEWAY = timedelta(seconds=60)
REFRESH_SCOPE = "REFRESH_TOKEN"
NO_ENTITY = UUID("13814000-1dd2-11b2-8080-808080808080")
"""What stands for no tenant or no customer in a token (contract 5.3)."""

_REQUIRED = ("iss", "aud", "sub", "iat", "exp", "jti", "scopes", "sessionId", "userId")
_AUTHORITIES = frozenset(Authority)
_SHOWN_NAME_LENGTH = 64
"""Names are for display, and a token has to stay below `MAX_SIZE_BYTES`."""


class TokenKind(enum.StrEnum):
    """What a token is for; the audience says which it is, so that none passes for the other."""

    ACCESS = "firstboot-access"
    REFRESH = "firstboot-refresh"


@dataclass(frozen=True, slots=True)
class TokenPair:
    """What a login gives."""

    token: Secret
    refresh_token: Secret


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token that we signed says. Rights are not in it: they are read anew for each request."""

    session_id: UUID
    user_id: UUID


class TokenExpired(NotAuthenticated):
    """The token is no longer good, or not signed by us: the client has to get another one."""

    def __init__(self, code: str = "token-expired") -> None:
        super().__init__(code, "Token has expired", expired=True)


class TokenInvalid(NotAuthenticated):
    """The text is no token of ours."""

    def __init__(self) -> None:
        super().__init__("malformed-token", "Invalid username or password")


@dataclass(frozen=True, slots=True)
class Lives:
    """How long the tokens of each kind are good."""

    access: timedelta
    refresh: timedelta

    def of(self, kind: TokenKind) -> timedelta:
        return self.access if kind is TokenKind.ACCESS else self.refresh


class AccessTokens:
    """Makes and reads tokens; the library is loaded with the first one."""

    def __init__(self, keys: SigningKeys, lives: Lives, clock: Clock) -> None:
        self._keys = keys
        self._lives = lives
        self._clock = clock

    async def issue(
        self, user: User, session_id: UUID, *, tenant: UUID | None, customer: UUID | None
    ) -> TokenPair:
        """Return tokens of a login; ``tenant`` and ``customer`` are the public ids of the user's.

        Raises: `Unavailable`.
        """
        common = {"sub": user.email, "userId": str(user.public_id), "sessionId": str(session_id)}
        shown = {
            "scopes": [user.authority.value],
            "firstName": _shown(user.first_name),
            "lastName": _shown(user.last_name),
            "enabled": user.enabled,
            "isPublic": False,
            "tenantId": str(tenant or NO_ENTITY),
            "customerId": str(customer or NO_ENTITY),
        }
        return TokenPair(
            await self._signed(TokenKind.ACCESS, {**common, **shown}),
            await self._signed(TokenKind.REFRESH, {**common, "scopes": [REFRESH_SCOPE], "isPublic": False}),
        )

    async def read(self, token: Secret, kind: TokenKind) -> Claims:
        """Check a token of this kind; whether its session still is open is for the caller to see.

        Raises: `TokenExpired`, `TokenInvalid`, `Unavailable`.
        """
        import jwt

        text = token.reveal()
        if len(text) > MAX_SIZE_BYTES:
            raise TokenInvalid
        try:
            header = jwt.get_unverified_header(text)
        except (jwt.InvalidTokenError, ValueError, RecursionError):  # the last two: no text, nested too deeply
            raise TokenInvalid from None
        key = await self._keys.find(str(header.get("kid")))
        if key is None or header.get("alg") != ALGORITHM:
            raise TokenExpired("wrongly-signed-token")
        try:
            claims = jwt.decode(
                text,
                key.secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=kind.value,
                # Moments are compared with our clock, below.
                options={"require": list(_REQUIRED), "verify_exp": False, "verify_iat": False, "strict_aud": True},
            )
        except jwt.InvalidSignatureError:
            raise TokenExpired("wrongly-signed-token") from None
        except (jwt.InvalidTokenError, ValueError):
            raise TokenInvalid from None
        self._check_life(claims, kind)
        return _claims(claims, kind)

    async def _signed(self, kind: TokenKind, claims: Mapping[str, Any]) -> Secret:
        import jwt

        key = await self._keys.current()
        now_s = self._clock.now_ms() // 1000
        life_s = int(self._lives.of(kind).total_seconds())
        times = {"iss": ISSUER, "aud": kind.value, "iat": now_s, "exp": now_s + life_s, "jti": random_text(22)}
        return Secret(jwt.encode({**claims, **times}, key.secret, ALGORITHM, headers={"kid": key.id}))

    def _check_life(self, claims: Mapping[str, Any], kind: TokenKind) -> None:
        issued_at, expires_at = claims["iat"], claims["exp"]
        if type(issued_at) is not int or type(expires_at) is not int:
            raise TokenInvalid
        now_s, leeway_s = self._clock.now_ms() / 1000, LEEWAY.total_seconds()
        if issued_at > now_s + leeway_s or expires_at - issued_at > self._lives.of(kind).total_seconds():
            raise TokenInvalid
        if expires_at + leeway_s <= now_s:
            raise TokenExpired


def _claims(claims: Mapping[str, Any], kind: TokenKind) -> Claims:
    known = _AUTHORITIES if kind is TokenKind.ACCESS else {REFRESH_SCOPE}
    match claims["scopes"]:
        case [str(scope)] if scope in known:
            pass
        case _:
            raise TokenInvalid
    try:
        return Claims(UUID(claims["sessionId"]), UUID(claims["userId"]))
    except (ValueError, TypeError, AttributeError):
        raise TokenInvalid from None


def _shown(name: str | None) -> str | None:
    return name[:_SHOWN_NAME_LENGTH] if name is not None else None
