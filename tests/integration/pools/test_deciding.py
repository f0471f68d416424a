"""Plugins that decide about what a pool gives, and what is left when they refuse."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.harness import REQUEST_TOPIC, WAIT_S, login, running
from tests.integration.pools.pool import MANY_FAILURES, Pool
from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.hookspecs import Answer, Change, Refuse, hookimpl
from firstboot.model import Attribute, DeviceProposal, ProfileLimits, ProvisioningRequest, ReprovisionPolicy, Scope
from firstboot_plugins.transports.mqtt.packets import Publish

Decide = Callable[[ProvisioningRequest, DeviceProposal], Awaitable[Answer]]
REFUSAL = Refuse("because", "not-today")


class Plugin:
    """Decides as a test says."""

    FIRSTBOOT_API = 1

    def __init__(self, decide: Decide) -> None:
        self._decide = decide

    @hookimpl
    async def firstboot_device_provisioning(
        self, request: ProvisioningRequest, proposal: DeviceProposal
    ) -> Answer:
        return await self._decide(request, proposal)


class Judge:
    """Refuses hardware that is on a list."""

    def __init__(self, *refused: str) -> None:
        self.refused = set(refused)
        self.proposals: list[DeviceProposal] = []

    async def __call__(self, request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        self.proposals.append(proposal)
        return REFUSAL if request.device_name in self.refused else None


class Hesitant:
    """Lets everything be, but not before a test says so."""

    def __init__(self, hardware_id: str) -> None:
        self._hardware_id = hardware_id
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        if request.device_name == self._hardware_id:
            self.asked.set()
            await self.go_on.wait()
        return None


async def test_what_is_refused_leaves_the_member_as_it_was(tmp_path: Path, database: str | None) -> None:
    judge = Judge("bad")
    async with running(
        tmp_path, database=database, plugins={"p": Plugin(judge)}, provisioning=MANY_FAILURES
    ) as server:
        pool = await Pool.make(server, 1)
        before = await server.device("m-1")
        assert before is not None

        assert (await pool.ask("bad"))["status"] == "FAILURE"

        assert [(each.name, each.existing) for each in judge.proposals] == [("m-1", True)]
        after = await server.device("m-1")
        assert after is not None
        assert (after.enabled, after.hardware_id, after.provision_state) == (False, None, None)
        assert await pool.ready() == 1
        assert (await pool.ask("good"))["status"] == "SUCCESS"
        assert await pool.codes() == ["not-today"]
        (released,) = [row.entry for row in await server.audit() if row.entry.event == "pool-member-released"]
        assert (released.actor, released.detail) == ("server", "not-today")


async def test_a_refusal_takes_nothing_from_a_hardware_that_has_its_device(tmp_path: Path) -> None:
    judge = Judge()
    async with running(tmp_path, plugins={"p": Plugin(judge)}, provisioning=MANY_FAILURES) as server:
        pool = await Pool.make(server, 2)
        token = (await pool.ask("AABBCC"))["credentialsValue"]
        judge.refused.add("AABBCC")

        assert (await pool.ask("AABBCC"))["status"] == "FAILURE"

        assert await pool.name_of("AABBCC") == "m-1"
        assert await login(server, username=token) == 0


async def test_what_the_first_holder_has_opens_nothing_once_the_device_is_refused_to_the_next(
    tmp_path: Path,
) -> None:
    clock, judge = FakeClock(), Judge("bad")
    async with running(
        tmp_path, clock=clock.clock, plugins={"p": Plugin(judge)}, provisioning=MANY_FAILURES
    ) as server:
        pool = await Pool.make(server, 1, lease=60)
        token = (await pool.ask("one"))["credentialsValue"]
        clock.advance(61)

        assert (await pool.ask("bad"))["status"] == "FAILURE"

        assert await login(server, username=token) != 0
        assert await pool.ready() == 1
        fresh = (await pool.ask("one"))["credentialsValue"]
        assert await login(server, username=token) != 0
        assert await login(server, username=fresh) == 0


async def test_between_holders_a_device_opens_for_neither(tmp_path: Path) -> None:
    """The first one has what opens it, and the second one waits for a plugin: the first must not get in."""
    clock, hesitant = FakeClock(), Hesitant("two")
    async with running(
        tmp_path, clock=clock.clock, plugins={"p": Plugin(hesitant)}, provisioning=MANY_FAILURES
    ) as server:
        pool = await Pool.make(server, 1, lease=60)
        first = (await pool.ask("one"))["credentialsValue"]
        clock.advance(61)
        asking = asyncio.create_task(pool.ask("two"))
        async with asyncio.timeout(WAIT_S):
            await hesitant.asked.wait()

        assert await login(server, username=first) != 0
        hesitant.go_on.set()
        second = (await asking)["credentialsValue"]

        assert await login(server, username=second) == 0
        assert await login(server, username=first) != 0
        assert await pool.name_of("two") == "m-1"


async def test_who_is_too_slow_does_not_take_the_device_from_the_next(tmp_path: Path) -> None:
    """A plugin takes longer than the lease: the device has gone to another hardware meanwhile."""
    clock, hesitant = FakeClock(), Hesitant("slow")
    async with running(
        tmp_path, clock=clock.clock, plugins={"p": Plugin(hesitant)}, provisioning=MANY_FAILURES
    ) as server:
        pool = await Pool.make(server, 1, lease=60)
        asking = asyncio.create_task(pool.ask("slow"))
        async with asyncio.timeout(WAIT_S):
            await hesitant.asked.wait()
        clock.advance(61)
        token = (await pool.ask("fast"))["credentialsValue"]
        hesitant.go_on.set()

        assert (await asking)["status"] == "FAILURE"

        assert await pool.name_of("fast") == "m-1"
        assert await login(server, username=token) == 0
        assert await pool.codes() == ["pool-empty"]


async def test_a_request_whose_asker_is_gone_does_not_void_what_the_next_one_gets(
    tmp_path: Path, database: str | None
) -> None:
    """CL-12.4: the connection is cut while the request is under way, and the hardware asks again at once."""
    hesitant = Hesitant("AABBCC")
    async with running(
        tmp_path, database=database, plugins={"p": Plugin(hesitant)}, provisioning=MANY_FAILURES
    ) as server:
        pool = await Pool.make(server, 2)
        peer = await server.provision_peer()
        await peer.send(Publish(REQUEST_TOPIC, json.dumps(pool.profile.request("AABBCC")).encode()))
        async with asyncio.timeout(WAIT_S):
            await hesitant.asked.wait()
        await peer.close()
        again = asyncio.create_task(pool.ask("AABBCC"))
        hesitant.go_on.set()

        answer = await again

        assert await pool.name_of("AABBCC") == "m-1"
        assert await pool.ready() == 1
        assert await login(server, username=answer["credentialsValue"]) == 0


async def test_attributes_of_a_plugin_are_the_devices(tmp_path: Path) -> None:
    async def decide(request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        return Change(attributes=(Attribute(Scope.SHARED, "batch", 7),))

    async with running(tmp_path, plugins={"p": Plugin(decide)}) as server:
        pool = await Pool.make(server, 1)
        await pool.ask("AABBCC")

        stored = await server.core.storage.device_attributes((await pool.device_of("AABBCC")).id, Scope.SHARED)

        assert [(each.key, each.value) for each in stored] == [("batch", 7)]


async def test_a_plugin_that_names_new_devices_alike_gets_one_of_them(tmp_path: Path) -> None:
    async def decide(request: ProvisioningRequest, proposal: DeviceProposal) -> Answer:
        return Change(name="always-this")

    async with running(tmp_path, plugins={"p": Plugin(decide)}, provisioning=MANY_FAILURES) as server:
        limits = ProfileLimits(name_pattern="always-this|m-[0-9]+|one|two")
        pool = await Pool.make(server, fields={"limits": limits}, on_empty="create", id_pattern="m-{seq}")

        answers = [(await pool.ask(hardware_id))["status"] for hardware_id in ("one", "two")]

        assert answers == ["SUCCESS", "FAILURE"]
        assert await pool.name_of("one") == "always-this"
        assert await pool.codes() == ["name-taken"]


async def test_two_that_ask_for_new_devices_under_one_name_never_share_one(tmp_path: Path) -> None:
    """Policy `retry` answers the same request again: hardware that says no name of its own would be the same."""
    async with running(tmp_path, provisioning=MANY_FAILURES) as server:
        pool = await Pool.make(
            server, fields={"reprovision": ReprovisionPolicy.RETRY}, on_empty="create", id_pattern="m-{seq}"
        )
        other = await server.profile("other")
        await server.post(other.request("m-1"))

        await asyncio.gather(*(pool.ask(f"hw-{number}") for number in range(10)))

        assert len({member.hardware_id for member in await pool.members()}) == 10
