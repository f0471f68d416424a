"""Modules and installed distributions in a temporary folder, for tests of how plugins are found."""

from __future__ import annotations

import importlib
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class PluginFiles:
    """A folder on ``sys.path``."""

    folder: Path

    def module(self, name: str, code: str) -> None:
        """Write a module."""
        (self.folder / f"{name}.py").write_text(textwrap.dedent(code).strip() + "\n")
        importlib.invalidate_caches()

    def distribution(self, name: str, version: str, entry_points: Mapping[str, str]) -> Path:
        """Write what an installed distribution leaves of itself; return its folder."""
        folder = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        points = "".join(f"{point} = {where}\n" for point, where in entry_points.items())
        (folder / "entry_points.txt").write_text(f"[firstboot]\n{points}")
        importlib.invalidate_caches()
        return folder
