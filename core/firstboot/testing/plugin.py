"""What every plugin must hold to, whatever it offers, as tests to inherit."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType

import pytest
import txaio

from firstboot import hookspecs
from firstboot.config import Config, PluginsConfig
from firstboot.deciding_claims import ClaimDeciders
from firstboot.errors import ClaimRefused
from firstboot.events import Claim, ClaimWindowOpened
from firstboot.hookspecs import API_VERSION, ON_REQUEST, PROJECT
from firstboot.plugin_manager import PluginManager, PluginState
from firstboot.testing.leaks import NoLeaks
from firstboot.testing.samples import NOW_MS, a_claim, a_device

_PREFIX = f"{PROJECT}_"
_NAME = "under-test"
# What is offered by hooks that need nothing but the configuration, and what each offer is known by.
_OFFERS = (("firstboot_provisioning_strategies", "name"), ("firstboot_credential_generators", "type"))

CLAIMS: Mapping[str, Claim] = MappingProxyType(
    {
        "a claim": a_claim(),
        "somebody who signs up": a_claim(how="signed-up", customer_id=None, customer="ada@example.org"),
        "a hand-over": a_claim(how="transferred"),
        "a release": a_claim(how="released"),
        "a release by the device": a_claim(how="released", actor="device"),
        "an assignment": a_claim(how="assigned", actor="cli:root"),
        "a device that follows its gateway": a_claim(how="with-gateway"),
    }
)
"""What plugins are asked and told of claims."""

every_claim = pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)

_IMPORT_ALONE = """
import asyncio, importlib, sys
from firstboot.testing.leaks import no_leaks

async def main():
    async with no_leaks():
        importlib.import_module(sys.argv[1])

asyncio.run(main())
"""


class PluginConformance(NoLeaks):
    """Inherit, and override the fixture ``plugin``; ``config`` when yours needs settings."""

    @pytest.fixture
    def plugin(self) -> object:
        """Return the plugin under test: the module, or the object."""
        raise NotImplementedError("Override the fixture 'plugin' to return yours.")

    @pytest.fixture
    def config(self) -> Config:
        """Return the configuration; without settings each section has its defaults."""
        return Config({})

    @pytest.fixture
    def manager(self, plugin: object) -> PluginManager:
        """Return a plugin manager that has loaded this plugin and no other."""
        manager = PluginManager(PluginsConfig())
        manager.register(plugin, _NAME)
        return manager

    def test_it_speaks_the_plugin_api_of_this_server(self, plugin: object) -> None:
        assert getattr(plugin, "FIRSTBOOT_API", None) == API_VERSION

    def test_it_is_loaded(self, manager: PluginManager) -> None:
        assert [(info.state, info.reason) for info in manager.infos()] == [(PluginState.ACTIVE, "")]

    def test_it_implements_a_hook(self, manager: PluginManager) -> None:
        (info,) = manager.infos()

        assert info.hooks, "a plugin without hooks does nothing"

    def test_each_function_with_the_name_of_a_hook_is_marked(self, plugin: object) -> None:
        unmarked = [
            name
            for name in dir(plugin)
            if name.startswith(_PREFIX) and not hasattr(getattr(plugin, name), f"{PROJECT}_impl")
        ]

        assert not unmarked, "put @hookimpl before them, or they are never called"

    def test_each_marked_function_is_a_known_hook(self, plugin: object) -> None:
        known = {name for name in vars(hookspecs) if name.startswith(_PREFIX)}
        marked = {name for name in dir(plugin) if hasattr(getattr(plugin, name, None), f"{PROJECT}_impl")}

        assert marked <= known

    def test_what_offers_is_a_plain_function(self, plugin: object) -> None:
        for name in dir(plugin):
            if name.startswith(_PREFIX) and name not in ON_REQUEST:
                assert not inspect.iscoroutinefunction(getattr(plugin, name)), f"{name} is called at start"

    @pytest.mark.parametrize(("hook", "key"), _OFFERS)
    def test_what_it_offers_has_names_of_its_own(
        self, manager: PluginManager, config: Config, hook: str, key: str
    ) -> None:
        offered = manager.collect(hook, key, config=config)

        assert not manager.errors, [str(error) for error in manager.errors]
        assert all(offered)

    def test_its_sections_are_frozen_dataclasses(self, manager: PluginManager) -> None:
        sections = manager.config_sections()

        assert not manager.errors, [str(error) for error in manager.errors]
        for name, section in sections.items():
            parameters = getattr(section, "__dataclass_params__", None)
            assert parameters is not None, f"[{name}] is read into a dataclass"
            assert parameters.frozen, f"[{name}] may not change while the server runs"

    @every_claim
    @pytest.mark.asyncio
    async def test_it_lets_a_claim_happen_or_refuses_it(
        self, manager: PluginManager, config: Config, claim: Claim
    ) -> None:
        _configure(manager, config)
        deciders = ClaimDeciders(manager)

        for ask in (deciders.may_claim, deciders.may_release):
            try:
                await ask(claim)
            except ClaimRefused as refusal:
                failure = str(refusal) if refusal.code == "plugin-error" else None
                assert failure is None  # any other code is an answer

    @every_claim
    @pytest.mark.asyncio
    async def test_it_can_be_told_of_claims(self, manager: PluginManager, config: Config, claim: Claim) -> None:
        _configure(manager, config)
        opened = ClaimWindowOpened(device=a_device().ref, opened_by="device", until_ms=NOW_MS + 1, at_ms=NOW_MS)

        for hook, event in (
            ("firstboot_claim_window_opened", opened),
            ("firstboot_device_claimed", claim),
            ("firstboot_device_released", claim),
        ):
            for runner, function in manager.implementations(hook):
                await runner.call(function, {"event": event})

    def test_importing_it_starts_nothing(self, plugin: object) -> None:
        if not isinstance(plugin, ModuleType):
            pytest.skip("it is not a module")

        # In a process of its own: here it has been imported already.
        done = subprocess.run(  # noqa: S603 -- our own code, with the name of the module
            [sys.executable, "-c", _IMPORT_ALONE, plugin.__name__], capture_output=True, text=True, check=False
        )

        assert done.returncode == 0, done.stderr


def _configure(manager: PluginManager, config: Config) -> None:
    """Let the plugin offer what it offers: with that it gets its settings, as at the start of a server."""
    txaio.use_asyncio()  # type: ignore[no-untyped-call]
    for hook, key in _OFFERS:
        manager.collect(hook, key, config=config)
