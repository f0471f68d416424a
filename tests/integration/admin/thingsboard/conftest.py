"""Fixtures of the tests of ThingsBoard's REST."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from functools import cache
from pathlib import Path

import pytest
from tests.integration.admin.thingsboard.rest import Rest, administered
from tests.services import not_installed


@pytest.fixture
async def admin(tmp_path: Path, database: str | None) -> AsyncIterator[Rest]:
    """Run a server on each kind of database; return what its administrator calls with."""
    async with administered(tmp_path, database) as rest:
        yield rest


@pytest.fixture
async def sqlite_admin(tmp_path: Path) -> AsyncIterator[Rest]:
    """Run a server on SQLite; return what its administrator calls with."""
    async with administered(tmp_path) as rest:
        yield rest


@pytest.fixture(scope="session")
def rest_client(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return what installs a version of tb-rest-client, once, and gives its folder for PYTHONPATH.

    The versions want different ones of the same packages, so none can be installed beside the tests.
    """

    @cache
    def installed(version: str) -> Path:
        folder = tmp_path_factory.mktemp(f"tb-rest-client-{version}")
        wanted = f"tb-rest-client=={version}"
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        done = subprocess.run(
            [*command, "--target", str(folder), wanted], capture_output=True, text=True, check=False, timeout=120
        )
        if done.returncode:
            not_installed(wanted, f"pip cannot get it: {done.stderr.strip().splitlines()[-1:]}")
        return folder

    return installed
