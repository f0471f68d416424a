"""The tutorial, typed in by a machine: each command is run, and says what the page says it does."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.doc_pages import DOCS, blocks
from tests.harness import ServerProcess, server_process
from tests.services import require_tool

PAGE = DOCS / "tutorial" / "first-device.md"
STARTS_ELSEWHERE = ("pip install", "FIRSTBOOT_MQTT__BIND")
"""How commands begin that are not run here: a server with other ports, and an installation."""


def steps() -> Iterator[tuple[str, list[str]]]:
    """Return each command of the page with the lines that it prints."""
    for content in blocks(PAGE, "console"):
        for step in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
            command, *printed = step.splitlines()
            yield command, printed


def masked(line: str) -> str:
    """Take out what differs from one installation and moment to the next."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<moment>", line)
    line = re.sub(r"^\d\d:\d\d:\d\d", "<time>", line)
    return re.sub(r"\b([a-z0-9]{26}|[A-Za-z0-9]{20})\b", "<drawn>", line.rstrip())


def test_each_command_of_the_tutorial_prints_what_the_tutorial_says(tmp_path: Path) -> None:
    for program in ("curl", "mosquitto_pub", "mosquitto_rr"):
        require_tool(program)
    typed = 0
    with server_process(tmp_path, "quickstart") as server:
        shell = _Shell(server, _demo_text(tmp_path / "server.log"))
        for command, printed in steps():
            if command.startswith(STARTS_ELSEWHERE):
                continue
            said = [masked(line) for line in shell.run(command).splitlines()]
            _check(command, said, [masked(line) for line in printed])
            typed += 1
    log = [masked(line) for line in (tmp_path / "server.log").read_text().splitlines()]

    assert typed > 10
    for shown in re.findall(r"^\d\d:\d\d:\d\d [+!<>] .*$", PAGE.read_text("utf-8"), re.MULTILINE):
        assert masked(shown) in log


def _check(command: str, said: list[str], printed: list[str]) -> None:
    """Compare; a line of three dots stands for any lines."""
    pattern = "\n".join(".*" if line == "..." else re.escape(line) for line in printed)
    assert re.fullmatch(pattern, "\n".join(said), re.DOTALL), f"$ {command}\n" + "\n".join(said)


def _demo_text(log: Path) -> str:
    """Wait for what quickstart prints once it is ready."""
    with subprocess.Popen(["tail", "-n", "+1", "-f", str(log)], stdout=subprocess.PIPE, text=True) as tail:
        assert tail.stdout is not None
        lines: list[str] = []
        for line in tail.stdout:
            lines.append(line)
            if line.startswith("Waiting for devices"):
                break
        tail.terminate()
    return "".join(lines)


class _Shell:
    """Runs commands of the page, with the ports, the key, the secret and the token of this server."""

    def __init__(self, server: ServerProcess, demo_text: str) -> None:
        self._server = server
        (self._key,) = re.findall(r"provision key +(\w+)", demo_text)
        (self._secret,) = re.findall(r"provision secret +(\w+)", demo_text)
        self._token = ""

    def run(self, command: str) -> str:
        command = command.replace(":8080/", f":{self._server.http_port}/")
        command = command.replace("-p 1883", f"-p {self._server.mqtt_port}")
        command = command.replace("device_name=", f"port={self._server.mqtt_port}, device_name=")
        command = command.replace("ha8gWMlHJZrK12laA68z", self._token)
        command = re.sub(r"^python3 ", f"{sys.executable} ", command)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            env={**self._server.environment, "PATH": path, "KEY": self._key, "SECRET": self._secret},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=60,
            check=False,
        )
        self._token = self._token or re.findall(r'"credentialsValue":"(\w+)"', done.stdout)[0]
        return done.stdout
