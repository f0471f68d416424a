"""What the command line changes, a running server notices within a second (design: one poll is 0.3 s)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.harness import MqttPeer, TestServer, firstboot, login, running

from firstboot.changes import POLL_INTERVAL_S
from firstboot.errors import StartRefused
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Disconnect, Reason

NOTICED_S = 5.0
"""Far more than the poll, for a machine that does other things; what is promised is looked at on its own."""


class Installation:
    """A running server, and the command line as another process on the same data directory."""

    def __init__(self, server: TestServer, tmp_path: Path) -> None:
        self.server = server
        self._env = {"FIRSTBOOT_SERVER__DATA_DIR": str(tmp_path / "data"), "PATH": "/usr/bin:/bin"}

    async def cli(self, *arguments: str) -> str:
        done = await asyncio.to_thread(firstboot, self._env, *arguments)
        return done.stdout

    async def fields(self, *arguments: str) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(await self.cli(*arguments, "--json"))
        return fields

    async def post(self, made: dict[str, Any], name: str) -> str:
        request = {
            "deviceName": name,
            "provisionDeviceKey": made["provision_key"],
            "provisionDeviceSecret": made["provision_secret"],
        }
        status: str = (await self.server.post(request))["status"]
        return status


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Installation]:
    # Failures are not delayed here: the tests ask until the change has been noticed.
    async with running(tmp_path, provisioning={"failure_delay": "0ms"}) as server:
        yield Installation(server, tmp_path)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Ask again and again until something holds; every question is a round trip to the server."""
    deadline = time.monotonic() + NOTICED_S
    while not await holds():
        assert time.monotonic() < deadline, "the running server did not notice"
        await asyncio.sleep(0)


def test_the_poll_leaves_room_within_a_second() -> None:
    assert POLL_INTERVAL_S <= 0.5


async def test_a_new_profile_provisions(site: Installation) -> None:
    made = await site.fields("profile", "create", "demo")

    async def provisions() -> bool:
        return await site.post(made, "m-1") == "SUCCESS"

    await until(provisions)


async def test_a_disabled_profile_refuses_and_an_enabled_one_provisions_again(site: Installation) -> None:
    made = await site.fields("profile", "create", "demo")
    names = iter(range(1_000_000))

    async def answers(status: str) -> None:
        async def does() -> bool:
            return await site.post(made, f"m-{next(names)}") == status

        await until(does)

    await answers("SUCCESS")
    await site.cli("profile", "disable", "demo")
    await answers("FAILURE")
    await site.cli("profile", "enable", "demo")
    await answers("SUCCESS")


async def test_a_rotated_secret_is_valid_and_the_old_one_ends_with_its_grace(site: Installation) -> None:
    """PV-3."""
    old = await site.fields("profile", "create", "demo")
    new = await site.fields("profile", "rotate-secret", "demo", "--grace", "1h")

    async def is_valid() -> bool:
        return await site.post(new, "m-1") == "SUCCESS"

    await until(is_valid)
    assert await site.post(old, "m-2") == "SUCCESS"

    await site.cli("profile", "rotate-secret", "demo", "--grace", "0s")
    names = iter(range(1_000_000))

    async def is_refused() -> bool:
        return await site.post(new, f"n-{next(names)}") == "NOT_FOUND"

    await until(is_refused)
    assert await site.post(old, "m-3") == "NOT_FOUND"


async def test_a_limit_set_later_holds(site: Installation) -> None:
    """PV-3."""
    made = await site.fields("profile", "create", "demo")
    await site.cli("profile", "update", "demo", "--name-pattern", "m-.*")
    numbers = iter(range(1_000_000))

    async def refuses_other_names() -> bool:
        return await site.post(made, f"x-{next(numbers)}") == "FAILURE"

    await until(refuses_other_names)
    assert await site.post(made, "m-1") == "SUCCESS"


async def test_a_device_made_beforehand_logs_in(site: Installation) -> None:
    await site.cli("profile", "create", "demo")
    await site.cli("device", "create", "m-1", "--profile", "demo", "--token", "the-token-of-m-1")

    assert await login(site.server, username="the-token-of-m-1") == 0


async def test_a_deleted_device_is_closed_and_does_not_come_back(site: Installation) -> None:
    await site.cli("profile", "create", "demo")
    await site.cli("device", "create", "m-1", "--profile", "demo", "--token", "the-token-of-m-1")
    peer = await site.server.peer(Connect(5, "m-1", True, 60, username="the-token-of-m-1"))
    assert (await peer.expect(Connack)).reason == 0

    await site.cli("device", "delete", "m-1", "--yes")

    assert (await peer.expect(Disconnect)).reason == Reason.ADMINISTRATIVE_ACTION
    assert await peer.receive() is None
    await peer.close()
    assert await login(site.server, username="the-token-of-m-1") == 5


async def test_a_reopened_device_provisions_once_more(site: Installation) -> None:
    """PV-6."""
    made = await site.fields("profile", "create", "demo")

    async def provisions() -> bool:
        return await site.post(made, "m-1") == "SUCCESS"

    await until(provisions)
    assert await site.post(made, "m-1") == "FAILURE"

    await site.cli("device", "reopen", "m-1")

    assert await site.post(made, "m-1") == "SUCCESS"
    assert await site.post(made, "m-1") == "FAILURE"


async def test_the_server_goes_on_while_its_key_is_replaced_and_a_backup_is_made(
    site: Installation, tmp_path: Path
) -> None:
    """SE-3, SE-11."""
    demo = await site.server.profile()
    answer = await site.server.post(demo.request("m-1"))

    await site.cli("key", "rotate")
    await site.cli("backup", str(tmp_path / "copy.db"))

    assert await login(site.server, username=answer["credentialsValue"]) == 0
    assert (await site.server.post(demo.request("m-2")))["status"] == "SUCCESS"
    assert (await site.cli("audit", "verify")).endswith("the chain is whole\n")


async def test_a_second_server_on_the_data_directory_is_refused_with_the_pid_of_the_first(
    site: Installation, tmp_path: Path
) -> None:
    """OP-5."""
    with pytest.raises(StartRefused, match=f"pid {os.getpid()}"):
        async with running(tmp_path):
            pass

    peer: MqttPeer = await site.server.provision_peer()
    await peer.close()
