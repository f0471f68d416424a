"""What a plugin must be like to be used, and saying why one is not (threat PL-7)."""

from __future__ import annotations

import difflib
import inspect
import traceback
from collections.abc import Iterable, Mapping
from types import FunctionType
from typing import Any

import pluggy

from firstboot import hookspecs
from firstboot.errors import FirstbootError, PluginError
from firstboot.hookspecs import API_VERSION, ON_REQUEST, PROJECT

HOOKS: Mapping[str, FunctionType] = {
    name: hook for name, hook in vars(hookspecs).items() if name.startswith(f"{PROJECT}_")
}
"""Every hook there is, by name."""

MAX_REASON_LENGTH = 300


def check_version(name: str, plugin: object) -> None:
    """Refuse a plugin that does not speak this server's plugin API.

    Raises: `PluginError`.
    """
    version = getattr(plugin, "FIRSTBOOT_API", None)
    if version is None:
        raise PluginError(
            name, "does not say which plugin API it speaks.", f"Set FIRSTBOOT_API = {API_VERSION} in it."
        )
    if type(version) is not int:
        raise PluginError(
            name, f"has a FIRSTBOOT_API of type {type(version).__name__}.", f"Set FIRSTBOOT_API = {API_VERSION}."
        )
    if version != API_VERSION:
        raise PluginError(
            name,
            f"speaks plugin API {version}, this server speaks {API_VERSION}.",
            "Install a release of the plugin that fits this server.",
        )


def check_hooks(name: str, plugin: object, manager: pluggy.PluginManager) -> None:
    """Refuse a plugin with marked functions that would never be called, or not as their author thinks.

    Raises: `PluginError`.
    """
    for attribute in dir(plugin):
        options = manager.parse_hookimpl_opts(plugin, attribute)
        if options is None:
            continue
        hook = options.get("specname") or attribute
        if hook in HOOKS:
            _check_hook(name, hook, getattr(plugin, attribute), options)
        elif not options.get("optionalhook"):
            raise PluginError(
                name,
                f"implements the unknown hook {hook}.",
                did_you_mean(hook, HOOKS, "See the reference of hooks."),
            )


def _check_hook(name: str, hook: str, function: Any, options: Mapping[str, Any]) -> None:
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginError(name, f"wraps {hook}; hooks cannot be wrapped.", "Take the option out of @hookimpl.")
    if hook not in ON_REQUEST and inspect.iscoroutinefunction(function):
        raise PluginError(
            name, f"implements {hook} with async def; it is called at start.", "Make it a plain def."
        )
    known = inspect.signature(HOOKS[hook]).parameters
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.name not in known and parameter.default is parameter.empty:
            raise PluginError(
                name,
                f"takes {parameter.name!r} in {hook}, which has no such argument.",
                did_you_mean(parameter.name, known, f"It may take: {', '.join(known) or 'nothing'}."),
            )


def as_plugin_error(name: str, error: BaseException) -> PluginError:
    """Return whatever a plugin raised as an error that says which plugin, why, and what to do."""
    if isinstance(error, PluginError):
        return error
    if isinstance(error, FirstbootError):
        return PluginError(name, _text(error), "")
    if isinstance(error, ModuleNotFoundError) and error.name:
        return PluginError(
            name, f"the module {error.name} is not installed.", "Install it, or disable the plugin."
        )
    return PluginError(
        name, f"failed with {type(error).__name__}: {_text(error)}{_place(error)}.", "Mend or disable it."
    )


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint at the known name that is nearest to a wrong one, if one is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"Did you mean {near[0]}?" if near else otherwise


def _text(error: BaseException) -> str:
    try:
        text = " ".join(str(error).split())
    except BaseException:  # an error may fail even at this (threat PL-1)
        text = "its text cannot be shown"
    return text[:MAX_REASON_LENGTH].rstrip(".")


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
