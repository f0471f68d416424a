"""Many devices that ask at the same time, and what the operator sees of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx2
from tests.harness import Profile, TestServer

from firstboot.devices import DeviceDraft
from firstboot.model import Credentials

Answer = dict[str, Any]


async def ask_all(*asked: tuple[TestServer, Mapping[str, Any]]) -> list[Answer]:
    """Send each request to its server over HTTP, all at the same time; return the answers in order."""
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=100), timeout=30) as client:
        responses = await asyncio.gather(
            *(client.post(f"{server.url}/api/v1/provision", json=request) for server, request in asked)
        )
    assert {response.status_code for response in responses} == {200}
    return [response.json() for response in responses]


def statuses(answers: Iterable[Answer]) -> list[str]:
    return [answer["status"] for answer in answers]


async def refusals(server: TestServer) -> Sequence[str]:
    """Return the codes of the refusals in the audit log, oldest first."""
    return [row.entry.code for row in await server.audit() if row.entry.event == "provisioning-refused"]


async def pre_provision(server: TestServer, profile: Profile, name: str, credentials: Credentials) -> None:
    """Make a device that waits for its first boot."""
    await server.core.devices.create(
        profile.profile, DeviceDraft(name=name, credentials=credentials), actor="test"
    )


async def credentials_of(server: TestServer, name: str) -> Credentials:
    return await server.core.devices.credentials(await server.core.devices.get(1, name))
