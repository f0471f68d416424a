"""Plugins that fail, hang, block or talk nonsense, in a real server (threats, section 11)."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from tests.harness import (
    WAIT_S,
    TestServer,
    environment,
    firstboot,
    login,
    provision_over_mqtt,
    running,
    server_process,
)
from tests.plugin_files import PluginFiles

from firstboot.calls import BREAKER_FAILURES
from firstboot.errors import StartRefused
from firstboot.hookspecs import Change, Refuse, hookimpl
from firstboot.model import Attribute, Credentials, DeviceProposal, Scope, WantedCredentials
from firstboot.observing import QUEUE_LENGTH
from firstboot.plugin_manager import PluginState
from firstboot.strategies import CreateNew
from firstboot_plugins.transports.mqtt.packets import Pingreq, Pingresp


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


ERRORS: list[BaseException] = [
    ValueError("text"), asyncio.CancelledError(), SystemExit(3), KeyboardInterrupt(), RecursionError(),
    MemoryError(), Unprintable(), GeneratorExit(),
]  # fmt: skip


class Deciding:
    """A plugin that does something odd to devices whose names begin with ``odd``."""

    FIRSTBOOT_API = 1

    def __init__(self, odd: Callable[[], Any]) -> None:
        self._odd = odd

    @hookimpl
    async def firstboot_device_provisioning(self, proposal: DeviceProposal) -> Any:
        if not proposal.name.startswith("odd"):
            return None
        answer = self._odd()
        return await answer if asyncio.iscoroutine(answer) else answer


class DecidingInThread:
    """The same, as a plain function."""

    FIRSTBOOT_API = 1

    def __init__(self, odd: Callable[[], Any]) -> None:
        self._odd = odd

    @hookimpl
    def firstboot_device_provisioning(self, proposal: DeviceProposal) -> Any:
        return self._odd() if proposal.name.startswith("odd") else None


class Observing:
    """A plugin that does something at each device that was provisioned."""

    FIRSTBOOT_API = 1

    def __init__(self, act: Callable[[str], Any]) -> None:
        self._act = act

    @hookimpl
    async def firstboot_device_provisioned(self, event: Any) -> None:
        await self._act(event.device.name)


class OddStrategy:
    """Strategy ``odd``, which decides what the test says."""

    name = "odd"
    FIRSTBOOT_API = 1

    def __init__(self, decide: Callable[[], Any]) -> None:
        self._decide = decide

    def decide(self, name: str, *_: object) -> Any:
        return self._decide()

    @hookimpl
    def firstboot_provisioning_strategies(self) -> list[object]:
        return [self]


class OddGenerator:
    """Credentials of type ``ODD``, which are what the test says."""

    type = "ODD"
    FIRSTBOOT_API = 1

    def __init__(self, issue: Callable[[], Any], reveal: Callable[[Credentials], Any]) -> None:
        self._issue = issue
        self.reveal = reveal

    def issue(self, wanted: WantedCredentials) -> Any:
        return self._issue()

    renew = issue

    @hookimpl
    def firstboot_credential_generators(self) -> list[object]:
        return [self]


def throw(error: BaseException) -> Any:
    raise error


async def throw_async(error: BaseException) -> Any:
    raise error


async def hang() -> None:
    await asyncio.Event().wait()


def refused(answer: dict[str, Any]) -> bool:
    """Say whether a device was told that it failed, and nothing else of what happened."""
    assert set(answer) <= {"status", "errorMsg"}, answer
    return answer["status"] == "FAILURE" and "acme" not in str(answer)


async def last_refusal(server: TestServer) -> tuple[str, str]:
    """Return code and reason of the refusal that was audited last."""
    refusals = [row for row in await server.audit() if row.entry.event == "provisioning-refused"]
    newest = max(refusals, key=lambda row: row.id).entry
    return newest.code or "", newest.detail


async def lives(server: TestServer, request: dict[str, Any]) -> None:
    """Expect that an ordinary device still gets in, and that nothing was left half-made."""
    answer = await server.post(request)
    assert answer["status"] == "SUCCESS"
    assert await login(server, username=answer["credentialsValue"]) == 0


# -- PL-1 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugin_type", [Deciding, DecidingInThread])
async def test_pl_1_whatever_a_deciding_plugin_raises_that_request_is_refused_and_the_server_lives(
    tmp_path: Path, plugin_type: Callable[..., object]
) -> None:
    errors = iter(ERRORS)
    async with running(tmp_path, plugins={"acme": plugin_type(lambda: throw(next(errors)))}) as server:
        demo = await server.profile()
        for number, error in enumerate(ERRORS):
            post = server.post if number % 2 else lambda request: provision_over_mqtt(server, request)

            assert refused(await post(demo.request(f"odd-{number}")))

            assert await last_refusal(server) == ("plugin-error", f"plugin 'acme' raised {type(error).__name__}")
            assert await server.device(f"odd-{number}") is None
        await lives(server, demo.request("meter-1"))
        assert server.services.plugins.runner("acme").failures == len(ERRORS)


@pytest.mark.parametrize("kind", ["at once", "awaited"])
async def test_pl_1_whatever_a_strategy_raises_that_request_is_refused_and_the_server_lives(
    tmp_path: Path, kind: str
) -> None:
    errors = iter(ERRORS)
    raising = throw if kind == "at once" else throw_async
    async with running(tmp_path, plugins={"acme": OddStrategy(lambda: raising(next(errors)))}) as server:
        odd, demo = await server.profile("odd", strategy="odd"), await server.profile()
        for error in ERRORS:
            assert refused(await server.post(odd.request("odd-1")))
            assert await last_refusal(server) == ("plugin-error", f"plugin 'acme' raised {type(error).__name__}")

        await lives(server, demo.request("meter-1"))


async def test_pl_1_whatever_a_generator_raises_that_request_is_refused_and_nothing_is_made(
    tmp_path: Path,
) -> None:
    errors = iter(ERRORS)
    generator = OddGenerator(lambda: throw(next(errors)), lambda credentials: credentials.id)
    async with running(tmp_path, plugins={"acme": generator}) as server:
        demo = await server.profile()
        for error in ERRORS:
            assert refused(await server.post(demo.request("odd-1", credentialsType="ODD")))
            assert await last_refusal(server) == ("plugin-error", f"plugin 'acme' raised {type(error).__name__}")
            assert await server.device("odd-1") is None

        await lives(server, demo.request("odd-1"))


async def test_pl_1_a_failing_observer_costs_neither_devices_nor_other_observers_anything(tmp_path: Path) -> None:
    heard: asyncio.Queue[str] = asyncio.Queue()
    errors = iter(ERRORS)
    bad, good = Observing(lambda name: throw(next(errors))), Observing(heard.put)
    async with running(tmp_path, plugins={"bad": bad, "good": good}) as server:
        demo = await server.profile()
        for number in range(len(ERRORS)):
            await lives(server, demo.request(f"meter-{number}"))
            assert await asyncio.wait_for(heard.get(), WAIT_S) == f"meter-{number}"
        await server.services.observers.stop(WAIT_S)

        assert server.services.plugins.runner("bad").failures == len(ERRORS)
        assert server.services.plugins.runner("good").failures == 0


# -- PL-2, PL-3 ------------------------------------------------------------------------------------


async def test_pl_2_a_plugin_that_hangs_delays_its_own_requests_alone(tmp_path: Path) -> None:
    async with running(
        tmp_path, plugins={"acme": Deciding(hang)}, plugin_settings={"timeouts": {"acme": "200ms"}}
    ) as server:
        demo = await server.profile()
        hanging = asyncio.create_task(server.post(demo.request("odd-1")))

        await lives(server, demo.request("meter-1"))

        assert refused(await hanging)
        assert await last_refusal(server) == ("plugin-error", "plugin 'acme' did not answer within 0.2 s")


async def test_pl_2_one_that_ignores_its_cancellation_is_abandoned(
    tmp_path: Path,
) -> None:
    released = asyncio.Event()

    async def stubborn() -> None:
        while not released.is_set():
            try:
                await released.wait()
            except asyncio.CancelledError:
                continue

    async with running(
        tmp_path, plugins={"acme": Deciding(stubborn)}, plugin_settings={"timeout": "20ms"}
    ) as server:
        demo = await server.profile()
        try:
            for number in range(BREAKER_FAILURES):
                assert refused(await server.post(demo.request(f"odd-{number}")))
            assert refused(await server.post(demo.request("odd-again")))
            assert "left alone" in (await last_refusal(server))[1]
        finally:
            released.set()


def test_pl_2_one_that_ignores_its_cancellation_does_not_keep_the_process_alive(
    tmp_path: Path, installation: Installation
) -> None:
    installation.files.module(
        "acme_stubborn",
        """
        import asyncio, threading
        from firstboot.hookspecs import hookimpl
        FIRSTBOOT_API = 1

        @hookimpl
        async def firstboot_device_provisioning(proposal):
            while True:
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    pass

        @hookimpl
        def firstboot_provisioning_refused(event):
            threading.Event().wait()
        """,
    )
    settings = {
        "PYTHONPATH": installation.environment["PYTHONPATH"],
        "FIRSTBOOT_PLUGINS__LOAD": '["acme_stubborn"]',
        "FIRSTBOOT_PLUGINS__TIMEOUT": "50ms",
    }
    profile = json.loads(installation.run("profile", "create", "demo", "--json").stdout)
    request = {
        "deviceName": "odd-1",
        "provisionDeviceKey": profile["provision_key"],
        "provisionDeviceSecret": profile["provision_secret"],
    }

    with server_process(tmp_path, **settings) as process:
        answer = httpx2.post(f"http://127.0.0.1:{process.http_port}/api/v1/provision", json=request)
        assert refused(answer.json())

        assert process.stop() == 0

    log = (tmp_path / "server.log").read_text()
    assert "plugin 'acme_stubborn' did not answer within 0.05 s" in log


async def test_pl_3_a_plain_function_that_blocks_does_not_block_the_server(tmp_path: Path) -> None:
    entered, release = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        release.wait(WAIT_S)

    async with running(
        tmp_path, plugins={"acme": DecidingInThread(block)}, plugin_settings={"timeout": "5s"}
    ) as server:
        demo = await server.profile()
        peer = await server.provision_peer()
        blocked = asyncio.create_task(server.post(demo.request("odd-1")))
        try:
            assert await asyncio.to_thread(entered.wait, WAIT_S)

            await peer.send(Pingreq())
            await peer.expect(Pingresp)
            runner = server.services.plugins.runner("acme")
            assert not blocked.done()
            assert runner.failures == 0
        finally:
            release.set()
        assert (await blocked)["status"] == "SUCCESS"
        await peer.close()


async def test_pl_3_a_plain_function_that_blocks_is_cut_off_at_its_time_out(tmp_path: Path) -> None:
    release = threading.Event()
    async with running(
        tmp_path,
        plugins={"acme": DecidingInThread(lambda: release.wait(WAIT_S))},
        plugin_settings={"timeout": "50ms"},
    ) as server:
        demo = await server.profile()
        try:
            assert refused(await server.post(demo.request("odd-1")))
            assert not release.is_set()
        finally:
            release.set()
        assert await last_refusal(server) == ("plugin-error", "plugin 'acme' did not answer within 0.05 s")


class _Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.came = threading.Event()
        self.record: logging.LogRecord | None = None

    def emit(self, record: logging.LogRecord) -> None:
        self.record = record
        self.came.set()


@pytest.fixture
def told() -> Iterator[_Told]:
    """Return what hears the watchdog, also while the event loop is blocked."""
    logger, handler = logging.getLogger("firstboot.watchdog"), _Told()
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


async def test_pl_3_an_async_plugin_that_blocks_the_event_loop_is_named_while_it_does(
    tmp_path: Path, told: _Told
) -> None:
    # It goes on as soon as it was named; were it not, the test would fail here instead of hanging.
    async with running(
        tmp_path, plugins={"acme": Deciding(lambda: throw_unless(told.came.wait(WAIT_S)))}
    ) as server:
        demo = await server.profile()

        assert (await server.post(demo.request("odd-1")))["status"] == "SUCCESS"

    assert told.record is not None
    assert told.record.getMessage() == "the event loop is blocked"
    assert told.record.plugin == "acme"  # type: ignore[attr-defined]


def throw_unless(good: bool) -> None:
    if not good:
        raise AssertionError("nobody named the plugin")


# -- PL-4 ------------------------------------------------------------------------------------------


async def test_pl_4_an_observer_that_stands_still_holds_up_no_device(tmp_path: Path) -> None:
    entered, opened = asyncio.Event(), asyncio.Event()
    seen: list[str] = []

    async def stand_still(name: str) -> None:
        seen.append(name)
        entered.set()
        await opened.wait()

    async with running(
        tmp_path, plugins={"slow": Observing(stand_still)}, plugin_settings={"timeout": "10s"}
    ) as server:
        demo = await server.profile()
        await server.post(demo.request("meter-0"))
        await asyncio.wait_for(entered.wait(), WAIT_S)

        answers = await asyncio.gather(*(server.post(demo.request(f"meter-{n}")) for n in range(1, 30)))
        await lives(server, demo.request("meter-30"))

        assert {answer["status"] for answer in answers} == {"SUCCESS"}
        assert seen == ["meter-0"]
        opened.set()
        await server.services.observers.stop(WAIT_S)
        assert len(seen) == 31
        assert server.services.observers.dropped == {"slow": 0}


async def test_pl_4_the_events_that_wait_are_bounded(tmp_path: Path) -> None:
    opened = asyncio.Event()

    async def stand_still(name: str) -> None:
        await opened.wait()

    async with running(
        tmp_path, plugins={"slow": Observing(stand_still)}, plugin_settings={"timeout": "10s"}
    ) as server:
        await server.post((await server.profile()).request("meter-0"))
        event = SimpleNamespace(device=SimpleNamespace(name="flood"))
        for _ in range(3 * QUEUE_LENGTH):
            server.services.observers.tell("firstboot_device_provisioned", event)

        assert server.services.observers.dropped["slow"] >= 2 * QUEUE_LENGTH - 1
        opened.set()


# -- PL-5 ------------------------------------------------------------------------------------------


NONSENSE: dict[str, Any] = {
    "a text": "no",
    "true": True,
    "a code that is none": Refuse("no", code="NO\n"),
    "a name that is none": Change(name="a\nb"),
    "a name with markup": Change(name="<img>"),
    "the state": Change(attributes=(Attribute(Scope.SERVER, "provisionState", "x"),)),
    "an object": Change(attributes=(Attribute(Scope.SERVER, "key", object()),)),
    "a huge value": Change(additional_info={"key": "x" * 10_000_000}),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE.keys())
async def test_pl_5_nonsense_from_a_deciding_plugin_refuses_the_request(tmp_path: Path, answer: Any) -> None:
    async with running(tmp_path, plugins={"acme": Deciding(lambda: answer)}) as server:
        demo = await server.profile()

        assert refused(await server.post(demo.request("odd-1")))

        code, reason = await last_refusal(server)
        assert code == "plugin-error"
        assert reason.startswith("plugin 'acme' gave an answer that")
        assert await server.device("odd-1") is None
        await lives(server, demo.request("meter-1"))


@pytest.mark.parametrize("decision", [None, "odd-1", CreateNew, SimpleNamespace(name="x"), 7])
async def test_pl_5_nonsense_from_a_strategy_refuses_the_request(tmp_path: Path, decision: Any) -> None:
    async with running(tmp_path, plugins={"acme": OddStrategy(lambda: decision)}) as server:
        odd = await server.profile("odd", strategy="odd")

        assert refused(await server.post(odd.request("odd-1")))

        assert (await last_refusal(server))[0] == "plugin-error"
        assert await server.device("odd-1") is None


BAD_CREDENTIALS: dict[str, Any] = {
    "nothing": (None, str),
    "a text": ("token", str),
    "another type": (Credentials("ACCESS_TOKEN", "x"), str),
    "no id": (Credentials("ODD", ""), str),
    "an id of bytes": (Credentials("ODD", b"x"), str),  # type: ignore[arg-type]
    "a value of bytes": (Credentials("ODD", "x", b"x"), str),  # type: ignore[arg-type]
    "what cannot be told": (Credentials("ODD", "x"), lambda credentials: throw(SystemExit(3))),
    "what is no JSON": (Credentials("ODD", "x"), lambda credentials: object()),
}


@pytest.mark.parametrize(("issued", "reveal"), BAD_CREDENTIALS.values(), ids=BAD_CREDENTIALS.keys())
async def test_pl_5_credentials_that_cannot_be_used_are_refused_before_anything_is_made(
    tmp_path: Path, issued: Any, reveal: Callable[[Any], Any]
) -> None:
    async with running(tmp_path, plugins={"acme": OddGenerator(lambda: issued, reveal)}) as server:
        demo = await server.profile()

        assert refused(await server.post(demo.request("odd-1", credentialsType="ODD")))

        assert (await last_refusal(server))[0] == "plugin-error"
        assert await server.device("odd-1") is None
        await lives(server, demo.request("odd-1"))


async def test_a_change_by_a_plugin_reaches_the_database(tmp_path: Path) -> None:
    change = Change(
        name="renamed",
        label="a label",
        gateway=True,
        attributes=(Attribute(Scope.SHARED, "site", {"floor": 1}),),
        additional_info={"by": "acme"},
    )
    async with running(tmp_path, plugins={"acme": Deciding(lambda: change)}) as server:
        demo = await server.profile()

        await lives(server, demo.request("odd-1"))

        assert await server.device("odd-1") is None
        device = await server.device("renamed")
        assert device is not None
        assert (device.label, device.additional_info) == ("a label", {"by": "acme", "gateway": True})
        stored = await server.core.storage.device_attributes(device.id)
        assert (Scope.SHARED, "site", {"floor": 1}) in [(each.scope, each.key, each.value) for each in stored]


async def test_a_veto_is_audited_with_the_plugins_code_and_told_to_the_device_as_a_failure(tmp_path: Path) -> None:
    refuse = Refuse("the site is full", code="site-full")
    async with running(tmp_path, plugins={"acme": Deciding(lambda: refuse)}) as server:
        demo = await server.profile()

        assert refused(await server.post(demo.request("odd-1")))
        assert refused(await provision_over_mqtt(server, demo.request("odd-1")))

        assert await last_refusal(server) == ("site-full", "acme: the site is full")


# -- PL-6 ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["raises", "nonsense"])
async def test_pl_6_a_plugin_that_keeps_failing_is_left_alone_and_listed_so(tmp_path: Path, kind: str) -> None:
    called: list[None] = []

    def odd() -> Any:
        called.append(None)
        return throw(ValueError()) if kind == "raises" else "nonsense"

    async with running(
        tmp_path, plugins={"acme": Deciding(odd)}, provisioning={"failures_per_minute": 1000}
    ) as server:
        demo = await server.profile()
        for number in range(BREAKER_FAILURES + 3):
            assert refused(await server.post(demo.request(f"odd-{number}")))

        assert len(called) == BREAKER_FAILURES
        assert (await last_refusal(server))[1] == "plugin 'acme' failed too often and is left alone for a while"
        (info,) = [info for info in server.services.plugins.infos() if info.name == "acme"]
        assert (info.state, info.reason) == (PluginState.ACTIVE, "failing: left alone for a while")


async def test_pl_6_a_strategy_that_keeps_failing_is_left_alone_and_others_are_not(tmp_path: Path) -> None:
    called: list[None] = []

    def decide() -> Any:
        called.append(None)
        raise ValueError

    async with running(tmp_path, plugins={"acme": OddStrategy(decide)}) as server:
        odd, demo = await server.profile("odd", strategy="odd"), await server.profile()
        for number in range(BREAKER_FAILURES + 3):
            assert refused(await server.post(odd.request(f"odd-{number}")))

        assert len(called) == BREAKER_FAILURES
        await lives(server, demo.request("meter-1"))


# -- PL-7: the process -----------------------------------------------------------------------------

GOOD = """
    from types import SimpleNamespace
    from firstboot.hookspecs import hookimpl
    FIRSTBOOT_API = 1

    @hookimpl
    def firstboot_provisioning_strategies(config):
        return [SimpleNamespace(name="acme-strategy")]
"""


@dataclass(frozen=True)
class Installation:
    """Plugins in a folder, and the environment of a process that finds them there."""

    files: PluginFiles
    environment: dict[str, str]

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        return firstboot({**self.environment, **more}, *arguments, check=False)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    folder = tmp_path / "site"
    folder.mkdir()
    return Installation(PluginFiles(folder), environment(tmp_path, PYTHONPATH=str(folder)))


def test_pl_7_the_list_shows_source_version_api_state_and_reason(installation: Installation) -> None:
    files = installation.files
    for name in ("acme_good", "acme_off", "acme_twin"):
        files.module(name, GOOD)
    files.module("acme_new", "FIRSTBOOT_API = 2")
    files.module("acme_broken", "import a_library_that_nobody_has")
    files.distribution("acme-lora", "0.3", {"good": "acme_good", "off": "acme_off", "new": "acme_new"})
    files.distribution("other", "1.0", {"broken": "acme_broken", "good": "acme_twin"})
    settings = {"FIRSTBOOT_PLUGINS__LOAD": '["acme_dotted"]', "FIRSTBOOT_PLUGINS__DISABLE": '["off", "mqtt"]'}
    files.module("acme_dotted", GOOD)

    done = installation.run("plugins", "list", **settings)

    assert done.returncode == 0, done.stderr
    header, *rows = [line.split(maxsplit=5) for line in done.stdout.splitlines()]
    assert header[:4] == ["name", "source", "API", "state"]
    shown = {(row[0], f"{row[1]} {row[2]}"): row[3:] for row in rows if row[1] != "configuration"}
    assert shown["good", "acme-lora 0.3"] == ["1", "active", "firstboot_provisioning_strategies"]
    assert shown["off", "acme-lora 0.3"] == ["-", "off", "disabled in [plugins]"]
    assert shown["new", "acme-lora 0.3"] == ["2", "failed", "speaks plugin API 2, this server speaks 1."]
    assert shown["broken", "other 1.0"] == [
        "-", "failed", "the module a_library_that_nobody_has is not installed.",
    ]  # fmt: skip
    assert shown["good", "other 1.0"][1:] == [
        "failed", "two plugins have this name: one from acme-lora 0.3, one from other 1.0.",
    ]  # fmt: skip
    (mqtt,) = [row for row in rows if row[0] == "mqtt"]
    assert mqtt[3:] == ["-", "off", "disabled in [plugins]"]
    (dotted,) = [line for line in done.stdout.splitlines() if line.startswith("acme_dotted")]
    assert dotted.split() == ["acme_dotted", "configuration", "1", "active", "firstboot_provisioning_strategies"]


def test_pl_7_a_program_can_read_the_list(installation: Installation) -> None:
    installation.files.module("acme_good", GOOD)
    installation.files.distribution("acme-lora", "0.3", {"good": "acme_good"})

    done = installation.run("plugins", "list", "--json")

    listed = {info["name"]: info for info in json.loads(done.stdout)}
    assert listed["good"] == {
        "name": "good",
        "source": "acme-lora 0.3",
        "api_version": 1,
        "state": "active",
        "reason": "",
        "hooks": ["firstboot_provisioning_strategies"],
    }
    assert listed["mqtt"]["source"].startswith("firstboot ")


def test_pl_7_the_list_says_which_names_in_the_settings_no_plugin_has(installation: Installation) -> None:
    done = installation.run("plugins", "list", FIRSTBOOT_PLUGINS__DISABLE='["mqqt"]')

    assert done.returncode == 0
    assert done.stderr.strip() == (
        "firstboot: plugin 'mqqt': stands in [plugins] disable, but there is no such plugin. Did you mean mqtt?"
    )


@pytest.mark.parametrize("command", ["serve", "check-config"])
def test_pl_7_all_that_is_wrong_with_plugins_stops_the_start_in_one_report(
    installation: Installation, command: str
) -> None:
    files = installation.files
    files.module("acme_exits", "raise SystemExit(0)")
    files.module("acme_misspelt", GOOD.replace("strategies(config)", "strategys(config)"))
    files.module("acme_offers", GOOD.replace("acme-strategy", "disabled"))
    files.distribution("acme", "1.0", {"exits": "acme_exits", "misspelt": "acme_misspelt"})
    settings = {"FIRSTBOOT_PLUGINS__LOAD": '["acme_offers"]'}

    done = installation.run(command, **settings)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    first, second = done.stderr.splitlines()
    assert first.startswith("firstboot: plugin 'exits': failed with SystemExit: 0 (")
    assert second == (
        "firstboot: plugin 'misspelt': implements the unknown hook firstboot_provisioning_strategys. "
        "Did you mean firstboot_provisioning_strategies?"
    )

    # What is offered is known only when all plugins are loaded.
    done = installation.run(command, **settings, FIRSTBOOT_PLUGINS__DISABLE='["exits", "misspelt"]')
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "firstboot: plugin 'acme_offers': offers 'disabled' (provisioning strategies), which plugin 'disabled' "
        "offers already. Rename it, or put one of the two into [plugins] disable."
    )


def test_pl_7_a_server_starts_without_a_plugin_that_is_optional(
    installation: Installation, tmp_path: Path
) -> None:
    installation.files.module("acme_broken", "raise SystemExit(7)")
    settings = {
        "PYTHONPATH": installation.environment["PYTHONPATH"],
        "FIRSTBOOT_PLUGINS__LOAD": '["acme_broken"]',
        "FIRSTBOOT_PLUGINS__OPTIONAL": '["acme_broken"]',
    }

    with server_process(tmp_path, **settings) as process:
        assert process.mqtt_port
        assert process.stop() == 0


async def test_pl_7_a_dialect_that_is_none_stops_the_start(tmp_path: Path) -> None:
    class Dialect:
        FIRSTBOOT_API = 1

        @hookimpl
        def firstboot_mqtt_dialects(self) -> list[object]:
            return [SimpleNamespace(name="odd")]

    with pytest.raises(StartRefused, match="'acme': offers an MQTT dialect that is none"):
        async with running(tmp_path, plugins={"acme": Dialect()}):
            pass


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        (lambda: None, "'acme': returned NoneType from firstboot_http_routes. Return an iterable."),
        (lambda: ["/path"], "'acme': offers str as an HTTP route. Offer Starlette routes."),
        (lambda: throw(SystemExit(3)), "'acme': failed with SystemExit: 3"),
    ],
)
async def test_pl_7_routes_that_are_none_stop_the_start(
    tmp_path: Path, offer: Callable[[], Any], said: str
) -> None:
    class Routes:
        FIRSTBOOT_API = 1

        @hookimpl
        def firstboot_http_routes(self) -> Any:
            return offer()

    with pytest.raises(StartRefused, match=re.escape(said)):
        async with running(tmp_path, plugins={"acme": Routes()}):
            pass


# -- PL-8, importing -------------------------------------------------------------------------------


def test_pl_8_the_seam_is_asyncio_before_any_plugin_is_imported(
    installation: Installation,
) -> None:
    code = "import txaio\nassert txaio.using_asyncio\ntxaio.use_twisted()"
    installation.files.module("acme_twisted", code)

    done = installation.run("plugins", "list", FIRSTBOOT_PLUGINS__LOAD='["acme_twisted"]')

    (line,) = [line for line in done.stdout.splitlines() if line.startswith("acme_twisted")]
    assert "failed with RuntimeError" in line
    assert f"{installation.files.folder / 'acme_twisted.py'}" not in done.stderr
