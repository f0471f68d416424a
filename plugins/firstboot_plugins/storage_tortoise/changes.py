"""What the writes of a batch leave for other processes to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from firstboot.storage import ChangeKind


@dataclass(slots=True)
class Changes:
    """What other processes must be told of, gathered over a batch."""

    rows: list[tuple[Any, ...]] = field(default_factory=list)

    def tell(self, kind: ChangeKind, ref: int, at_ms: int, detail: str | None = None) -> None:
        """Note one change."""
        self.rows.append((kind.value, ref, at_ms, detail))
