"""Members of a JSON body, each read once; what nobody has read is refused (contract 3)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_TEXT_LENGTH = 255
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


def id_or_empty(value: object, what: str) -> str:
    """Return the id of a ``what``, or the empty text.

    Raises: `ThingerError`.
    """
    return "" if value == "" else checked_id(value, what)


def checked_text(value: object, name: str, *, least: int = 0, most: int = MAX_TEXT_LENGTH) -> str:
    """Return the text of a member.

    Raises: `ThingerError`.
    """
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise invalid(name)
    return value


def checked_flag(value: object, name: str) -> bool:
    """Return the truth value of a member.

    Raises: `ThingerError`.
    """
    if not isinstance(value, bool):
        raise invalid(name)
    return value


def anything(value: Any, name: str) -> Any:
    """Return a member of any kind."""
    return value


def invalid(name: str) -> ThingerError:
    return ThingerError(400, f"invalid field: {name}")


Reader = Callable[[Any, str], Any]
"""Returns what the value of a member says, given its name too.

Raises: `ThingerError`."""


def table_of(readers: Mapping[str, Reader], aliases: Mapping[str, str]) -> Mapping[str, tuple[str, Reader]]:
    """Return what `read_members` looks up; ``aliases``: today's name of a member by its old one."""
    names = {**{name: name for name in readers}, **{old: new for old, new in aliases.items() if new in readers}}
    return {key: (name, readers[name]) for key, name in names.items()}


def read_members(body: object, table: Mapping[str, tuple[str, Reader]]) -> dict[str, Any]:
    """Return the members of a body by today's names, each read by its reader.

    Raises: `ThingerError` when the body is no object, says something twice, or something that nobody reads.
    """
    if not isinstance(body, dict):
        raise ThingerError(400, "the body is not a JSON object")
    read: dict[str, Any] = {}
    for key, value in body.items():
        if key not in table:
            raise ThingerError(400, f"unknown field: {key}")
        name, reader = table[key]
        if name in read:
            raise ThingerError(400, f"field given twice: {name}")
        read[name] = reader(value, name)
    return read


class BodyFields:
    """The members of one body. Errors are 400, and quote no value: an answer may not look like a device's id."""

    def __init__(self, body: object) -> None:
        """Raises: `ThingerError` when the body is no object."""
        if not isinstance(body, dict):
            raise ThingerError(400, "the body is not a JSON object")
        self._left: dict[str, Any] = dict(body)

    def has(self, name: str) -> bool:
        """Say whether a member is there that nobody has read yet."""
        return name in self._left

    def take(self, name: str, default: Any = None) -> Any:
        """Return a member of any kind."""
        return self._left.pop(name, default)

    def text(self, name: str, *, least: int = 0, most: int = MAX_TEXT_LENGTH) -> str | None:
        """Return a text, None when it is not there."""
        if name not in self._left:
            return None
        return checked_text(self._left.pop(name), name, least=least, most=most)

    def id(self, name: str, *, empty: bool = False) -> str | None:
        """Return an id, None when it is not there; ``empty``: whether it may be the empty text."""
        if name not in self._left:
            return None
        return (id_or_empty if empty else checked_id)(self._left.pop(name), name)

    def needed_id(self, name: str) -> str:
        """Return an id that has to be there."""
        found = self.id(name)
        if found is None:
            raise ThingerError(400, f"missing field: {name}")
        return found

    def flag(self, name: str) -> bool | None:
        """Return a truth value, None when it is not there."""
        return checked_flag(self._left.pop(name), name) if name in self._left else None

    def end(self) -> None:
        """Refuse what nobody has read."""
        for name in self._left:
            raise ThingerError(400, f"unknown field: {name}")
