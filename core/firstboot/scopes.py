"""What an API token may do: a closed list of words, and MQTT topic filters."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable

from firstboot.errors import InvalidValue, NotAllowed

SCOPES: dict[str, str] = {
    "devices:read": "see devices, their state and their credentials",
    "devices:create": "create devices, also in bulk",
    "devices:write": "change, assign, re-open and delete devices, and their credentials",
    "profiles:read": "see device profiles and their provision secrets",
    "profiles:write": "create, change and delete device profiles",
    "customers:read": "see customers and their users",
    "customers:write": "create, change and delete customers",
    "users:write": "create, change and delete users of customers; with its link, also to log in as one",
    "attributes:read": "read attributes of devices",
    "attributes:write": "set and delete attributes of devices",
    "telemetry:read": "read what devices reported",
    "rpc": "send requests to devices",
    "events": "watch the tenant's live events",
    "audit:read": "read the audit log and refusals",
    "tokens:write": "make and revoke API tokens with the same scopes or fewer",
    "server:read": "see version, listeners, plugins and health",
    "retain": "publish retained messages",
}
"""Every plain scope, and what it allows."""

PUBLISH = "publish:"
SUBSCRIBE = "subscribe:"
_FILTERED = (PUBLISH, SUBSCRIBE)

MAX_SCOPES = 64
_MAX_FILTER_BYTES = 512
_MAX_LEVELS = 16


def check_scopes(texts: Iterable[str]) -> tuple[str, ...]:
    """Return scopes in order and without doubles.

    Raises: `InvalidValue` for one that does not exist, with the nearest that does.
    """
    scopes = tuple(sorted(set(texts)))
    if not scopes:
        raise InvalidValue("A token needs at least one scope.")
    if len(scopes) > MAX_SCOPES:
        raise InvalidValue(f"A token has at most {MAX_SCOPES} scopes.")
    for scope in scopes:
        for prefix in _FILTERED:
            if scope.startswith(prefix):
                _check_filter(scope.removeprefix(prefix))
                break
        else:
            if scope not in SCOPES:
                raise InvalidValue(f"There is no such scope. {_nearest(scope)}")
    return scopes


def check_within(scopes: Iterable[str], own: Collection[str] | None) -> None:
    """Check that nobody passes on more than he has; ``own`` None: a person, who has all of them.

    Raises: `NotAllowed`.
    """
    beyond = sorted(set(scopes).difference(own)) if own is not None else []
    if beyond:
        raise NotAllowed(f"A token cannot give or take what it does not have: {', '.join(beyond)}.")


def filters(scopes: Iterable[str], prefix: str) -> tuple[str, ...]:
    """Return the topic filters of the scopes that begin with `PUBLISH` or `SUBSCRIBE`."""
    return tuple(scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix))


def _check_filter(topic_filter: str) -> None:
    levels = topic_filter.split("/")
    if not topic_filter or len(topic_filter.encode("utf-8", "surrogatepass")) > _MAX_FILTER_BYTES:
        raise InvalidValue(f"A topic filter has 1 to {_MAX_FILTER_BYTES} bytes.")
    if not topic_filter.isprintable() or len(levels) > _MAX_LEVELS:
        raise InvalidValue(f"A topic filter has at most {_MAX_LEVELS} levels, and no control characters.")
    if topic_filter.startswith("$"):
        raise InvalidValue("Topics that begin with $ are the server's; they cannot be given away.")
    for number, level in enumerate(levels, 1):
        is_wildcard = level == "+" or (level == "#" and number == len(levels))
        if not is_wildcard and ("+" in level or "#" in level):
            raise InvalidValue("In a topic filter + stands for a whole level, and # for all levels at the end.")


def _nearest(scope: str) -> str:
    known = [*SCOPES, *(f"{prefix}<filter>" for prefix in _FILTERED)]
    near = difflib.get_close_matches(scope, known, n=1)
    return f"Did you mean {near[0]}?" if near else f"There are {', '.join(known)}."
