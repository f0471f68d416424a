"""What deciding hooks answer, end to end, and what observing hooks are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.harness import WAIT_S, TestServer, running
from tests.integration.provisioning.asking import pre_provision, refusals

from firstboot.errors import NotFound, ProfileNotProven, ProvisioningRefused
from firstboot.events import DeviceProvisioned, ProvisioningRefusal
from firstboot.hookspecs import Answer, Change, Refuse, hookimpl
from firstboot.model import Attribute, Credentials, DeviceProposal, ProvisioningRequest, Scope

Decide = Callable[[ProvisioningRequest, DeviceProposal], Awaitable[Answer]]


class Plugin:
    """Decides as it is told, and keeps what it observes."""

    FIRSTBOOT_API = 1

    def __init__(self, decide: Decide) -> None:
        self._decide = decide
        self.seen: asyncio.Queue[DeviceProvisioned | ProvisioningRefusal] = asyncio.Queue()

    @hookimpl
    async def firstboot_device_provisioning(
        self, request: ProvisioningRequest, proposal: DeviceProposal
    ) -> Answer:
        return await self._decide(request, proposal)

    @hookimpl
    async def firstboot_device_provisioned(self, event: DeviceProvisioned) -> None:
        self.seen.put_nowait(event)

    @hookimpl
    async def firstboot_provisioning_refused(self, event: ProvisioningRefusal) -> None:
        self.seen.put_nowait(event)

    async def observed(self) -> DeviceProvisioned | ProvisioningRefusal:
        async with asyncio.timeout(WAIT_S):
            return await self.seen.get()


def answering(answer: Answer) -> Plugin:
    async def decide(request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        return answer

    return Plugin(decide)


def raising(error: Exception) -> Plugin:
    async def decide(request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        raise error

    return Plugin(decide)


def with_plugin(tmp_path: Path, plugin: object, **more: Any) -> AbstractAsyncContextManager[TestServer]:
    return running(tmp_path, plugins={"acme": plugin}, **more)


async def attributes(server: TestServer, name: str) -> dict[tuple[Scope, str], object]:
    device = await server.device(name)
    assert device is not None
    found = await server.core.storage.device_attributes(device.id)
    return {(each.scope, each.key): each.value for each in found}


STATE = {(Scope.SERVER, "provisionState"): "provisioned"}
INTERVAL = {(Scope.SHARED, "interval"): 60}


async def test_a_hook_changes_everything_that_it_may_change(tmp_path: Path, database: str | None) -> None:
    change = Change(
        name="  Zähler 7 ",
        label="hall 3",
        gateway=True,
        attributes=(Attribute(Scope.SHARED, "interval", 60), Attribute(Scope.SERVER, "serial", {"a": [1]})),
        additional_info={"site": "Bonn"},
    )
    async with with_plugin(tmp_path, answering(change), database=database) as server:
        demo = await server.profile()

        answer = await server.post(demo.request("meter"))

        assert answer["status"] == "SUCCESS"
        assert await server.device("meter") is None
        device = await server.device("Zähler 7")
        assert device is not None
        assert (device.label, device.additional_info) == ("hall 3", {"site": "Bonn", "gateway": True})
        serial = {(Scope.SERVER, "serial"): {"a": [1]}}
        assert await attributes(server, "Zähler 7") == STATE | INTERVAL | serial


async def test_pv_5_a_name_that_a_hook_chose_has_one_winner(tmp_path: Path) -> None:
    async with with_plugin(tmp_path, answering(Change(name="the-only-one"))) as server:
        demo = await server.profile()

        first, second = await server.post(demo.request("a")), await server.post(demo.request("b"))

        assert (first["status"], second["status"]) == ("SUCCESS", "FAILURE")
        assert await refusals(server) == ["name-taken"]


async def test_a_hook_adds_attributes_to_a_pre_provisioned_device(tmp_path: Path, database: str | None) -> None:
    proposals: list[DeviceProposal] = []

    async def decide(request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        proposals.append(proposal)
        return Change(name="ignored", attributes=(Attribute(Scope.SHARED, "interval", 60),))

    async with with_plugin(tmp_path, Plugin(decide), database=database) as server:
        waiting = await server.profile(strategy="check-pre-provisioned")
        await pre_provision(server, waiting, "meter", Credentials("ACCESS_TOKEN", "t"))

        answer = await server.post(waiting.request("meter"))

        assert answer["credentialsValue"] == "t"
        assert [(proposal.name, proposal.existing) for proposal in proposals] == [("meter", True)]
        assert await attributes(server, "meter") == STATE | INTERVAL


@pytest.mark.parametrize(
    ("plugin", "code"),
    [
        (answering(Refuse("not on the list")), "vetoed"),
        (answering(Refuse("not on the list", code="not-on-the-list")), "not-on-the-list"),
        # Only an answer refuses; what a hook raises is its failure.
        (raising(ProvisioningRefused("no", code="my-own-code")), "plugin-error"),
        (raising(ProfileNotProven("no")), "plugin-error"),
        (answering(Refuse("x", code="Not A Code")), "plugin-error"),
        (answering(Change(name="\0")), "plugin-error"),
        (answering(Change(attributes=(Attribute(Scope.SERVER, "provisionState", "x"),))), "plugin-error"),
        (raising(RuntimeError("broken")), "plugin-error"),
        (raising(NotFound("an error of ours that is no refusal")), "plugin-error"),
    ],
)
async def test_a_hook_that_refuses_or_fails_leaves_no_device(tmp_path: Path, plugin: Plugin, code: str) -> None:
    async with with_plugin(tmp_path, plugin) as server:
        demo = await server.profile()

        answer = await server.post(demo.request("meter"))

        assert answer == {"errorMsg": "Failed to provision device!", "status": "FAILURE"}
        assert await server.device("meter") is None
        assert await refusals(server) == [code]
        event = await plugin.observed()
        assert isinstance(event, ProvisioningRefusal)
        assert (event.code, event.device_name, event.profile) == (code, "meter", "demo")


async def test_observers_are_told_of_a_success_without_a_secret(tmp_path: Path) -> None:
    plugin = answering(None)
    async with with_plugin(tmp_path, plugin) as server:
        demo = await server.profile()

        await server.post(demo.request("meter", token="a-token-nobody-may-see"))

        event = await plugin.observed()
        assert isinstance(event, DeviceProvisioned)
        assert (event.device.name, event.how, event.credentials_type) == ("meter", "created", "ACCESS_TOKEN")
        assert "nobody-may-see" not in repr(event)


class FailingStrategy:
    """A strategy of a plugin that raises what a test tells it, at once or later."""

    FIRSTBOOT_API = 1
    name = "failing"

    def __init__(self, error: Exception, *, later: bool) -> None:
        self._error = error
        self._later = later

    def decide(self, name: str | None, request: object, profile: object, devices: object) -> Any:
        if self._later:
            return self._decide_later()
        raise self._error

    async def _decide_later(self) -> None:
        raise self._error

    @hookimpl
    def firstboot_provisioning_strategies(self) -> list[object]:
        return [self]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RuntimeError("broken"), "plugin-error"),
        (NotFound("an error of ours that is no refusal"), "plugin-error"),
        (ProvisioningRefused("pool empty", code="pool-empty"), "pool-empty"),
    ],
)
async def test_a_strategy_that_fails_refuses_the_request(
    tmp_path: Path, error: Exception, code: str, later: bool
) -> None:
    async with with_plugin(tmp_path, FailingStrategy(error, later=later)) as server:
        demo = await server.profile(strategy="failing")

        assert (await server.post(demo.request("meter")))["status"] == "FAILURE"
        assert await refusals(server) == [code]
