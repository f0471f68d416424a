"""The tutorials and guides, typed in by a machine: each command says what the page says that it does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.doc_pages import DOCS
from tests.harness import ServerProcess, server_process
from tests.integration.typed import Terminal, wait_for_line
from tests.services import require_tool

PAGES = (
    "tutorial/first-device",
    "tutorial/a-value-on-the-dashboard",
    "tutorial/sell-a-device",
    "how-to/administer-over-rest",
    "how-to/claim-devices",
    "how-to/claim-gateways",
    "how-to/import-and-labels",
    "how-to/publish-and-subscribe",
)
STARTS_ELSEWHERE = ("sh quickstart.sh", "pip install", "export PATH", "KEY=p", "SECRET=b", "FIRSTBOOT_")
"""How commands begin that are not run here: a server, an installation, and what the server has printed."""
SETTING = re.compile(r"(FIRSTBOOT_\w+)='([^']*)'")
"""With what a page starts its server."""
SEEN_ELSEWHERE = re.compile(r"(\d\d:\d\d:\d\d [+!<>] |\$firstboot/|v1/|devices/|event: |data: |\{)")
"""How lines begin that the server prints, or a command that runs in the background."""


class Step(NamedTuple):
    """A command of a page and what it prints, or (without a command) what is seen elsewhere meanwhile."""

    command: str
    printed: list[str]


def steps(page: str) -> Iterator[Step]:
    """Return the steps of a page in their order."""
    text = (DOCS / f"{page}.md").read_text("utf-8")
    for language, content in re.findall(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        if language == "sh":
            yield from (Step(line, []) for line in content.splitlines())
        elif language == "console":
            for step in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
                command, *printed = step.splitlines()
                yield Step(command, printed)
        else:
            seen = [line for line in content.splitlines() if SEEN_ELSEWHERE.match(line)]
            yield Step("", seen)


def masked(line: str) -> str:
    """Take out what differs from one installation and moment to the next."""
    line = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<moment>", line)
    line = re.sub(r"^\d\d:\d\d:\d\d", "<time>", line)
    line = re.sub(r"\b\d{13}\b", "<ms>", line)
    line = re.sub(r"http://127.0.0.1:\d+", "<server>", line)
    line = re.sub(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<id>", line)
    return re.sub(r"\b([a-z0-9]{26}|[A-Za-z0-9]{20}|[0-9A-HJKMNP-TV-Z]{16})\b", "<drawn>", line.rstrip())


@pytest.mark.parametrize("page", PAGES)
def test_each_command_of_a_page_prints_what_the_page_says(tmp_path: Path, page: str) -> None:
    for program in ("curl", "mosquitto_pub", "mosquitto_rr", "mosquitto_sub", "stdbuf", "coap-client-notls"):
        require_tool(program)
    typed = 0
    settings = dict(SETTING.findall((DOCS / f"{page}.md").read_text("utf-8")))
    with reader(tmp_path, **settings) as user:
        for command, printed in steps(page):
            if not command:
                for line in printed:
                    user.see(line)
            elif not command.startswith(STARTS_ELSEWHERE):
                said = [masked(line) for line in user.run(command).splitlines()]
                _check(command, said, [masked(line) for line in printed])
                typed += 1

    assert typed > 5


def _check(command: str, said: list[str], printed: list[str]) -> None:
    """Compare; a line of three dots stands for any lines."""
    pattern = "\n".join(".*" if line == "..." else re.escape(line) for line in printed)
    assert re.fullmatch(pattern, "\n".join(said), re.DOTALL), f"$ {command}\n" + "\n".join(said)


@contextmanager
def reader(tmp_path: Path, **settings: str) -> Iterator[Reader]:
    """Start the server of a tutorial, and a terminal to type in."""
    with server_process(tmp_path, "quickstart", **settings) as server:
        log = tmp_path / "server.log"
        demo = wait_for_line([log], lambda line: line.startswith("Waiting for devices"))
        (key,) = re.findall(r"provision key +(\w+)", demo)
        (secret,) = re.findall(r"provision secret +(\w+)", demo)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        more = {"PATH": path, "KEY": key, "SECRET": secret}
        with Terminal(tmp_path, {**server.environment, **more}) as terminal:
            yield Reader(server, terminal, log)


class Reader:
    """Types what a page says, with the ports and the token of this server."""

    def __init__(self, server: ServerProcess, terminal: Terminal, log: Path) -> None:
        self._server = server
        self._terminal = terminal
        self._log = log
        self._token = ""

    def run(self, command: str) -> str:
        """Return what a command prints; nothing for one that goes on in the background."""
        command = command.replace(":8080", f":{self._server.http_port}")
        command = command.replace(":5683", f":{self._server.listeners['coap']['port']}")
        command = command.replace("-p 1883", f"-p {self._server.mqtt_port}")
        command = command.replace("device_name=", f"port={self._server.mqtt_port}, device_name=")
        command = command.replace("firstboot-data/", f"{self._server.environment['FIRSTBOOT_SERVER__DATA_DIR']}/")
        command = command.replace("ha8gWMlHJZrK12laA68z", self._token)
        command = re.sub(r"^python3 ", f"{sys.executable} ", command)
        if command.endswith(" &"):
            self._terminal.start(command.removesuffix(" &"))
            return ""
        printed = self._terminal.run(command)
        drawn = re.findall(r'"credentialsValue":"(\w+)"', printed)
        self._token = self._token or (drawn[0] if drawn else "")
        return printed

    def see(self, line: str) -> None:
        """Wait until the server, or a command in the background, has printed a line."""
        shown = masked(line)
        wait_for_line([self._log, *self._terminal.outputs], lambda printed: masked(printed) == shown)
