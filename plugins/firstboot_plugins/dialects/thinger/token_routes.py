"""Access tokens over REST (contract 2.4).

Nobody hands on more than he has: a token with the right to make tokens makes none that may do more than it, or
outlives it, and sees the texts of none such.
"""

from __future__ import annotations

from typing import Any

from starlette.routing import Route

from firstboot.errors import AlreadyExists
from firstboot_plugins.dialects.thinger.askers import Asker
from firstboot_plugins.dialects.thinger.errors import ThingerError, not_found
from firstboot_plugins.dialects.thinger.http import Call, route
from firstboot_plugins.dialects.thinger.known_token import DEVICE, KnownToken
from firstboot_plugins.dialects.thinger.permissions import read_permissions
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.dialects.thinger.token_bodies import (
    TokenChange,
    read_new_token,
    read_token_change,
    token_told,
)

_PATH = "/v1/users/{user}/tokens"
_TYPE = "Token"


def routes(thinger: Thinger) -> list[Route]:
    """Return the routes of access tokens."""
    one = f"{_PATH}/{{token}}"
    return [
        route(thinger, _PATH, "GET", _list),
        route(thinger, _PATH, "POST", _create),
        route(thinger, one, "GET", _read),
        route(thinger, one, "PUT", _update),
        route(thinger, one, "DELETE", _delete),
    ]


async def _list(call: Call) -> Any:
    call.asker.check_some(_TYPE, "ListTokens")
    return [
        token_told(known, with_rights=False)
        for known in _tokens(call)
        if call.asker.may(_TYPE, known.token.name, "ListTokens")
    ]


async def _create(call: Call) -> Any:
    thinger, asker = call.thinger, call.asker
    asker.check_some(_TYPE, "CreateToken")
    name, wanted = read_new_token(call.body, asker.account.name)
    asker.check(_TYPE, name, "CreateToken")
    _check_within(asker, wanted.kept.get("allow"), wanted.kept.get("deny"), wanted.expires_at_ms)
    if len(thinger.directory.of_account(asker.account.id)) >= thinger.config.max_tokens:
        raise ThingerError(400, "token limit reached")
    try:
        made = await thinger.tokens.create(asker.account, name, wanted, actor=asker.actor)
    except AlreadyExists:
        raise ThingerError(400, f"token '{name}' already exists") from None
    await thinger.directory.take(made.token)
    return token_told(made) | _texts(made)


async def _read(call: Call) -> Any:
    name = call.params["token"]
    call.asker.check(_TYPE, name, "ReadTokenConfig")
    known = _find(call)
    shown = call.asker.may(_TYPE, name, "UpdateToken") and _is_within(call.asker, known)
    return token_told(known) | (_texts(known) if shown else {})


async def _update(call: Call) -> Any:
    thinger, asker, name = call.thinger, call.asker, call.params["token"]
    asker.check(_TYPE, name, "UpdateToken")
    known = _find(call)
    wanted = read_token_change(call.body, name, asker.account.name)
    if not _is_within(asker, known):
        raise _too_much()
    _check_within(asker, *_after(known, wanted))
    changed = await thinger.tokens.update(known, wanted, actor=asker.actor)
    await thinger.directory.take(changed.token)
    return token_told(changed)


async def _delete(call: Call) -> Any:
    call.asker.check(_TYPE, call.params["token"], "DeleteToken")
    known = _find(call)
    await call.thinger.tokens.delete(known, actor=call.asker.actor)
    call.thinger.directory.drop(known.token.id)
    return {}


def _tokens(call: Call) -> list[KnownToken]:
    everything = call.thinger.directory.of_account(call.asker.account.id)
    return [known for known in everything if DEVICE not in known.details]


def _find(call: Call) -> KnownToken:
    for known in _tokens(call):
        if known.token.name == call.params["token"]:
            return known
    raise not_found()


def _texts(known: KnownToken) -> dict[str, str]:
    texts = {"access_token": known.secret.reveal()}
    if known.short is not None:
        texts["provisioning_key"] = known.short.reveal()
    return texts


def _after(known: KnownToken, wanted: TokenChange) -> tuple[Any, Any, int | None]:
    kept = {**known.details, **wanted.kept}
    until_ms = wanted.expires_at_ms if wanted.sets_expiry else known.token.expires_at_ms
    return kept.get("allow"), kept.get("deny"), until_ms


def _is_within(asker: Asker, known: KnownToken) -> bool:
    return known.rights.within(asker.rights)


def _check_within(asker: Asker, allow: Any, deny: Any, until_ms: int | None) -> None:
    if not read_permissions(allow, deny, asker.account.name).within(asker.rights):
        raise _too_much()
    if asker.until_ms is not None and (until_ms is None or until_ms > asker.until_ms):
        raise ThingerError(403, "forbidden: a token cannot outlive the one that makes it")


def _too_much() -> ThingerError:
    return ThingerError(403, "forbidden: the token may do more than whoever asks")
