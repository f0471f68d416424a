"""Finding, loading and listing plugins, and asking them for what they offer."""

from __future__ import annotations

import difflib
import enum
import importlib
import importlib.metadata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pluggy

from firstboot import hookspecs
from firstboot.calls import PluginRunner
from firstboot.config import CORE_SECTIONS, PluginsConfig
from firstboot.errors import FirstbootError, PluginError
from firstboot.hookspecs import API_VERSION, PROJECT

BUILT_IN = "firstboot"
"""Distribution whose plugins are registered first."""


class PluginState(enum.StrEnum):
    """Where a plugin stands."""

    ACTIVE = "active"
    OFF = "off"
    """Switched off in the configuration; not even imported."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """One line of ``firstboot plugins list``."""

    name: str
    source: str
    """Distribution and version, or ``configuration`` for a dotted path."""
    api_version: int | None = None
    state: PluginState
    reason: str = ""
    """Why it is off or failed."""
    hooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    source: str
    load: Callable[[], object]
    built_in: bool = False


class PluginManager:
    """The plugins of one server. Failures are kept, so that they can be listed."""

    def __init__(self, config: PluginsConfig) -> None:
        self._config = config
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._errors: list[PluginError] = []
        self._runners: dict[str, PluginRunner] = {}

    # -- loading -----------------------------------------------------------------------------------

    def load(self) -> None:
        """Load what is installed and what the configuration names. Look at `errors` afterwards."""
        for found in [*_installed(), *_named(self._config.load)]:
            if found.name in self._infos:
                error = PluginError(
                    found.name,
                    f"two plugins have this name: {self._infos[found.name].source} and {found.source}.",
                    "Rename one, or take one out.",
                )
                self._errors.append(error)
            else:
                self._load_one(found)
        unknown = {*self._config.disable, *self._config.optional, *self._config.timeouts} - self._infos.keys()
        for name in sorted(unknown):
            near = difflib.get_close_matches(name, self._infos, n=1)
            remedy = f"Did you mean {near[0]}?" if near else f"There are {', '.join(sorted(self._infos))}."
            self._errors.append(PluginError(name, "is named in [plugins], but there is no such plugin.", remedy))

    def register(self, plugin: object, name: str, source: str = "code") -> None:
        """Add a plugin that is at hand as an object, such as one made by a test.

        Raises: `PluginError`.
        """
        self._load_one(_Found(name, source, lambda: plugin))
        if self._infos[name].state is PluginState.FAILED:
            raise PluginError(name, self._infos[name].reason, "")

    def _load_one(self, found: _Found) -> None:
        name = found.name
        info = PluginInfo(name=name, source=found.source, state=PluginState.ACTIVE)
        if name in self._config.disable:
            self._infos[name] = replace(info, state=PluginState.OFF, reason="disabled in [plugins]")
            return
        self._infos[name] = info
        try:
            plugin = found.load()
            if isinstance(plugin, type):
                plugin = plugin()  # each server has an instance of its own
            version = getattr(plugin, "FIRSTBOOT_API", None)
            self._infos[name] = replace(info, api_version=version)
            _check_version(name, version)
            self._pluggy.register(plugin, name=name)
            self._check_hooks(name, plugin)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._fail(name, _as_plugin_error(name, error))
            return
        hooks = tuple(sorted(caller.name for caller in self._pluggy.get_hookcallers(plugin) or ()))
        self._infos[name] = replace(self._infos[name], hooks=hooks)

    def _check_hooks(self, name: str, plugin: object) -> None:
        known = [hook for hook in vars(hookspecs) if hook.startswith("firstboot_")]
        for attribute in dir(plugin):
            if not attribute.startswith("firstboot_"):
                continue
            marked = getattr(getattr(plugin, attribute, None), f"{PROJECT}_impl", None) is not None
            if marked and attribute not in known:
                near = difflib.get_close_matches(attribute, known, n=1)
                remedy = f"Did you mean {near[0]}?" if near else "See the reference of hooks."
                raise PluginError(name, f"implements the unknown hook {attribute}.", remedy)

    def _fail(self, name: str, error: PluginError) -> None:
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)
        self._infos[name] = replace(self._infos[name], state=PluginState.FAILED, reason=error.what, hooks=())
        if name not in self._config.optional:
            self._errors.append(error)

    # -- listing -----------------------------------------------------------------------------------

    @property
    def errors(self) -> tuple[PluginError, ...]:
        """What stops the start."""
        return tuple(self._errors)

    def raise_errors(self) -> None:
        """Raise what stops the start, if anything does.

        Raises: `PluginError` for one, `ExceptionGroup` never: all are joined in one text.
        """
        if self._errors:
            first, *others = self._errors
            if others:
                first.args = ("\n".join(str(error) for error in self._errors),)
            raise first

    def infos(self) -> list[PluginInfo]:
        """Return every plugin that was found, active or not, in the order of loading."""
        return [
            replace(info, reason="failing: left alone for a while") if self._is_failing(info.name) else info
            for info in self._infos.values()
        ]

    def _is_failing(self, name: str) -> bool:
        runner = self._runners.get(name)
        return runner is not None and runner.failing

    # -- calling -----------------------------------------------------------------------------------

    def runner(self, name: str) -> PluginRunner:
        """Return what calls this plugin for requests."""
        if name not in self._runners:
            timeout = self._config.timeouts.get(name, self._config.timeout)
            self._runners[name] = PluginRunner(name, timeout.total_seconds())
        return self._runners[name]

    def implementations(self, hook: str) -> list[tuple[PluginRunner, Callable[..., Any]]]:
        """Return who implements a deciding or observing hook, in the order in which they are called."""
        caller = getattr(self._pluggy.hook, hook)
        return [(self.runner(impl.plugin_name), impl.function) for impl in reversed(caller.get_hookimpls())]

    def offers(self, hook: str, **arguments: object) -> list[tuple[str, Any]]:
        """Call an offering hook on every plugin; return (plugin name, answer) for each.

        A plugin that fails is marked so; the start stops unless it is optional.
        """
        answers: list[tuple[str, Any]] = []
        for impl in getattr(self._pluggy.hook, hook).get_hookimpls():
            try:
                answers.append((impl.plugin_name, impl.function(*[arguments[name] for name in impl.argnames])))
            except Exception as error:
                self._fail(impl.plugin_name, _as_plugin_error(impl.plugin_name, error))
        return answers

    def collect(self, hook: str, key: str, **arguments: object) -> dict[str, tuple[str, Any]]:
        """Gather the objects that an offering hook returns, keyed by their attribute ``key``.

        Returns: for each key the plugin's name and the object.
        Raises: `PluginError` when two plugins offer one key.
        """
        gathered: dict[str, tuple[str, Any]] = {}
        for plugin, offered in self.offers(hook, **arguments):
            for item in _iterate(plugin, hook, offered):
                name = getattr(item, key, None)
                if not isinstance(name, str) or not name:
                    raise PluginError(
                        plugin, f"{hook} offered {type(item).__name__} without a {key}.", "Give it one."
                    )
                _offer(gathered, name, plugin, item, hook)
        return gathered

    def collect_mapping(self, hook: str) -> dict[str, tuple[str, Any]]:
        """Gather what an offering hook returns as mappings.

        Raises: `PluginError` when two plugins offer one key.
        """
        gathered: dict[str, tuple[str, Any]] = {}
        for plugin, offered in self.offers(hook):
            if not isinstance(offered, Mapping):
                raise PluginError(plugin, f"{hook} returned {type(offered).__name__}.", "Return a mapping.")
            for name, item in offered.items():
                _offer(gathered, str(name), plugin, item, hook)
        return gathered

    def config_sections(self) -> dict[str, type]:
        """Return all sections that the configuration may have, the core's included.

        Raises: `PluginError` when a plugin offers one that exists.
        """
        offered = self.collect_mapping("firstboot_config_sections")
        for name, (plugin, _) in offered.items():
            if name in CORE_SECTIONS:
                raise PluginError(plugin, f"offers the section [{name}], which is Firstboot's own.", "Rename it.")
        return {**CORE_SECTIONS, **{name: section for name, (_, section) in offered.items()}}


def _offer(gathered: dict[str, tuple[str, Any]], name: str, plugin: str, item: Any, hook: str) -> None:
    if name in gathered:
        what = hook.removeprefix(f"{PROJECT}_").replace("_", " ")
        raise PluginError(
            plugin,
            f"offers {name!r} ({what}), which plugin {gathered[name][0]!r} offers already.",
            "Rename it, or put one of the two into [plugins] disable.",
        )
    gathered[name] = (plugin, item)


def _iterate(plugin: str, hook: str, offered: Any) -> Iterable[Any]:
    try:
        return list(offered)
    except TypeError:
        raise PluginError(plugin, f"{hook} returned {type(offered).__name__}.", "Return an iterable.") from None


def _installed() -> Iterable[_Found]:
    found = [
        _Found(
            entry.name,
            f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown distribution",
            entry.load,
            entry.dist is not None and entry.dist.name == BUILT_IN,
        )
        for entry in importlib.metadata.entry_points(group=PROJECT)
    ]
    return sorted(found, key=lambda plugin: (not plugin.built_in, plugin.name))


def _named(paths: Iterable[str]) -> Iterable[_Found]:
    for path in paths:
        yield _Found(path, "configuration", lambda path=path: _import(path))  # type: ignore[misc]


def _import(path: str) -> object:
    module, _, attribute = path.partition(":")
    found: object = importlib.import_module(module)
    for part in filter(None, attribute.split(".")):
        found = getattr(found, part)
    return found


def _check_version(name: str, version: object) -> None:
    if version is None:
        raise PluginError(
            name, "does not say which plugin API it speaks.", f"Set FIRSTBOOT_API = {API_VERSION} in it."
        )
    if version != API_VERSION:
        raise PluginError(
            name,
            f"speaks plugin API {version}, this server speaks {API_VERSION}.",
            "Install a release of the plugin that fits this server.",
        )


def _as_plugin_error(name: str, error: BaseException) -> PluginError:
    if isinstance(error, PluginError):
        return error
    if isinstance(error, FirstbootError):
        return PluginError(name, str(error), "")
    if isinstance(error, ModuleNotFoundError):
        return PluginError(name, f"{error.name} is not installed.", "Install it, or disable the plugin.")
    if isinstance(error, pluggy.PluginValidationError):
        return PluginError(name, f"{error}.", "See the reference of hooks for the arguments.")
    return PluginError(name, f"failed with {type(error).__name__}: {error}.", "Mend or disable it.")
