"""The examples of thinger.io's API over HTTP provision themselves at a real server."""

from __future__ import annotations

import json
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, server_process
from tests.integration.clients.live import LiveServer, run_program

EXAMPLES = Path(__file__).parents[2] / "examples" / "thinger"


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a token that was made before the server was started."""
    directory = tmp_path_factory.getbasetemp() / "thinger"
    directory.mkdir()
    made = firstboot(
        environment(directory), "thinger", "token", "create", "examples", "--preset", "full", "--json"
    )
    text: str = json.loads(made.stdout)["access_token"]
    return text


@pytest.fixture(scope="module")
def live(token: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """Run a server for these examples."""
    with server_process(tmp_path_factory.getbasetemp() / "thinger") as process:
        yield LiveServer(process, "", "")


def run(live: LiveServer, token: str, example: str, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--port", str(live.http_port), "--user", "default", "--token", token, *more]
    return run_program(EXAMPLES / example, *arguments)


async def logs_in(live: LiveServer, device: str, password: str) -> bool:
    return await live.login(client_id=device, username="default", password=password.encode()) == 0


async def test_the_sketch_creates_its_device_and_finds_it_the_next_time(live: LiveServer, token: str) -> None:
    wanted = ("--device", "sketch-1", "--credentials", "a credential", "--asset-group", "lab")

    first, second = (run(live, token, "sketch.py", *wanted) for _ in range(2))

    assert (first.stdout, second.stdout) == (
        "The device sketch-1 was created.\n",
        "The device sketch-1 exists already.\n",
    )
    assert await logs_in(live, "sketch-1", "a credential")


def test_the_sketch_says_when_its_device_was_not_created(live: LiveServer) -> None:
    refused = run(live, "no-such-token", "sketch.py", "--device", "sketch-2", "--credentials", "a credential")

    assert refused.returncode == 1
    assert refused.stderr == "The device sketch-2 was not created.\n"


async def test_ensure_makes_the_device_and_may_be_run_at_every_boot(
    live: LiveServer, token: str, tmp_path: Path
) -> None:
    wanted = ("--device", "ensure-1", "--bucket", "telemetry", "--file", str(tmp_path / "credential"))

    first, second = (run(live, token, "ensure.py", *wanted).stdout.splitlines() for _ in range(2))

    assert first[:2] == ["The device ensure-1: created.", "The bucket ensure-1_telemetry: created."]
    assert second[:2] == ["The device ensure-1: exists.", "The bucket ensure-1_telemetry: exists."]
    assert first[2] == second[2]
    assert stat.S_IMODE((tmp_path / "credential").stat().st_mode) == 0o600
    assert await logs_in(live, "ensure-1", (tmp_path / "credential").read_text())


async def test_ensure_replaces_a_credential_that_was_lost(live: LiveServer, token: str, tmp_path: Path) -> None:
    run(live, token, "ensure.py", "--device", "ensure-2", "--file", str(tmp_path / "lost"))
    wanted = ("--device", "ensure-2", "--file", str(tmp_path / "new"))

    refused = run(live, token, "ensure.py", *wanted)
    replaced = run(live, token, "ensure.py", *wanted, "--replace")

    assert refused.stderr == "Refused: 409, credentials mismatch.\n"
    assert replaced.stdout.startswith("The device ensure-2: updated.\n")
    assert await logs_in(live, "ensure-2", (tmp_path / "new").read_text())
