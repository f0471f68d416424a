"""The plugin suite catches flaws."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from tests.unit.testing_kit.catching import catches

from firstboot.calls import PluginFailed
from firstboot.config import Config, PluginsConfig
from firstboot.events import Claim
from firstboot.hookspecs import Refuse, hookimpl
from firstboot.plugin_manager import PluginManager
from firstboot.testing import PluginConformance
from firstboot.testing.plugin import CLAIMS


@hookimpl
def _strategies(config: object) -> list[object]:
    return [SimpleNamespace(name="good-strategy")]


@hookimpl
async def _async_strategies(config: object) -> list[object]:
    return [SimpleNamespace(name="good-strategy")]


@hookimpl
def _nameless(config: object) -> list[object]:
    return [object()]


@hookimpl
def _sections() -> Mapping[str, type]:
    return {"mine": dict}


def _unmarked(config: object) -> list[object]:
    return [SimpleNamespace(name="good-strategy")]


@hookimpl
def _fails(config: object) -> list[object]:
    raise ZeroDivisionError


@hookimpl
def _refuses(claim: Claim) -> Refuse:
    return Refuse("never")


@hookimpl
def _refuses_what_it_does_not_know(claim: Claim) -> Refuse | None:
    return None if claim.customer_id is not None else Refuse("no sign-up here", "no-sign-up")


@hookimpl
async def _lets_it_happen(claim: Claim) -> None:
    return None


@hookimpl
def _answers_with_a_text(claim: Claim) -> Any:
    return "no"


@hookimpl
def _needs_a_customer(claim: Claim) -> None:
    if claim.customer_id is None:
        raise ValueError("who?")


@hookimpl
async def _fails_at_claims(claim: Claim) -> None:
    raise ZeroDivisionError


@hookimpl
def _hears(event: object) -> None:
    return None


@hookimpl
def _hears_only_text(event: Any) -> None:
    event.upper()


OFFER = "firstboot_provisioning_strategies"
GOOD_PLUGIN = {"FIRSTBOOT_API": 1, OFFER: _strategies}


def plugin_arguments(test: Callable[..., Any], attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the fixtures of the suite would give a test."""
    plugin = SimpleNamespace(**attributes)
    if "manager" not in inspect.signature(test).parameters:
        return {"plugin": plugin}
    manager = PluginManager(PluginsConfig())
    manager.register(plugin, "under-test")
    return {"manager": manager}


class TestPluginSuite:
    """A plugin that is whole passes; one with a flaw fails the test of that name."""

    @pytest.mark.parametrize(
        ("name", "flaw"),
        [
            ("it_speaks_the_plugin_api_of_this_server", {"FIRSTBOOT_API": 2}),
            ("each_function_with_the_name_of_a_hook_is_marked", {OFFER: _unmarked}),
            ("it_implements_a_hook", {OFFER: _unmarked}),
            ("each_marked_function_is_a_known_hook", {"firstboot_strategies": _strategies}),
            ("what_offers_is_a_plain_function", {OFFER: _async_strategies}),
            ("its_sections_are_frozen_dataclasses", {"firstboot_config_sections": _sections}),
        ],
    )
    async def test_a_flaw_is_caught(self, name: str, flaw: Mapping[str, Any]) -> None:
        test = getattr(PluginConformance(), f"test_{name}")

        test(**plugin_arguments(test, GOOD_PLUGIN))
        await catches(test, **plugin_arguments(test, {**GOOD_PLUGIN, **flaw}))

    def test_offers_without_a_name_are_caught(self) -> None:
        test = PluginConformance().test_what_it_offers_has_names_of_its_own
        more: dict[str, Any] = {"config": Config({}), "hook": OFFER, "key": "name"}

        test(**plugin_arguments(test, GOOD_PLUGIN), **more)
        with pytest.raises(AssertionError, match="without a name"):
            test(**plugin_arguments(test, {**GOOD_PLUGIN, OFFER: _nameless}), **more)

    def test_a_plugin_that_fails_when_it_is_asked_is_caught(self) -> None:
        test = PluginConformance().test_what_it_offers_has_names_of_its_own
        arguments = plugin_arguments(test, {**GOOD_PLUGIN, OFFER: _fails})

        with pytest.raises(AssertionError):
            test(**arguments, config=Config({}), hook=OFFER, key="name")

    @pytest.mark.parametrize(
        ("hook", "good", "flaw"),
        [
            ("firstboot_device_claiming", _refuses, _answers_with_a_text),
            ("firstboot_device_claiming", _refuses_what_it_does_not_know, _needs_a_customer),
            ("firstboot_device_releasing", _lets_it_happen, _fails_at_claims),
        ],
    )
    async def test_a_flaw_in_deciding_claims_is_caught(self, hook: str, good: object, flaw: object) -> None:
        async def check(function: object) -> None:
            test = PluginConformance().test_it_lets_a_claim_happen_or_refuses_it
            for claim in CLAIMS.values():
                arguments = plugin_arguments(test, {"FIRSTBOOT_API": 1, hook: function})
                await test(**arguments, config=Config({}), claim=claim)

        await check(good)
        await catches(check, function=flaw)

    @pytest.mark.parametrize(
        "hook", ["firstboot_claim_window_opened", "firstboot_device_claimed", "firstboot_device_released"]
    )
    async def test_a_flaw_in_observing_claims_is_caught(self, hook: str) -> None:
        async def check(function: object) -> None:
            test = PluginConformance().test_it_can_be_told_of_claims
            for claim in CLAIMS.values():
                arguments = plugin_arguments(test, {"FIRSTBOOT_API": 1, hook: function})
                await test(**arguments, config=Config({}), claim=claim)

        await check(_hears)
        with pytest.raises(PluginFailed):
            await check(_hears_only_text)

    def test_importing_a_module_that_starts_a_thread_is_caught(
        self, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "busy_plugin.py").write_text(
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True, name='busy').start()\n"
        )
        (tmp_path / "quiet_plugin.py").write_text("FIRSTBOOT_API = 1\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")

        PluginConformance().test_importing_it_starts_nothing(ModuleType("quiet_plugin"))
        with pytest.raises(AssertionError, match="thread 'busy'"):
            PluginConformance().test_importing_it_starts_nothing(ModuleType("busy_plugin"))
