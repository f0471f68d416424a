"""The pages of the documentation, as the tests read them."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs.generate import strangers

from firstboot.config import ConfigSource
from firstboot.core import load_plugins
from firstboot.plugin_manager import PluginManager

TOP = Path(__file__).resolve().parents[1]
DOCS = TOP / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
FRONT = [TOP / "README.md", TOP / "CHANGELOG.md", TOP / "CONTRIBUTING.md"]
GUIDE = DOCS / "how-to" / "write-a-plugin.md"


def text_of(page: str) -> str:
    return (DOCS / page).read_text("utf-8")


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the code blocks of a page in one of the languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    return [content for language, content in found if language in languages]


def rows(text: str) -> list[list[str]]:
    """Return the cells of all tables' rows."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def section_of(text: str, heading: str) -> str:
    """Return what stands below a heading of the second or a lower level."""
    start = text.index(f"{heading}\n") + len(heading)
    level = len(heading) - len(heading.lstrip("#"))
    following = re.search(rf"^#{{2,{level}}} ", text[start:], re.MULTILINE)
    return text[start : start + following.start()] if following else text[start:]


def plugin_of_the_guide(tmp_path: Path) -> PluginManager:
    """Return a plugin manager that has loaded the guide's plugin by its dotted path."""
    return plugin_of(GUIDE, "acme_rooms", tmp_path)


def plugin_of(page: Path, name: str, tmp_path: Path) -> PluginManager:
    """Return a plugin manager that has loaded the first Python block of a page as a plugin of this name."""
    (tmp_path / f"{name}.py").write_text(blocks(page, "python")[0])
    sys.path.insert(0, str(tmp_path))
    try:
        sys.modules.pop(name, None)
        settings = {"plugins": {"load": [name], "disable": [*strangers()]}}
        manager = load_plugins(ConfigSource.read(None, {}, settings))
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop(name, None)
    manager.raise_errors()
    return manager
