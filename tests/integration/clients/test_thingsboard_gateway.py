"""ThingsBoard's IoT gateway starts against Firstboot as it is delivered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.harness import firstboot
from tests.integration.clients.live import PROGRAMS, LiveServer, pip_install

GATEWAY = "thingsboard-gateway==3.8.5"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pip_install(tmp_path_factory.mktemp("gateway"), GATEWAY, alone=False)


def attributes(live: LiveServer, name: str) -> dict[str, object]:
    done = firstboot(live.process.environment, "device", "attributes", name, "--json")
    return {row["key"]: row["value"] for row in json.loads(done.stdout)}


def test_da_3_da_4_the_gateway_connects_and_reports_itself(
    live: LiveServer, gateway: Path, tmp_path: Path
) -> None:
    """It counts as connected only when its subscriptions and its question for the limits were answered."""
    token = live.provision("gateway-1", gateway=True)
    command = [sys.executable, str(PROGRAMS / "gateway_program.py"), str(live.mqtt_port), token]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(gateway), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        log: list[str] = []
        for line in process.stdout:
            log.append(line)
            if "Gateway started." in line:
                break
        said = "".join(log)
        assert "Service configuration was successfully retrieved and applied" in said, said
        assert "'maxInflightMessages'" in said or "rateLimits" in said, said
        while "Version" not in attributes(live, "gateway-1"):
            assert process.poll() is None, "the gateway has ended"
        assert attributes(live, "gateway-1")["Version"] == GATEWAY.partition("==")[2]
    finally:
        process.kill()
        process.communicate()
