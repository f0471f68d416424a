"""HT-2: requests made from the OpenAPI document, good and bad ones, against a running server, as each role.

Every check of schemathesis is on; ``schemathesis.toml`` has the exceptions with their reasons.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest
from tests.integration.admin.world import House, World

from firstboot.scopes import SCOPES

CONFIG = Path(__file__).with_name("schemathesis.toml")
SEED = 3
# Requests for each call. Most are refused before anything happens for those who may do little.
EXAMPLES = {"nobody": 2, "SYS_ADMIN": 4, "TENANT_ADMIN": 12, "CUSTOMER_USER": 4, "API token": 4}
LEFT_OUT = (
    "/api/firstboot/events",  # an answer that does not end
    "/api/auth/logout",  # the others would be asked by nobody then
    "/api/auth/changePassword",
    "/api/firstboot/me/password",
)


async def token_of(world: World, house: House, role: str) -> str | None:
    """Return what the role proves itself with."""
    match role:
        case "SYS_ADMIN":
            return (await world.sys_admin()).headers["x-authorization"]
        case "TENANT_ADMIN":
            return f"Bearer {await world.bearer(house.admin)}"
        case "CUSTOMER_USER":
            return f"Bearer {await world.bearer(house.user)}"
        case "API token":
            return (await world.program(house, *SCOPES)).headers["authorization"]
    return None


def configuration(house: House) -> str:
    """Return the settings, with ids of things that exist: most calls could say only 404 without."""
    values = {name: str(value) for name, value in house.ids().items()}
    values |= {"token": f"{house.mark}-access-token", "scope": "SHARED_SCOPE"}
    lines = [f'"path.{name}" = {json.dumps(value)}' for name, value in values.items()]
    return "\n".join(["[parameters]", *lines, "", CONFIG.read_text()])


@pytest.mark.timeout(240)
@pytest.mark.parametrize("role", EXAMPLES)
async def test_ht_2_the_server_does_what_its_document_says(
    world: World, house: House, tmp_path: Path, role: str
) -> None:
    settings = tmp_path / "schemathesis.toml"
    settings.write_text(configuration(house))
    token = await token_of(world, house, role)
    arguments = [
        "--config-file", str(settings), "run", f"{world.server.url}/api/firstboot/openapi.json",
        "--phases", "fuzzing", "--max-examples", str(EXAMPLES[role]), "--seed", str(SEED), "--no-shrink",
        "--continue-on-failure", "--request-timeout", "20", "--exclude-method", "DELETE",
    ]  # fmt: skip
    for path in LEFT_OUT:
        arguments += ["--exclude-path", path]
    if token is not None:
        arguments += ["--header", f"Authorization: {token}"]

    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "schemathesis.cli", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=tmp_path,
    )  # fmt: skip
    said, _ = await program.communicate()

    assert program.returncode == 0, said.decode()
