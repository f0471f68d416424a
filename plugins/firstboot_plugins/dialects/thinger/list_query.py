"""What the query of a list asks for (contract 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from firstboot_plugins.dialects.thinger.body_fields import MAX_TEXT_LENGTH
from firstboot_plugins.dialects.thinger.errors import ThingerError

MAX_ROWS = 1000
"""In one answer; also when no number was asked for."""
_MAX_INDEX = 2**53


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Which rows of a list to answer with."""

    name: str = ""
    """Only those whose id or name contains this, whatever the case."""
    id: str = ""
    """Only those whose id contains this."""
    index: int = 0
    """How many of them to leave out."""
    count: int = MAX_ROWS

    @property
    def text(self) -> str:
        """What the id or the name of every row has in it that is asked for."""
        return self.id or self.name

    def takes(self, id: str, name: str) -> bool:
        """Say whether a row is among those that are asked for."""
        by_id, text = self.id.casefold() in id.casefold(), self.name.casefold()
        return by_id and (text in id.casefold() or text in name.casefold())

    @classmethod
    def of(cls, query: Mapping[str, str]) -> ListQuery:
        """Read the query of a request.

        Raises: `ThingerError` (400).
        """
        return cls(
            name=_text(query, "name"),
            id=_text(query, "id"),
            index=_number(query, "index", 0, _MAX_INDEX),
            count=min(MAX_ROWS, _number(query, "count", MAX_ROWS, _MAX_INDEX)),
        )


def _text(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "")
    if len(text) > MAX_TEXT_LENGTH or "\0" in text:
        raise ThingerError(400, f"invalid parameter: {name}")
    return text


def _number(query: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > most:
        raise ThingerError(400, f"invalid parameter: {name}")
    return int(text)
