"""A server as a process, with a plugin that holds requests until the test lets them go."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.harness import WAIT_S

_PLUGIN = """\
import asyncio
from pathlib import Path

from firstboot.hookspecs import hookimpl

FIRSTBOOT_API = 1
HERE = Path(__file__).parent


@hookimpl
async def firstboot_device_provisioning(request, proposal):
    (HERE / f"held-{proposal.name}").touch()
    while not (HERE / "go").exists():
        await asyncio.sleep(0.01)
"""


class Holding:
    """The plugin's side that the test sees."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "holding_plugin.py").write_text(_PLUGIN)
        self.environment = {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")])),
            "FIRSTBOOT_PLUGINS__LOAD": '["holding_plugin"]',
            "FIRSTBOOT_PLUGINS__TIMEOUT": "30s",
        }

    async def wait_until_held(self, device: str) -> None:
        await until((self._folder / f"held-{device}").exists)

    def let_go(self) -> None:
        (self._folder / "go").touch()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what happens in another process."""
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, f"{holds} did not come true in {WAIT_S} s"
        await asyncio.sleep(0.01)


@pytest.fixture
def holding(tmp_path: Path) -> Holding:
    folder = tmp_path / "plugin"
    folder.mkdir()
    return Holding(folder)
