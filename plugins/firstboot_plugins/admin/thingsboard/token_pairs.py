"""What a login gives, as JSON."""

from __future__ import annotations

from firstboot.access_tokens import TokenPair
from firstboot_plugins.admin.thingsboard.shapes import Shape


class TokenPairShape(Shape):
    """An access token, and a refresh token that is good for one use."""

    token: str
    refresh_token: str


def pair_shape(pair: TokenPair) -> TokenPairShape:
    """Return the pair as JSON."""
    return TokenPairShape(token=pair.token.reveal(), refresh_token=pair.refresh_token.reveal())
