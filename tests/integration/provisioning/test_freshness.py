"""A server that was paused does not answer from what it remembers (OP-17)."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import running

from firstboot import changes
from firstboot.storage import UpdateProfile
from firstboot.testing.samples import an_audit_entry


async def never(_follower: changes.ChangeFollower) -> None:
    """Stand for a poll whose turn does not come."""
    await asyncio.Event().wait()


async def test_op_17_a_change_that_the_poll_has_missed_counts_for_the_next_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes.ChangeFollower, "follow", never)
    monkeypatch.setattr(changes, "MAX_AGE_S", 3600.0)
    async with running(tmp_path) as server:
        demo = await server.profile()
        disable = UpdateProfile(profile=replace(demo.profile, enabled=False), audit=an_audit_entry())
        await server.core.storage.write([disable], server.core.keyring.link)  # as another process does
        assert (await server.post(demo.request("before")))["status"] == "SUCCESS"

        monkeypatch.setattr(changes, "MAX_AGE_S", 0.0)  # as if the process had been stopped for a while

        assert (await server.post(demo.request("after")))["status"] == "FAILURE"
        assert await server.device("after") is None
