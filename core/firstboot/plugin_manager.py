"""Loading and listing plugins, and asking them for what they offer."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from types import ModuleType
from typing import Any

import pluggy

from firstboot import hookspecs
from firstboot.calls import PluginRunner
from firstboot.config import CORE_SECTIONS, PluginsConfig, section_problem
from firstboot.errors import PluginError, StartRefused
from firstboot.hookspecs import PROJECT
from firstboot.plugin_checks import as_plugin_error, check_hooks, check_version, did_you_mean
from firstboot.plugin_sources import FoundPlugin, installed_plugins, named_plugins

MAX_OFFERS = 1000
"""Things that one plugin may offer through one hook."""


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


class PluginManager:
    """The plugins of one server. One that fails offers nothing, and is kept to be listed with its reason."""

    def __init__(self, config: PluginsConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._monotonic = monotonic
        self._pluggy = pluggy.PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self._infos: dict[str, PluginInfo] = {}
        self._namesakes: list[PluginInfo] = []
        self._errors: list[PluginError] = []
        self._runners: dict[str, PluginRunner] = {}
        self._homes: dict[str, set[str]] = {}

    # -- loading -----------------------------------------------------------------------------------

    def load(self, extra: Iterable[tuple[str, object]] = ()) -> None:
        """Load what is installed, what the configuration names, and ``extra`` objects by name.

        Look at `errors` afterwards.
        """
        for found in [*installed_plugins(), *named_plugins(self._config.load)]:
            self._load_one(found)
        for name, plugin in extra:
            self._load_one(_at_hand(name, plugin))
        for option in ("disable", "optional", "timeouts"):
            for name in sorted(set(getattr(self._config, option)) - self._infos.keys()):
                remedy = did_you_mean(name, self._infos, f"There are {', '.join(sorted(self._infos))}.")
                error = PluginError(name, f"stands in [plugins] {option}, but there is no such plugin.", remedy)
                self._errors.append(error)

    def register(self, plugin: object, name: str) -> None:
        """Add a plugin that is at hand as an object, such as one made by a test.

        Raises: `PluginError`.
        """
        before = len(self._errors)
        self._load_one(_at_hand(name, plugin))
        if len(self._errors) > before:
            raise self._errors[-1]

    def _load_one(self, found: FoundPlugin) -> None:
        name = found.name
        info = PluginInfo(name=name, source=found.source, state=PluginState.ACTIVE)
        if name in self._infos:
            self._refuse_namesake(info)
            return
        if name in self._config.disable:
            self._infos[name] = replace(info, state=PluginState.OFF, reason="disabled in [plugins]")
            return
        self._infos[name] = info
        try:
            plugin = found.load()
            version = getattr(plugin, "FIRSTBOOT_API", None)
            self._infos[name] = replace(info, api_version=version if type(version) is int else None)
            check_version(name, plugin)
            check_hooks(name, plugin, self._pluggy)
            other = self._pluggy.get_name(plugin)
            if other is not None:
                raise PluginError(name, f"is loaded already, as {other!r}.", "Name it once.")
            self._pluggy.register(plugin, name=name)
            hooks = {caller.name for caller in self._pluggy.get_hookcallers(plugin) or ()}
            self._infos[name] = replace(self._infos[name], hooks=tuple(sorted(hooks)))
            self._remember_home(name, plugin)
        except BaseException as error:
            self._fail(name, error)

    def _refuse_namesake(self, info: PluginInfo) -> None:
        first = self._infos[info.name]
        if first.state is PluginState.OFF:
            self._namesakes.append(replace(info, state=PluginState.OFF, reason=first.reason))
            return
        what = f"two plugins have this name: one from {first.source}, one from {info.source}."
        self._namesakes.append(replace(info, state=PluginState.FAILED, reason=what))
        self._errors.append(PluginError(info.name, what, "Rename one, or take one out."))

    def _fail(self, name: str, error: BaseException) -> None:
        """Keep an error of a plugin, and let go of the plugin."""
        if isinstance(error, KeyboardInterrupt):  # the operator's, more likely than the plugin's
            raise error
        if self._pluggy.has_plugin(name):
            self._pluggy.unregister(name=name)
        failure = as_plugin_error(name, error)
        self._infos[name] = replace(self._infos[name], state=PluginState.FAILED, reason=failure.what, hooks=())
        if name not in self._config.optional:
            self._errors.append(failure)

    # -- listing -----------------------------------------------------------------------------------

    @property
    def errors(self) -> tuple[PluginError, ...]:
        """What stops the start."""
        return tuple(self._errors)

    def raise_errors(self) -> None:
        """Raise what stops the start, if anything does, all in one text.

        Raises: `StartRefused`.
        """
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise StartRefused("\n".join(str(error) for error in self._errors))

    def infos(self) -> list[PluginInfo]:
        """Return every plugin that was found, active or not, in the order of loading."""
        return [
            replace(info, reason="failing: left alone for a while") if self._is_failing(info) else info
            for info in [*self._infos.values(), *self._namesakes]
        ]

    def is_active(self, name: str) -> bool:
        """Say whether a plugin is loaded and has not failed since."""
        return name in self._infos and self._infos[name].state is PluginState.ACTIVE

    def _is_failing(self, info: PluginInfo) -> bool:
        runner = self._runners.get(info.name)
        return info.state is PluginState.ACTIVE and runner is not None and runner.failing

    # -- whose code --------------------------------------------------------------------------------

    def owner_of(self, module: str) -> str | None:
        """Return the plugin to whose module or package a module belongs; None if to no or several plugins."""
        while module:
            owners = self._homes.get(module, ())
            if len(owners) == 1:
                return next(iter(owners))
            module = module.rpartition(".")[0]
        return None

    def _remember_home(self, name: str, plugin: object) -> None:
        home = plugin.__name__ if isinstance(plugin, ModuleType) else type(plugin).__module__
        for place in (home, home.rpartition(".")[0]):
            self._homes.setdefault(place, set()).add(name)

    # -- calling -----------------------------------------------------------------------------------

    def runner(self, name: str) -> PluginRunner:
        """Return what calls this plugin for requests."""
        if name not in self._runners:
            timeout = self._config.timeouts.get(name, self._config.timeout)
            self._runners[name] = PluginRunner(name, timeout.total_seconds(), self._monotonic)
        return self._runners[name]

    def implementations(self, hook: str) -> list[tuple[PluginRunner, Callable[..., Any]]]:
        """Return who implements a deciding, answering or observing hook, in the order in which they are called."""
        caller = getattr(self._pluggy.hook, hook)
        return [(self.runner(impl.plugin_name), impl.function) for impl in reversed(caller.get_hookimpls())]

    def offers(self, hook: str, **arguments: object) -> list[tuple[str, Any]]:
        """Call an offering hook on every plugin; return the plugin's name and one thing that it offers, for each.

        A plugin that fails at it offers nothing; the start stops unless it is optional.
        """
        return [(plugin, item) for plugin, items in self._ask(hook, _items, arguments) for item in items]

    def collect(self, hook: str, key: str, **arguments: object) -> dict[str, tuple[str, Any]]:
        """Gather the objects that an offering hook returns, by their attribute ``key``: a name, or several.

        A plugin that offers nonsense, or a name that is taken, has failed; see `offers`.
        Returns: for each name the plugin's name and the object.
        """

        def named(hook: str, offered: Any) -> list[tuple[str, Any]]:
            return [(name, item) for item in _items(hook, offered) for name in _names(hook, key, item)]

        return self._gather(hook, named, arguments)

    def collect_mapping(self, hook: str) -> dict[str, tuple[str, Any]]:
        """Gather what an offering hook returns as mappings, as `collect` does."""
        return self._gather(hook, _pairs, {})

    def config_sections(self) -> dict[str, type]:
        """Return all sections that the configuration may have, the core's included."""

        def sections(hook: str, offered: Any) -> list[tuple[str, Any]]:
            pairs = _pairs(hook, offered)
            for name, section in pairs:
                if name in CORE_SECTIONS:
                    raise _Unfit(f"offers the section [{name}], which is Firstboot's own.", "Rename it.")
                problem = section_problem(section)
                if problem:
                    raise _Unfit(
                        f"offers a section [{name}] that cannot be read: {problem}.", "Make it a dataclass."
                    )
            return pairs

        offered = self._gather("firstboot_config_sections", sections, {})
        return {**CORE_SECTIONS, **{name: section for name, (_, section) in offered.items()}}

    def sections_left_over(self) -> set[str]:
        """Return the sections of plugins that are off or have failed: they bear the plugin's name."""
        idle = {info.name for info in self._infos.values() if info.state is not PluginState.ACTIVE}
        return idle | {name.replace("-", "_") for name in idle}

    def _gather(
        self, hook: str, read: Callable[[str, Any], list[tuple[str, Any]]], arguments: Mapping[str, object]
    ) -> dict[str, tuple[str, Any]]:
        gathered: dict[str, tuple[str, Any]] = {}
        for plugin, pairs in self._ask(hook, read, arguments):
            offered: dict[str, tuple[str, Any]] = {}
            for name, item in pairs:
                taken_by = plugin if name in offered else gathered.get(name, ("",))[0]
                if taken_by:
                    what = f"offers {name!r} ({_of(hook)}), which plugin {taken_by!r} offers already."
                    remedy = "Rename it, or put one of the two into [plugins] disable."
                    self._fail(plugin, PluginError(plugin, what, remedy))
                    break
                offered[name] = (plugin, item)
            else:
                gathered |= offered
        return gathered

    def _ask(
        self, hook: str, read: Callable[[str, Any], list[Any]], arguments: Mapping[str, object]
    ) -> Iterable[tuple[str, list[Any]]]:
        """Yield plugin name and what ``read`` makes of its answer; whatever fails is contained."""
        for impl in getattr(self._pluggy.hook, hook).get_hookimpls():
            try:
                answer = read(hook, impl.function(*[arguments[name] for name in impl.argnames]))
            except _Unfit as unfit:
                self._fail(impl.plugin_name, PluginError(impl.plugin_name, *unfit.args))
            except BaseException as error:
                self._fail(impl.plugin_name, error)
            else:
                yield impl.plugin_name, answer


class _Unfit(Exception):
    """What is wrong with an offer, and the remedy."""


def _at_hand(name: str, plugin: object) -> FoundPlugin:
    return FoundPlugin(name, "code", lambda: plugin)


def _of(hook: str) -> str:
    return hook.removeprefix(f"{PROJECT}_").replace("_", " ")


def _items(hook: str, offered: Any) -> list[Any]:
    if not isinstance(offered, Iterable):
        raise _Unfit(f"returned {type(offered).__name__} from {hook}.", "Return an iterable.")
    items = list(islice(offered, MAX_OFFERS + 1))
    if len(items) > MAX_OFFERS:
        raise _Unfit(f"offers more than {MAX_OFFERS} {_of(hook)}.", "Offer fewer.")
    return items


def _names(hook: str, key: str, item: Any) -> list[str]:
    names = getattr(item, key, None)
    names = [names] if isinstance(names, str) else list(names) if isinstance(names, Iterable) else []
    if not names or not all(isinstance(name, str) and name for name in names):
        raise _Unfit(f"offers {type(item).__name__} without a {key} ({_of(hook)}).", f"Give it a {key}.")
    return names


def _pairs(hook: str, offered: Any) -> list[tuple[str, Any]]:
    if not isinstance(offered, Mapping):
        raise _Unfit(f"returned {type(offered).__name__} from {hook}.", "Return a mapping.")
    pairs = [(name, offered[name]) for name in offered]
    for name, _ in pairs:
        if not isinstance(name, str) or not name:
            raise _Unfit(f"returned a mapping with the key {type(name).__name__} from {hook}.", "Use names.")
    return pairs
