"""Members of a JSON body, each read once; what nobody has read is refused (contract 3)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_TEXT_LENGTH = 255
_ABSENT = object()
_ID = re.compile(r"[a-zA-Z0-9_-]{1,32}")


def is_id(text: str) -> bool:
    """Say whether a text may be an id."""
    return _ID.fullmatch(text) is not None


def checked_id(value: object, what: str) -> str:
    """Return the id of a ``what``.

    Raises: `ThingerError`.
    """
    if not isinstance(value, str) or _ID.fullmatch(value) is None:
        raise ThingerError(400, f"invalid {what} id")
    return value


class BodyFields:
    """The members of one body. Errors are 400, and quote no value: an answer may not look like a device's id."""

    def __init__(self, body: object, aliases: Mapping[str, str] | None = None) -> None:
        """``aliases``: today's name of a member by its old one.

        Raises: `ThingerError` when the body is no object, or says something twice.
        """
        if not isinstance(body, dict):
            raise ThingerError(400, "the body is not a JSON object")
        self._left: dict[str, Any] = dict(body)
        for old, name in (aliases or {}).items():
            if old in self._left:
                if name in self._left:
                    raise ThingerError(400, f"field given twice: {name}")
                self._left[name] = self._left.pop(old)

    def has(self, name: str) -> bool:
        """Say whether a member is there that nobody has read yet."""
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:
        """Return a member of any kind."""
        return self._left.pop(name, default)

    def text(self, name: str, *, least: int = 0, most: int = MAX_TEXT_LENGTH) -> str | None:
        """Return a text, None when it is not there."""
        value = self._left.pop(name, _ABSENT)
        if value is _ABSENT:
            return None
        if not isinstance(value, str) or not least <= len(value) <= most:
            raise ThingerError(400, f"invalid field: {name}")
        return value

    def id(self, name: str, *, empty: bool = False) -> str | None:
        """Return an id, None when it is not there; ``empty``: whether it may be the empty text."""
        value = self._left.pop(name, _ABSENT)
        if value is _ABSENT:
            return None
        return "" if empty and value == "" else checked_id(value, name)

    def needed_id(self, name: str) -> str:
        """Return an id that has to be there."""
        found = self.id(name)
        if found is None:
            raise ThingerError(400, f"missing field: {name}")
        return found

    def flag(self, name: str) -> bool | None:
        """Return a truth value, None when it is not there."""
        value = self._left.pop(name, _ABSENT)
        if value is _ABSENT:
            return None
        if not isinstance(value, bool):
            raise ThingerError(400, f"invalid field: {name}")
        return value

    def end(self) -> None:
        """Refuse what nobody has read."""
        for name in self._left:
            raise ThingerError(400, f"unknown field: {name}")
