"""The program for tb-rest-client in the guide to REST."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.doc_pages import DOCS, blocks
from tests.integration.admin.thingsboard.rest import ADMIN, ADMIN_PASSWORD, Rest


async def test_the_program_of_the_guide_runs(sqlite_admin: Rest, rest_client: Callable[[str], Path]) -> None:
    (program,) = blocks(DOCS / "how-to" / "administer-over-rest.md", "python")
    packages = rest_client("4.4")

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", program, sqlite_admin.server.url, ADMIN, ADMIN_PASSWORD],
            env={**os.environ, "PYTHONPATH": str(packages)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = await asyncio.to_thread(run)

    token, *devices = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert len(token) == 20
    assert devices == ["heater-21 heaters"]
