"""Live events over REST: who sees what, and what ends a stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import login
from tests.integration.admin.world import House, World, world_of

from firstboot.model import Authority
from firstboot_plugins.admin.own import event_stream

EVENTS = "/api/firstboot/events"
WAIT_S = 10


class Stream:
    """The lines of an open stream."""

    def __init__(self, answer: httpx2.Response) -> None:
        self.answer = answer
        self._lines = answer.aiter_lines()

    async def line(self) -> str:
        async with asyncio.timeout(WAIT_S):
            return await anext(self._lines)

    async def event(self) -> tuple[str, dict[str, Any]]:
        """Return kind and data of the next event."""
        fields: dict[str, str] = {}
        while line := await self.line():
            name, _, value = line.partition(": ")
            fields[name] = value
        if "event" not in fields:  # a comment
            return await self.event()
        return fields["event"], json.loads(fields["data"])

    async def expect_end(self) -> None:
        async with asyncio.timeout(WAIT_S):
            async for _ in self._lines:
                pass


@asynccontextmanager
async def watching(client: httpx2.AsyncClient, **query: str) -> AsyncIterator[Stream]:
    """Open a stream; it is subscribed when this yields."""
    async with client.stream("GET", EVENTS, params=query) as answer:
        assert answer.status_code == 200, (await answer.aread()).decode()
        stream = Stream(answer)
        assert await stream.line() == ": connected"
        assert await stream.line() == ""
        yield stream


async def connect(world: World, house: House) -> None:
    assert await login(world.server, username=f"{house.mark}-access-token") == 0


async def test_an_administrator_sees_what_happens_in_his_tenant_and_nothing_else(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    other = await world.house("baboon")

    async with watching(admin) as stream:
        await connect(world, other)
        await connect(world, house)
        kind, data = await stream.event()

    assert kind == "device-connected"
    assert (data["device"], data["deviceId"]) == (house.device.name, str(house.device.public_id))
    assert isinstance(data["atMs"], int)
    assert stream.answer.headers["content-type"].startswith("text/event-stream")
    assert stream.answer.headers["cache-control"] == "no-store"


async def test_only_the_kinds_that_were_asked_for_come(
    world: World, house: House, admin: httpx2.AsyncClient
) -> None:
    async with watching(admin, kinds="device-disconnected,credentials-changed") as stream:
        await connect(world, house)
        kind, _ = await stream.event()

    assert kind == "device-disconnected"


async def test_an_unknown_kind_is_refused_with_those_that_there_are(admin: httpx2.AsyncClient) -> None:
    answer = await admin.get(EVENTS, params={"kinds": "device-connected,party"})

    assert answer.status_code == 400
    assert "device-provisioned" in answer.json()["detail"]


async def test_tn_3_what_belongs_to_no_tenant_is_for_the_installation_s_administrator(world: World) -> None:
    tenant = await world.server.core.tenant("default")
    admin = await world.person(await world.user("admin@example.com", Authority.TENANT_ADMIN, tenant))
    root = await world.sys_admin()
    demo = await world.server.profile("demo")

    async with watching(root) as theirs, watching(admin) as ours:
        await world.server.post({**demo.request("m"), "provisionDeviceKey": "unknown"})
        await world.server.post({**demo.request("m"), "provisionDeviceSecret": "wrong-wrong-wrong"})
        _, unknown = await theirs.event()
        _, wrong = await ours.event()

    assert (unknown["code"], wrong["code"]) == ("unknown-key", "wrong-secret")


async def test_a_program_needs_the_scope_of_values_to_see_them(world: World, house: House) -> None:
    watcher = await world.program(house, "events")
    reader = await world.program(house, "events", "telemetry:read", name="reader")
    telemetry = f"/api/v1/{house.mark}-access-token/telemetry"

    refused = await watcher.get(EVENTS, params={"kinds": "telemetry"})
    async with watching(watcher) as blind, watching(reader) as seeing:
        assert (await world.nobody.post(telemetry, json={"t": 1})).status_code == 200
        kind, data = await seeing.event()
        await connect(world, house)
        first, _ = await blind.event()

    assert refused.status_code == 403
    assert (kind, data["points"][0]["values"]) == ("telemetry", {"t": 1})
    assert first == "device-connected"


async def test_a_silent_stream_says_now_and_then_that_it_lives(
    admin: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "HEARTBEAT_S", 0.01)

    async with watching(admin) as stream:
        assert await stream.line() == ":"


async def _log_out(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    assert (await admin.post("/api/auth/logout")).status_code == 200


async def _disable(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    await world.services.users.disable(house.admin, actor="test")


async def _delete(world: World, house: House, admin: httpx2.AsyncClient) -> None:
    await world.services.users.delete(house.admin, actor="test")


@pytest.mark.parametrize("lose", [_log_out, _disable, _delete])
async def test_lg_7_a_stream_ends_when_its_owner_loses_his_rights(
    world: World,
    house: House,
    admin: httpx2.AsyncClient,
    lose: Callable[[World, House, httpx2.AsyncClient], Awaitable[None]],
) -> None:
    async with watching(admin) as stream:
        await lose(world, house, admin)

        await stream.expect_end()

    assert len(world.services.sessions) == 0


async def test_lg_9_a_stream_ends_with_its_token(world: World, house: House) -> None:
    program = await world.program(house, "events")
    token = await world.services.api_tokens.by_name(house.tenant.id, "program")

    async with watching(program) as stream:
        await world.services.api_tokens.revoke(token, actor="test")

        await stream.expect_end()


async def test_streams_are_bounded_for_each_owner_and_counted_back_when_they_end(tmp_path: Path) -> None:
    async with world_of(tmp_path, http={"max_event_streams": 1}) as world:
        house = await world.house("aardvark")
        admin = await world.person(house.admin)
        other = await world.program(house, "events")

        async with watching(admin) as stream:
            refused = await admin.get(EVENTS)
            async with watching(other):
                pass
            await _log_out(world, house, admin)
            await stream.expect_end()
        async with watching(await world.person(house.admin)):
            pass

    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-requests")


async def test_op_2_a_stopping_server_ends_its_streams(tmp_path: Path) -> None:
    async with asyncio.timeout(WAIT_S), world_of(tmp_path) as world:
        house = await world.house("aardvark")
        client = await world.person(house.admin)
        opened = asyncio.Event()

        async def watch() -> None:
            async with watching(client) as stream:
                opened.set()
                await stream.expect_end()

        watcher = asyncio.create_task(watch())
        await opened.wait()
        await world.stop()
        await watcher


async def test_a_stream_takes_no_place_among_the_requests_under_way(tmp_path: Path) -> None:
    async with world_of(tmp_path, http={"max_in_flight": 1}) as world:
        house = await world.house("aardvark")
        admin = await world.person(house.admin)

        async with watching(admin):
            answer = await admin.get("/api/firstboot/me")

    assert answer.status_code == 200


async def test_a_reader_that_reads_nothing_is_dropped(
    world: World, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "SEND_S", 0.2)
    monkeypatch.setattr(event_stream, "WATCH_S", 0.2)
    token = await world.bearer(house.admin)
    reader, writer = await asyncio.open_connection("127.0.0.1", world.server.http_port, limit=1024)
    writer.write(f"GET {EVENTS} HTTP/1.1\r\nhost: test\r\nx-authorization: Bearer {token}\r\n\r\n".encode())
    await reader.readuntil(b": connected\n\n")
    reader._transport.pause_reading()  # type: ignore[attr-defined]

    telemetry = f"/api/v1/{house.mark}-access-token/telemetry"
    async with asyncio.timeout(60):
        while len(world.services.sessions):
            answer = await world.nobody.post(telemetry, json={"t": "x" * 60_000})
            assert answer.status_code == 200

    writer.transport.abort()
