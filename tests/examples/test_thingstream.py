"""The example of Thingstream's CloudLocate provisions itself at a real server."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, server_process
from tests.integration.clients.live import LiveServer, run_program

EXAMPLE = Path(__file__).parents[2] / "examples" / "thingstream" / "cloudlocate.py"
IMEI = "352656100000001"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("thingstream")


@pytest.fixture(scope="module")
def token(folder: Path) -> str:
    """Return a token that was made before the server was started."""
    (folder / "codes").write_text(IMEI)
    made = firstboot(
        environment(folder), "thingstream", "profile", "create", "trackers-eu",
        "--hardware-codes", str(folder / "codes"), "--json",
    )  # fmt: skip
    text: str = json.loads(made.stdout)["token"]
    return text


@pytest.fixture(scope="module")
def live(token: str, folder: Path) -> Iterator[LiveServer]:
    """Run a server for the example."""
    with server_process(folder) as process:
        yield LiveServer(process, "", "")


async def test_the_tracker_gets_its_credentials_keeps_them_and_logs_in(
    live: LiveServer, token: str, tmp_path: Path
) -> None:
    kept = tmp_path / "thing.json"
    arguments = ("--url", f"http://127.0.0.1:{live.http_port}", "--token", token, "--hardware-id", IMEI)

    first, again = (run_program(EXAMPLE, *arguments, "--name", "t-1", "--file", str(kept)) for _ in range(2))

    told = json.loads(kept.read_text())
    assert f"{told['clientId']} may log in" in first.stdout
    assert "not needed any more" in again.stdout
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    parts = {"client_id": told["clientId"], "username": told["userName"], "password": told["password"].encode()}
    assert await live.login(**parts) == 0


def test_a_tracker_that_is_not_listed_learns_that_asking_again_is_no_use(
    live: LiveServer, token: str, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{live.http_port}"
    arguments = ("--url", url, "--token", token, "--hardware-id", "other", "--file", str(tmp_path / "thing.json"))

    done = run_program(EXAMPLE, *arguments)

    assert "403 Device hardware code not whitelisted" in done.stderr
    assert not (tmp_path / "thing.json").exists()
