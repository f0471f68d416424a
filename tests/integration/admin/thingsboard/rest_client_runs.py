"""Programs on ThingsBoard's own REST client for Python, run beside the tests."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.admin.thingsboard.rest import ADMIN, ADMIN_PASSWORD, Rest


async def run_program(admin: Rest, packages: Path, *program: str) -> str:
    """Run a program with the client in ``packages``; return what it printed. It is told where, and as whom."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *program, admin.server.url, ADMIN, ADMIN_PASSWORD],
            env={**os.environ, "PYTHONPATH": str(packages)},
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip

    done = await asyncio.to_thread(run)
    assert done.returncode == 0, done.stderr
    return done.stdout
