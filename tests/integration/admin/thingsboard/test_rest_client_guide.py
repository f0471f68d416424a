"""The program for tb-rest-client in the guide to REST."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.doc_pages import DOCS, blocks
from tests.integration.admin.thingsboard.rest import Rest
from tests.integration.admin.thingsboard.rest_client_runs import run_program


async def test_the_program_of_the_guide_runs(sqlite_admin: Rest, rest_client: Callable[[str], Path]) -> None:
    (program,) = blocks(DOCS / "how-to" / "administer-over-rest.md", "python")

    printed = await run_program(sqlite_admin, rest_client("4.4"), "-c", program)

    token, *devices = printed.splitlines()
    assert len(token) == 20
    assert devices == ["heater-21 heaters"]
