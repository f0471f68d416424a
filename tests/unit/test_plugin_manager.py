"""Plugins are found, loaded, listed and refused; the report says which, where and what to do (PL-7)."""

from __future__ import annotations

import importlib
import itertools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import txaio
from tests.plugin_files import PluginFiles

from firstboot.calls import BREAKER_FAILURES, BREAKER_PAUSE_S, PluginFailed
from firstboot.config import CORE_SECTIONS, Config, ConfigSource, PluginsConfig
from firstboot.core import ExtraPlugin, lay_foundation
from firstboot.errors import ConfigError, PluginError, StartRefused
from firstboot.hookspecs import hookimpl
from firstboot.plugin_manager import MAX_OFFERS, PluginInfo, PluginManager, PluginState

STRATEGIES = "firstboot_provisioning_strategies"
GENERATORS = "firstboot_credential_generators"
CONFIG = Config({})
BUILT_IN = [
    "access-token", "admin", "allow-create-new", "applications", "check-pre-provisioned", "claim-page", "coap",
    "disabled", "http", "labels", "mqtt", "mqtt-basic", "pool", "storage-tortoise", "thinger", "thingsboard",
    "thingstream", "x509-certificate", "x509-certificate-chain", "x509-csr",
]  # fmt: skip


def marked(function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    return hookimpl(**options)(function)


def offering(*names: str, hook: str = STRATEGIES, key: str = "name") -> SimpleNamespace:
    """Return a plugin that offers things with these names."""

    def offer(config: object) -> list[object]:
        return [SimpleNamespace(**{key: name}) for name in names]

    return SimpleNamespace(FIRSTBOOT_API=1, **{hook: marked(offer)})


def plugin(**attributes: Any) -> SimpleNamespace:
    """Return a plugin of the right version with these hooks."""
    hooks = {name: marked(value) if callable(value) else value for name, value in attributes.items()}
    return SimpleNamespace(**{"FIRSTBOOT_API": 1, **hooks})


def managing(plugins: Mapping[str, object] | None = None, **settings: Any) -> PluginManager:
    """Return a manager that has loaded what is installed, and these."""
    manager = PluginManager(PluginsConfig(**settings))
    manager.load((plugins or {}).items())
    return manager


def info_of(manager: PluginManager, name: str) -> PluginInfo:
    (info,) = [info for info in manager.infos() if info.name == name]
    return info


def refusal(manager: PluginManager) -> str:
    """Return what the start is refused with."""
    with pytest.raises(StartRefused) as caught:
        manager.raise_errors()
    return str(caught.value)


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PluginFiles]:
    """Return what makes importable modules and installed distributions for this test alone."""
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield PluginFiles(tmp_path)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(tmp_path):
            del sys.modules[name]
    importlib.invalidate_caches()


GOOD = """
    from types import SimpleNamespace
    from firstboot.hookspecs import hookimpl
    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_provisioning_strategies(config):
        return [SimpleNamespace(name=__name__)]
"""


# -- where plugins come from -----------------------------------------------------------------------


def test_the_built_in_plugins_are_found_by_their_entry_points() -> None:
    manager = managing()

    assert [info.name for info in manager.infos()] == BUILT_IN
    assert {info.state for info in manager.infos()} == {PluginState.ACTIVE}
    assert manager.errors == ()


def test_an_installed_plugin_is_found_and_listed_with_where_it_comes_from(files: PluginFiles) -> None:
    files.module("acme_plugin", GOOD)
    files.distribution("acme-lora", "0.3", {"acme": "acme_plugin"})

    manager = managing()

    assert info_of(manager, "acme") == PluginInfo(
        name="acme", source="acme-lora 0.3", api_version=1, state=PluginState.ACTIVE, hooks=(STRATEGIES,)
    )
    assert manager.collect(STRATEGIES, "name", config=CONFIG)["acme_plugin"][0] == "acme"


def test_a_plugin_may_be_an_object_of_a_module(files: PluginFiles) -> None:
    files.module("acme_objects", "class Holder:\n    import acme_plugin as inner\n")
    files.module("acme_plugin", GOOD)
    files.distribution("acme", "1.0", {"installed": "acme_objects:Holder.inner"})
    manager = managing()
    assert info_of(manager, "installed").state is PluginState.ACTIVE

    manager = managing(load=("acme_objects:Holder.inner",), disable=("installed",))

    assert info_of(manager, "acme_objects:Holder.inner").state is PluginState.ACTIVE


def test_a_plugin_that_the_configuration_names_is_loaded(files: PluginFiles) -> None:
    files.module("acme_plugin", GOOD)

    manager = managing(load=("acme_plugin",))

    assert info_of(manager, "acme_plugin") == PluginInfo(
        name="acme_plugin", source="configuration", api_version=1, state=PluginState.ACTIVE, hooks=(STRATEGIES,)
    )


def test_damaged_metadata_of_one_distribution_does_not_hide_the_others(files: PluginFiles) -> None:
    files.module("acme_plugin", GOOD)
    (files.distribution("acme", "1.0", {"acme": "acme_plugin"}) / "METADATA").unlink()

    manager = managing()

    assert [info.name for info in manager.infos()] == [*BUILT_IN, "acme"]
    assert info_of(manager, "acme").state is PluginState.ACTIVE


# -- switched off, optional ------------------------------------------------------------------------


def test_a_plugin_that_is_switched_off_is_not_even_imported(files: PluginFiles) -> None:
    files.module("acme_plugin", "raise AssertionError('imported')")
    files.module("acme_named", "raise AssertionError('imported')")
    files.distribution("acme", "1.0", {"acme": "acme_plugin"})

    manager = managing(disable=("acme", "acme_named", "mqtt"), load=("acme_named",))

    for name in ("acme", "acme_named", "mqtt"):
        info = info_of(manager, name)
        assert (info.state, info.reason, info.hooks) == (PluginState.OFF, "disabled in [plugins]", ())
    assert "acme_plugin" not in sys.modules
    assert manager.errors == ()
    assert set(manager.collect("firstboot_transports", "name", config=CONFIG)) == {"coap", "http"}


def test_pl_7_an_optional_plugin_that_fails_is_listed_and_does_not_stop_the_start(files: PluginFiles) -> None:
    files.module("acme_plugin", "import a_library_that_nobody_has")
    files.distribution("acme", "1.0", {"acme": "acme_plugin"})

    manager = managing(optional=("acme",))

    info = info_of(manager, "acme")
    assert (info.state, info.reason) == (
        PluginState.FAILED,
        "the module a_library_that_nobody_has is not installed.",
    )
    manager.raise_errors()


def test_an_optional_plugin_that_fails_late_grants_nothing_at_all() -> None:
    acme = plugin(
        firstboot_provisioning_strategies=lambda config: [SimpleNamespace(name="acme-strategy")],
        firstboot_credential_generators=lambda config: 1 / 0,
    )
    source = ConfigSource.read(None, {}, {"plugins": {"optional": ["acme"]}})

    foundation = lay_foundation(source, [ExtraPlugin("acme", acme)])

    assert "acme-strategy" not in foundation.strategies
    assert "allow-create-new" in foundation.strategies
    assert info_of(foundation.plugins, "acme").state is PluginState.FAILED


@pytest.mark.parametrize("option", ["disable", "optional", "timeouts"])
def test_a_name_in_the_settings_that_no_plugin_has_is_refused_with_the_nearest(option: str) -> None:
    names: Any = {"mqtt-basik": timedelta(seconds=1)} if option == "timeouts" else ("mqtt-basik",)

    said = refusal(managing(**{option: names}))

    assert said == (
        f"plugin 'mqtt-basik': stands in [plugins] {option}, but there is no such plugin. Did you mean mqtt-basic?"
    )


def test_a_plugin_that_is_given_as_an_object_may_stand_in_the_settings() -> None:
    manager = managing({"acme": offering("a")}, timeouts={"acme": timedelta(seconds=5)})

    assert manager.errors == ()
    assert manager.runner("acme").timeout_s == 5
    assert manager.runner("mqtt").timeout_s == 2


@pytest.mark.parametrize("name", ["acme", "acme-lora"])
@pytest.mark.parametrize("option", ["disable", "optional"])
def test_the_section_of_a_plugin_that_is_off_may_stay_in_the_file(name: str, option: str) -> None:
    acme = plugin(FIRSTBOOT_API=99)
    section = name.replace("-", "_")
    settings: Any = {"plugins": {option: [name]}, section: {"colour": "red"}}

    foundation = lay_foundation(ConfigSource.read(None, {}, settings), [ExtraPlugin(name, acme)])

    assert info_of(foundation.plugins, name).state is not PluginState.ACTIVE


def test_the_section_of_a_plugin_that_has_none_is_refused() -> None:
    settings = {"disabled": {"colour": "red"}}

    with pytest.raises(ConfigError, match=r"\[disabled\]: no such section"):
        lay_foundation(ConfigSource.read(None, {}, settings))


# -- PL-7: what stops the start --------------------------------------------------------------------


def test_pl_7_two_plugins_of_one_name_stop_the_start_and_both_are_listed(files: PluginFiles) -> None:
    files.module("acme_plugin", GOOD)
    files.distribution("acme", "1.0", {"twin": "acme_plugin"})
    files.distribution("bcme", "2.0", {"twin": "acme_plugin"})

    manager = managing()

    said = refusal(manager)
    assert said == (
        "plugin 'twin': two plugins have this name: one from acme 1.0, one from bcme 2.0. "
        "Rename one, or take one out."
    )
    twins = [(info.source, info.state) for info in manager.infos() if info.name == "twin"]
    assert twins == [("acme 1.0", PluginState.ACTIVE), ("bcme 2.0", PluginState.FAILED)]


def test_pl_7_nobody_can_take_the_place_of_a_built_in_plugin(files: PluginFiles) -> None:
    files.module("aaa_plugin", GOOD)
    files.distribution("aaa", "1.0", {"mqtt": "aaa_plugin"})

    manager = managing()

    assert "'mqtt': two plugins have this name" in refusal(manager)
    assert "aaa_plugin" not in sys.modules


def test_two_plugins_of_one_name_may_be_switched_off_together(files: PluginFiles) -> None:
    files.distribution("acme", "1.0", {"twin": "acme_plugin"})
    files.distribution("bcme", "2.0", {"twin": "acme_plugin"})

    manager = managing(disable=("twin",))

    assert [info.state for info in manager.infos() if info.name == "twin"] == [PluginState.OFF] * 2
    assert manager.errors == ()


def test_pl_7_one_plugin_under_two_names_is_refused(files: PluginFiles) -> None:
    files.module("acme_plugin", GOOD)
    files.distribution("acme", "1.0", {"acme": "acme_plugin"})

    said = refusal(managing(load=("acme_plugin",)))

    assert said == "plugin 'acme_plugin': is loaded already, as 'acme'. Name it once."


def test_a_second_object_of_one_name_does_not_disturb_the_first() -> None:
    manager = PluginManager(PluginsConfig())
    manager.register(offering("first"), "acme")

    with pytest.raises(PluginError, match="two plugins have this name"):
        manager.register(offering("second"), "acme")

    assert set(manager.collect(STRATEGIES, "name", config=CONFIG)) == {"first"}


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (2, "speaks plugin API 2, this server speaks 1. Install a release of the plugin that fits this server."),
        (0, "speaks plugin API 0, this server speaks 1. Install a release of the plugin that fits this server."),
        (None, "does not say which plugin API it speaks. Set FIRSTBOOT_API = 1 in it."),
        ("1", "has a FIRSTBOOT_API of type str. Set FIRSTBOOT_API = 1."),
        (True, "has a FIRSTBOOT_API of type bool. Set FIRSTBOOT_API = 1."),
        (1.0, "has a FIRSTBOOT_API of type float. Set FIRSTBOOT_API = 1."),
    ],
)
def test_pl_7_a_plugin_of_another_api_version_is_refused(version: Any, said: str) -> None:
    manager = managing({"acme": SimpleNamespace(FIRSTBOOT_API=version)})

    assert refusal(manager) == f"plugin 'acme': {said}"
    info = info_of(manager, "acme")
    assert info.state is PluginState.FAILED
    assert info.api_version == (version if type(version) is int else None)


def test_pl_7_a_plugin_without_a_version_is_refused() -> None:
    assert "does not say which plugin API" in refusal(managing({"acme": object()}))


@pytest.mark.parametrize(
    ("hook", "remedy"),
    [
        ("firstboot_device_provisoned", "Did you mean firstboot_device_provisioned?"),
        ("device_provisioned", "Did you mean firstboot_device_provisioned?"),
        ("zzz", "See the reference of hooks."),
    ],
)
def test_pl_7_an_unknown_hook_is_refused_with_the_nearest(hook: str, remedy: str) -> None:
    acme = plugin(**{hook: lambda event: None})

    assert refusal(managing({"acme": acme})) == f"plugin 'acme': implements the unknown hook {hook}. {remedy}"


def test_a_function_of_another_name_may_say_which_hook_it_implements() -> None:
    acme = SimpleNamespace(FIRSTBOOT_API=1, offer=marked(lambda config: [], specname=STRATEGIES))
    wrong = SimpleNamespace(FIRSTBOOT_API=1, offer=marked(lambda config: [], specname="firstboot_strategy"))

    manager = managing({"acme": acme, "wrong": wrong})

    assert info_of(manager, "acme").hooks == (STRATEGIES,)
    assert "unknown hook firstboot_strategy" in refusal(manager)


def test_a_hook_of_a_newer_server_may_be_marked_as_optional() -> None:
    acme = SimpleNamespace(FIRSTBOOT_API=1, firstboot_from_tomorrow=marked(lambda x: x, optionalhook=True))

    assert managing({"acme": acme}).errors == ()


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            lambda evnt: None,
            "takes 'evnt' in firstboot_device_provisioned, which has no such argument. Did you mean event?",
        ),
        (
            lambda event, database: None,
            "takes 'database' in firstboot_device_provisioned, which has no such argument. It may take: event.",
        ),
    ],
)
def test_pl_7_wrong_argument_names_are_refused(function: Callable[..., Any], said: str) -> None:
    acme = plugin(firstboot_device_provisioned=function)

    assert refusal(managing({"acme": acme})) == f"plugin 'acme': {said}"


@pytest.mark.parametrize(
    "function", [lambda: None, lambda event: None, lambda event, more=None: None, lambda *args, **kwargs: None]
)
def test_an_implementation_may_take_fewer_arguments_and_others_with_defaults(function: Callable[..., Any]) -> None:
    assert managing({"acme": plugin(firstboot_device_provisioned=function)}).errors == ()


@pytest.mark.parametrize("option", ["wrapper", "hookwrapper"])
def test_pl_7_a_wrapper_is_refused(option: str) -> None:
    def wrap(event: object) -> Iterator[None]:
        yield

    acme = SimpleNamespace(FIRSTBOOT_API=1, firstboot_device_provisioned=marked(wrap, **{option: True}))

    assert "wraps firstboot_device_provisioned; hooks cannot be wrapped." in refusal(managing({"acme": acme}))


def test_pl_7_an_offering_hook_with_async_def_is_refused() -> None:
    async def offer(config: object) -> list[object]:
        return []

    acme = plugin(firstboot_provisioning_strategies=offer)

    assert "with async def; it is called at start. Make it a plain def." in refusal(managing({"acme": acme}))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import a_library_that_nobody_has", "the module a_library_that_nobody_has is not installed."),
        ("raise ModuleNotFoundError('odd')", "failed with ModuleNotFoundError: odd ("),
        ("raise SystemExit(3)", "failed with SystemExit: 3 ("),
        ("raise ValueError('of this\\nand that')", "failed with ValueError: of this and that ("),
        ("def broken(:", "failed with SyntaxError: invalid syntax (acme_plugin.py, line 1)"),
        ("import asyncio; raise asyncio.CancelledError", "failed with CancelledError:  ("),
        ("raise BaseException('x' * 10000)", "failed with BaseException: " + "x" * 300 + " ("),
        (
            "class E(Exception):\n    def __str__(self): raise ZeroDivisionError\nraise E",
            "failed with E: its text cannot be shown (",
        ),
    ],
)  # fmt: skip
def test_pl_7_a_plugin_that_fails_at_import_is_refused_with_what_and_where(
    files: PluginFiles, code: str, said: str
) -> None:
    files.module("acme_plugin", code)

    manager = managing(load=("acme_plugin",))

    info = info_of(manager, "acme_plugin")
    assert info.state is PluginState.FAILED
    assert info.reason.startswith(said)
    if said.endswith("("):
        assert f"{files.folder / 'acme_plugin.py'}:{len(code.splitlines())})." in info.reason
    assert refusal(manager).startswith(f"plugin 'acme_plugin': {said}")


def test_the_operator_may_interrupt_the_loading(files: PluginFiles) -> None:
    files.module("acme_plugin", "raise KeyboardInterrupt")

    with pytest.raises(KeyboardInterrupt):
        managing(load=("acme_plugin",))


@pytest.mark.parametrize(
    "path", ["", ":x", ".relative", "no_such_module", "acme_plugin:nothing", "a b", "json:dumps"]
)
def test_pl_7_a_path_that_leads_to_no_plugin_is_refused(files: PluginFiles, path: str) -> None:
    files.module("acme_plugin", GOOD)

    manager = managing(load=(path,))

    assert info_of(manager, path).state is PluginState.FAILED
    assert f"plugin {path!r}:" in refusal(manager)


def test_pl_7_all_that_is_wrong_stands_in_one_report(files: PluginFiles) -> None:
    files.module("acme_broken", "raise ValueError")
    settings: Any = {
        "plugins": {"load": ["acme_broken"], "disable": ["mqqt"]},
        "server": {"log_level": "LOUD"},
        "nothing": {"a": 1},
    }
    wrong = plugin(FIRSTBOOT_API=2)

    with pytest.raises(StartRefused) as caught:
        lay_foundation(ConfigSource.read(None, {}, settings), [ExtraPlugin("wrong", wrong)])

    said = str(caught.value).splitlines()
    assert len(said) == 5
    for part in (
        "'acme_broken': failed",
        "'mqqt': stands in",
        "'wrong': speaks",
        "server.log_level:",
        "[nothing]:",
    ):
        assert sum(part in line for line in said) == 1, part


# -- offering --------------------------------------------------------------------------------------


def test_pl_7_a_name_that_is_offered_twice_stops_the_start_and_the_first_stays() -> None:
    manager = managing({"acme": offering("same", "other"), "bcme": offering("same", "third")})

    offered = manager.collect(STRATEGIES, "name", config=CONFIG)

    assert {name: by for name, (by, _) in offered.items() if by in ("acme", "bcme")} == {
        "same": "acme", "other": "acme",
    }  # fmt: skip
    assert refusal(manager) == (
        "plugin 'bcme': offers 'same' (provisioning strategies), which plugin 'acme' offers already. "
        "Rename it, or put one of the two into [plugins] disable."
    )


def test_pl_7_a_plugin_that_offers_one_name_twice_is_refused() -> None:
    manager = managing({"acme": offering("same", "same")})

    manager.collect(STRATEGIES, "name", config=CONFIG)

    assert "plugin 'acme': offers 'same'" in refusal(manager)


def test_pl_7_nobody_can_replace_what_a_built_in_plugin_offers() -> None:
    manager = managing({"acme": offering("ACCESS_TOKEN", hook=GENERATORS, key="type")})

    offered = manager.collect(GENERATORS, "type", config=CONFIG)

    assert offered["ACCESS_TOKEN"][0] == "access-token"
    assert "which plugin 'access-token' offers already" in refusal(manager)


def test_one_object_may_be_known_by_several_names() -> None:
    backend = SimpleNamespace(schemes=("one", "two"))
    manager = PluginManager(PluginsConfig())
    manager.register(plugin(firstboot_storage_backends=lambda config: [backend]), "acme")

    offered = manager.collect("firstboot_storage_backends", "schemes", config=CONFIG)

    assert offered == {"one": ("acme", backend), "two": ("acme", backend)}


class Evil:
    def __getattr__(self, name: str) -> Any:
        raise ZeroDivisionError


def _generator(config: object) -> Iterator[object]:
    yield SimpleNamespace(name="good")
    raise ZeroDivisionError


NONSENSE: list[tuple[Callable[..., Any], str]] = [
    (lambda config: None, "returned NoneType from firstboot_provisioning_strategies. Return an iterable."),
    (lambda config: 7, "returned int from"),
    (lambda config: [object()], "offers object without a name (provisioning strategies). Give it a name."),
    (lambda config: "text", "offers str without a name"),
    (lambda config: [SimpleNamespace(name="")], "offers SimpleNamespace without a name"),
    (lambda config: [SimpleNamespace(name=None)], "offers SimpleNamespace without a name"),
    (lambda config: [SimpleNamespace(name=["a", 1])], "offers SimpleNamespace without a name"),
    (lambda config: itertools.repeat(object()), f"offers more than {MAX_OFFERS} provisioning strategies"),
    (lambda config: [Evil()], "failed with ZeroDivisionError"),
    (lambda config: 1 / 0, "failed with ZeroDivisionError: division by zero ("),
    (lambda config: sys.exit("bye"), "failed with SystemExit: bye ("),
    (_generator, "failed with ZeroDivisionError"),
]


@pytest.mark.parametrize(("offer", "said"), NONSENSE, ids=range(len(NONSENSE)))
def test_pl_7_a_plugin_that_offers_nonsense_or_fails_at_it_is_refused_and_offers_nothing(
    offer: Callable[..., Any], said: str
) -> None:
    manager = PluginManager(PluginsConfig())
    manager.register(plugin(firstboot_provisioning_strategies=offer), "acme")
    manager.register(offering("good-one"), "good")

    offered = manager.collect(STRATEGIES, "name", config=CONFIG)

    assert set(offered) == {"good-one"}
    assert refusal(manager).startswith(f"plugin 'acme': {said}")
    assert info_of(manager, "acme").state is PluginState.FAILED
    # It is asked for nothing any more, and said once.
    manager.collect(STRATEGIES, "name", config=CONFIG)
    assert len(manager.errors) == 1


@pytest.mark.parametrize("offered", [None, ["acme"], {7: dict}, {"": dict}])
def test_pl_7_a_mapping_that_is_none_is_refused(offered: Any) -> None:
    manager = managing({"acme": plugin(firstboot_cli_commands=lambda: offered)})

    assert not any(by == "acme" for by, _ in manager.collect_mapping("firstboot_cli_commands").values())
    assert "plugin 'acme': returned" in refusal(manager)


@dataclass(frozen=True, kw_only=True)
class AcmeConfig:
    colour: str = "red"


@dataclass(frozen=True)
class UncheckableConfig:
    thing: Evil


def test_a_plugin_offers_a_section_of_the_configuration() -> None:
    manager = PluginManager(PluginsConfig())
    manager.register(plugin(firstboot_config_sections=lambda: {"acme": AcmeConfig}), "acme")

    assert manager.config_sections() == {**CORE_SECTIONS, "acme": AcmeConfig}


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"server": AcmeConfig}, "offers the section [server], which is Firstboot's own. Rename it."),
        (
            {"acme": dict},
            "offers a section [acme] that cannot be read: dict is no dataclass. Make it a dataclass.",
        ),
        ({"acme": AcmeConfig()}, "offers a section [acme] that cannot be read: AcmeConfig is no dataclass."),
        ({"acme": UncheckableConfig}, "offers a section [acme] that cannot be read: its fields are of types that"),
    ],
)
def test_pl_7_a_section_that_cannot_be_is_refused(sections: Any, said: str) -> None:
    manager = managing({"acme": plugin(firstboot_config_sections=lambda: sections)})

    assert set(manager.config_sections()) == {
        *CORE_SECTIONS, "claim_page", "coap", "http", "mqtt", "thingsboard", "thinger", "thingstream", "x509_csr",
    }  # fmt: skip
    assert refusal(manager).startswith(f"plugin 'acme': {said}")


# -- order, runners, listing -----------------------------------------------------------------------


def test_implementations_are_called_in_the_documented_order(files: PluginFiles) -> None:
    code = """
        from firstboot.hookspecs import hookimpl
        FIRSTBOOT_API = 1

        @hookimpl({options})
        def firstboot_device_provisioning(): pass
    """
    marks = {"zz_first": "", "aa_second": "", "mm_try": "tryfirst=True", "nn_last": "trylast=True"}
    for name, options in marks.items():
        files.module(name, textwrap.dedent(code).replace("{options}", options))
    files.module("installed_b", textwrap.dedent(code).replace("{options}", ""))
    files.module("installed_a", textwrap.dedent(code).replace("{options}", ""))
    files.distribution("acme", "1.0", {"b": "installed_b", "a": "installed_a"})

    manager = managing(load=("nn_last", "zz_first", "mm_try", "aa_second"))

    order = [runner.name for runner, _ in manager.implementations("firstboot_device_provisioning")]
    assert order == ["mm_try", "aa_second", "zz_first", "b", "a", "nn_last"]


def test_all_hooks_of_a_plugin_share_one_runner() -> None:
    acme = plugin(firstboot_device_provisioning=lambda: None, firstboot_device_provisioned=lambda: None)
    manager = managing({"acme": acme})

    runners = [
        manager.implementations(hook)[0][0]
        for hook in ("firstboot_device_provisioning", "firstboot_device_provisioned")
    ]

    assert runners[0] is runners[1] is manager.runner("acme")


async def test_pl_6_a_plugin_that_is_left_alone_is_listed_as_failing() -> None:
    txaio.use_asyncio()
    now = [50.0]
    manager = PluginManager(PluginsConfig(), lambda: now[0])
    manager.register(plugin(firstboot_device_provisioned=lambda: None), "acme")

    async def fail() -> None:
        raise ValueError

    for _ in range(BREAKER_FAILURES):
        with pytest.raises(PluginFailed):
            await manager.runner("acme").run(fail)

    info = info_of(manager, "acme")
    assert (info.state, info.reason) == (PluginState.ACTIVE, "failing: left alone for a while")
    now[0] += BREAKER_PAUSE_S
    assert info_of(manager, "acme").reason == ""


@pytest.mark.parametrize(
    ("module", "owner"),
    [
        ("firstboot_plugins.transports.mqtt.door", "mqtt"),
        ("firstboot_plugins.dialects.thingsboard.provisioning_json", "thingsboard"),
        ("firstboot_plugins.credentials.mqtt_basic", "mqtt-basic"),
        ("firstboot_plugins.credentials.lookup_ids", None),  # shared by several plugins
        ("firstboot_plugins", None),
        ("firstboot.provisioning", None),
        ("asyncio.events", None),
        ("", None),
        (f"{__name__}", "object"),
    ],
)
def test_pl_3_a_module_belongs_to_the_plugin_that_it_is_part_of(module: str, owner: str | None) -> None:
    class Acme:
        FIRSTBOOT_API = 1

    assert managing({"object": Acme()}).owner_of(module) == owner
