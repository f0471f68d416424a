"""Every built-in plugin passes the suite for plugin authors (PL-8), and is loaded as a stranger's would be."""

from __future__ import annotations

from importlib.metadata import entry_points
from types import ModuleType

import pytest

from firstboot.config import PluginsConfig
from firstboot.plugin_manager import PluginManager, PluginState
from firstboot.testing import PluginConformance

BUILT_IN = sorted(
    (entry for entry in entry_points(group="firstboot") if entry.module.startswith("firstboot_plugins.")),
    key=lambda entry: entry.name,
)


class TestBuiltInPlugins(PluginConformance):
    @pytest.fixture(params=BUILT_IN, ids=lambda entry: entry.name)
    def plugin(self, request: pytest.FixtureRequest) -> object:
        plugin: object = request.param.load()
        return plugin


def test_there_are_built_in_plugins_and_each_is_a_module() -> None:
    assert BUILT_IN
    assert all(isinstance(entry.load(), ModuleType) for entry in BUILT_IN)


def test_they_are_all_loaded_together_and_no_two_offer_the_same() -> None:
    manager = PluginManager(PluginsConfig())
    manager.load()
    manager.config_sections()

    manager.raise_errors()

    infos = {info.name: info for info in manager.infos()}
    for entry in BUILT_IN:
        info = infos[entry.name]
        assert (info.state, info.reason, info.api_version) == (PluginState.ACTIVE, "", 1)
        assert info.source.startswith("firstboot ")
