"""Where plugins come from: entry points of installed distributions, and dotted paths in the configuration."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from firstboot.hookspecs import PROJECT

BUILT_IN = "firstboot"
"""Distribution whose plugins are registered first."""
CONFIGURATION = "configuration"
"""Source of a plugin that is named by a dotted path."""


@dataclass(frozen=True, slots=True)
class FoundPlugin:
    """A plugin that is not imported yet."""

    name: str
    source: str
    """Distribution and version, or where else it was named."""
    load: Callable[[], object]
    built_in: bool = False


def installed_plugins() -> list[FoundPlugin]:
    """Return the plugins of all installed distributions: the built-in ones first, then by name."""
    found = []
    for entry in importlib.metadata.entry_points(group=PROJECT):
        distribution, source = _distribution(entry)
        found.append(FoundPlugin(entry.name, source, entry.load, distribution == BUILT_IN))
    return sorted(found, key=lambda plugin: (not plugin.built_in, plugin.name, plugin.source))


def named_plugins(paths: Iterable[str]) -> list[FoundPlugin]:
    """Return the plugins with these dotted paths: ``package.module`` or ``package.module:object``."""

    def loader(path: str) -> Callable[[], object]:
        return lambda: _import(path)

    return [FoundPlugin(path, CONFIGURATION, loader(path)) for path in paths]


def _distribution(entry: importlib.metadata.EntryPoint) -> tuple[str, str]:
    try:
        assert entry.dist is not None  # `entry_points` always says
        name, version = str(entry.dist.name), str(entry.dist.version)
    except Exception:  # damaged metadata; one broken distribution must not hide the others
        return "", "unknown distribution"
    return name, f"{name} {version}"


def _import(path: str) -> object:
    module, _, attribute = path.partition(":")
    found: object = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found
