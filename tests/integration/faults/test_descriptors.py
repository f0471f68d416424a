"""More peers than descriptors: the server lives, and serves again when they are gone (OP-10)."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx2
import psutil
import pytest
from tests.harness import WAIT_S, environment, firstboot, server_process
from tests.integration.faults.load import make_profile, request

LIMIT = 128


@pytest.fixture
def ports(tmp_path: Path) -> Iterator[tuple[int, int, int]]:
    """Run a server that may open few files; return its pid, MQTT port and HTTP port."""
    make_profile(tmp_path)
    # Without these the limits of connections keep the peers off before the descriptors are used up.
    many = dict.fromkeys(
        ("HTTP__MAX_CONNECTIONS", "HTTP__MAX_IDLE_PER_ADDRESS", "MQTT__MAX_UNAUTHENTICATED",
         "MQTT__MAX_UNAUTHENTICATED_PER_ADDRESS"), "100000",
    )  # fmt: skip
    env = environment(tmp_path, **{f"FIRSTBOOT_{name}": value for name, value in many.items()})
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen(
            ["sh", "-c", f'ulimit -n {LIMIT}; exec "$0" -m firstboot serve', sys.executable], env=env, stderr=log
        )
        try:
            ready = tmp_path / "ready.json"
            deadline = time.monotonic() + WAIT_S
            while not ready.exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.02)
            listeners = json.loads(ready.read_text())["listeners"]
            yield process.pid, listeners["mqtt"]["port"], listeners["http"]["port"]
            process.terminate()
            assert process.wait(30) == 0
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("transport", ["mqtt", "http"])
def test_more_peers_than_descriptors_neither_end_nor_block_the_server(
    tmp_path: Path, ports: tuple[int, int, int], transport: str
) -> None:
    """OP-10: no crash, no loop that burns the processor, a short log, and full service afterwards."""
    pid, mqtt, http = ports
    process = psutil.Process(pid)
    with ExitStack() as peers:
        for _ in range(2 * LIMIT):
            peers.enter_context(socket.create_connection(("127.0.0.1", mqtt if transport == "mqtt" else http), 5))
        used = sum(process.cpu_times()[:2])
        waited_s = 1.0
        time.sleep(waited_s)  # the time over which the processor's use is measured
        assert sum(process.cpu_times()[:2]) - used < 0.5 * waited_s
        assert LIMIT - 10 <= process.num_fds() <= LIMIT
        # The command line is a process of its own and goes on, and so does what it changes.
        assert "demo" in firstboot(environment(tmp_path), "profile", "list").stdout

    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            answer = httpx2.post(f"http://127.0.0.1:{http}/api/v1/provision", json=request("m-1"), timeout=5)
            break
        except httpx2.HTTPError:
            assert time.monotonic() < deadline
    assert answer.json()["status"] == "SUCCESS"
    assert len((tmp_path / "server.log").read_text().splitlines()) < 30
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_the_descriptor_limit_is_raised_as_far_as_allowed(tmp_path: Path) -> None:
    """OP-10."""
    with server_process(tmp_path) as server:
        soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard
