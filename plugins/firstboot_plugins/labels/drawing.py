"""What the ways to draw labels have in common."""

from __future__ import annotations

from typing import Protocol

from firstboot_plugins.labels.layout import Layout, Text


class Drawing(Protocol):
    """Measures texts, and draws labels one after another."""

    def measure(self, text: str, mono: bool) -> float:
        """Return how wide a text is in a font of size 1."""
        ...

    def lacks(self, text: Text) -> bool:
        """Say whether letters of a text are replaced, because no font has them."""
        ...

    def draw(self, layout: Layout, name: str) -> None:
        """Draw the next label; ``name`` is that of its device."""
        ...

    def finish(self) -> None:
        """Write what is not written yet."""
        ...
