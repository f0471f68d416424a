"""A server process with a profile, for programs that are not ours; and running such programs."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.harness import MqttPeer, ServerProcess, environment, firstboot, server_process
from tests.services import not_installed

from firstboot_plugins.transports.mqtt.packets import Connack, Connect

PROGRAMS = Path(__file__).parent
WAIT_S = 60.0
"""How long a program may take; one that does what it should takes a few seconds."""


@dataclass(frozen=True)
class Answered:
    """What the server has answered."""

    status: int
    body: Any


@dataclass(frozen=True)
class LiveServer:
    """A running server, and the profile with which devices provision themselves."""

    process: ServerProcess
    key: str
    secret: str

    @property
    def mqtt_port(self) -> int:
        return self.process.mqtt_port

    @property
    def http_port(self) -> int:
        return self.process.http_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}/api/v1/provision"

    def request(self, name: str | None = None, **more: Any) -> dict[str, Any]:
        """Return a provisioning request in ThingsBoard's JSON."""
        fields = {"provisionDeviceKey": self.key, "provisionDeviceSecret": self.secret, **more}
        return fields if name is None else {"deviceName": name, **fields}

    def post(self, request: Mapping[str, Any], status: int = 200) -> dict[str, Any]:
        """Send a provisioning request over HTTP; return the answer, which must have this status."""
        try:
            with urllib.request.urlopen(self.url, json.dumps(request).encode(), WAIT_S) as response:
                got, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                got, text = error.code, error.read()
        assert got == status, text
        answer: dict[str, Any] = json.loads(text)
        return answer

    def call(self, method: str, path: str, body: Any = None, *, token: str = "") -> Answered:
        """Ask over REST, or as a device over HTTP; the answer may be a refusal."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
        address = f"http://127.0.0.1:{self.http_port}{path}"
        try:
            with urllib.request.urlopen(urllib.request.Request(address, data, headers, method=method)) as response:
                status, text = response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                status, text = error.code, error.read()
        return Answered(status, json.loads(text) if text else None)

    def log_in(self, email: str, password: str) -> str:
        """Return an access token of a person."""
        token: str = self.call("POST", "/api/auth/login", {"username": email, "password": password}).body["token"]
        return token

    def provision(self, name: str, **more: Any) -> Any:
        """Provision a device that is not what the test is about; return its credentials."""
        answer = self.post(self.request(name, **more))
        assert answer["status"] == "SUCCESS", answer
        return answer["credentialsValue"]

    def show(self, name: str) -> dict[str, Any]:
        """Return what the operator sees of a device."""
        done = firstboot(self.process.environment, "device", "show", name, "--show-credentials", "--json")
        fields: dict[str, Any] = json.loads(done.stdout)
        return fields

    async def login(self, *, level: int = 4, client_id: str = "c", **fields: Any) -> int:
        """Log in as a device and leave; return the CONNACK's code."""
        peer = await MqttPeer.open(self.mqtt_port)
        try:
            await peer.connect(Connect(level, client_id, True, 60, **fields))
            return (await peer.expect(Connack)).reason
        finally:
            await peer.close()


@contextmanager
def live_server(tmp_path: Path, *profile: str, **more: str) -> Iterator[LiveServer]:
    """Run a server with a profile; ``profile`` are options for making it, ``more`` goes into the environment."""
    more.setdefault("FIRSTBOOT_PROVISIONING__FAILURES_PER_MINUTE", "100000")
    env = environment(tmp_path, **more)
    # Before the server starts: then it knows the profile from its first moment.
    made = json.loads(firstboot(env, "profile", "create", "demo", "--json", *profile).stdout)
    with server_process(tmp_path, **more) as process:
        yield LiveServer(process, made["provision_key"], made["provision_secret"])


def private_package(directory: Path, distribution: str) -> Path:
    """Install a distribution alone, and return the folder to put before all others.

    paho-mqtt and tb-paho-mqtt-client both install a package ``paho``; in one environment the one that was
    installed last has overwritten the other, and nobody knows which that is. With this each client gets its own.
    """
    wanted = f"{distribution}=={importlib.metadata.version(distribution)}"
    target = directory / wanted
    return target if target.exists() else pip_install(target, wanted)


def pip_install(target: Path, wanted: str, *, alone: bool = True) -> Path:
    """Install a distribution, ``alone`` or with what it needs, into a folder of its own."""
    options = ["--quiet", "--no-compile", *(["--no-deps"] if alone else [])]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), wanted],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    if done.returncode:
        not_installed(wanted, f"pip cannot install it: {done.stderr[-500:]}")
    return target


def run_program(
    program: Path,
    *arguments: str,
    python_path: Path | None = None,
    typed: str = "",
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a Python program to its end; ``typed`` is its standard input."""
    env = dict(os.environ)
    if python_path is not None:
        env["PYTHONPATH"] = os.pathsep.join([str(python_path), *filter(None, [env.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, str(program), *arguments],
        input=typed,
        env=env, cwd=cwd, capture_output=True, text=True, timeout=WAIT_S, check=False,
    )  # fmt: skip


def outcome_of(program: str, python_path: Path, **job: Any) -> dict[str, Any]:
    """Run one of the client programs beside this module, and return what it reports of its client."""
    done = run_program(PROGRAMS / program, python_path=python_path, typed=json.dumps(job))
    if done.returncode:
        pytest.fail(f"{program} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}", pytrace=False)
    outcome: dict[str, Any] = json.loads(done.stdout)
    # Else the test would say something of another client than it claims to.
    assert Path(outcome.pop("paho")).is_relative_to(python_path)
    return outcome
