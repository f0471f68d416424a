"""Holding back the answers to claims that are refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from firstboot.errors import ClaimRefused
from firstboot_plugins.admin.operation import Call


@asynccontextmanager
async def held_back(call: Call) -> AsyncIterator[None]:
    """Let a refusal wait for as long as it says; that is no work, and counts as none (threat CM-1)."""
    try:
        yield
    except ClaimRefused as refusal:
        call.free_slot()
        await asyncio.sleep(refusal.delay_s)
        raise
