"""A pool on a running server, and hardware that asks for its devices in ThingsBoard's words."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import aiocoap
import httpx2
from tests.harness import WAIT_S, Profile, TestServer

from firstboot.credentials import nobodys_credentials
from firstboot.devices import DeviceDraft
from firstboot.model import Device, PoolMember
from firstboot.pool_names import read_pattern
from firstboot_plugins.strategies.pool_options import POOL, STRATEGY, PoolOptions

MANY_FAILURES = {"failures_per_minute": 100_000}
"""Section ``[provisioning]`` of a server that holds no answer back."""

Answer = dict[str, Any]


class Pool:
    """A pool as its operator and its hardware see it."""

    def __init__(self, server: TestServer, profile: Profile) -> None:
        self.server = server
        self.profile = profile

    @classmethod
    async def make(
        cls, server: TestServer, size: int = 0, *, name: str = "meters", fields: Any = None, **options: Any
    ) -> Pool:
        """Make a pool of ``size`` members m-1, m-2, ...; ``fields`` are those of its profile."""
        details = {POOL: PoolOptions.read(options).told()}
        pool = cls(server, await server.profile(name, strategy=STRATEGY, details=details, **(fields or {})))
        if size:
            made = await server.services.pools.fill_by_pattern(
                pool.profile.profile, read_pattern("m-{seq}"), size, actor="test"
            )
            assert all(isinstance(each, Device) for each in made)
        return pool

    def at(self, server: TestServer) -> Pool:
        """Return the same pool at another server."""
        return Pool(server, self.profile)

    async def add(self, *names: str) -> None:
        """Add members."""
        await self._fill([(name, None) for name in names])

    async def reserve(self, name: str, hardware_id: str) -> None:
        """Add a member for one hardware."""
        await self._fill([(name, hardware_id)])

    async def _fill(self, wanted: Sequence[tuple[str, str | None]]) -> None:
        drafts = [
            (DeviceDraft(name=name, credentials=nobodys_credentials()), hardware_id)
            for name, hardware_id in wanted
        ]
        made = await self.server.services.pools.fill(self.profile.profile, drafts, actor="test")
        assert all(isinstance(each, Device) for each in made)

    async def change(self, **options: Any) -> None:
        """Change options of the pool."""
        profile = await self.server.core.profiles.get(1, self.profile.profile.name)
        told = PoolOptions.read({**profile.details[POOL], **options}).told()
        await self.server.core.profiles.update(replace(profile, details={POOL: told}), actor="test")
        await self.server.services.provisioning.reload_profiles()

    async def ask(self, hardware_id: str | None, **wanted: Any) -> Answer:
        """Ask for a device over HTTP."""
        return await self.server.post(self.profile.request(hardware_id, **wanted))

    async def ask_over_coap(self, hardware_id: str, **wanted: Any) -> Answer:
        """Ask for a device over CoAP, with a client that fetches long answers block by block."""
        client = await aiocoap.Context.create_client_context(transports=["simple6"])
        try:
            uri = f"coap://127.0.0.1:{self.server.coap_port}/api/v1/provision"
            payload = json.dumps(self.profile.request(hardware_id, **wanted)).encode()
            message = aiocoap.Message(code=aiocoap.POST, uri=uri, payload=payload)
            async with asyncio.timeout(WAIT_S):
                answer = await client.request(message).response
        finally:
            await client.shutdown()
        told: Answer = json.loads(answer.payload)
        return told

    async def members(self) -> Sequence[PoolMember]:
        return await self.server.services.pools.members(self.profile.profile, limit=1000)

    async def ready(self) -> int:
        return await self.server.services.pools.ready(self.profile.profile)

    async def holder_of(self, name: str) -> str | None:
        """Return which hardware has a member."""
        return {member.device_name: member.hardware_id for member in await self.members()}[name]

    async def device_of(self, hardware_id: str) -> Device:
        """Return the device that a hardware has: exactly one."""
        (name,) = [each.device_name for each in await self.members() if each.hardware_id == hardware_id]
        device = await self.server.device(name)
        assert device is not None
        return device

    async def name_of(self, hardware_id: str) -> str:
        """Return the name of the device that a hardware has."""
        return (await self.device_of(hardware_id)).name

    async def codes(self) -> list[str]:
        """Return the codes of refusals, oldest first."""
        rows = await self.server.audit()
        return [row.entry.code or "" for row in rows if row.entry.event == "provisioning-refused"]


async def ask_all(*asked: tuple[Pool, str]) -> list[Answer]:
    """Let each hardware ask its pool over HTTP, all at the same time; return the answers in order."""
    async with httpx2.AsyncClient(limits=httpx2.Limits(max_connections=100), timeout=30) as client:
        responses = await asyncio.gather(
            *(
                client.post(f"{pool.server.url}/api/v1/provision", json=pool.profile.request(hardware_id))
                for pool, hardware_id in asked
            )
        )
    return [response.json() for response in responses]


def tokens(answers: Sequence[Answer]) -> list[str]:
    """Return the access tokens of those who got a device."""
    return [answer["credentialsValue"] for answer in answers if answer["status"] == "SUCCESS"]
