"""``firstboot quickstart``: what a newcomer copies from the terminal works (issue: the main job)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from tests.harness import WAIT_S, environment, firstboot
from tests.services import require_tool


class Terminal:
    """A quickstart with its output read line by line, as a person would."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""
        self._grown = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._grown:
                self.text += line
                self._grown.notify_all()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in what was printed so far, waiting for it."""
        deadline = time.monotonic() + WAIT_S
        with self._grown:
            while (match := re.search(pattern, self.text, re.MULTILINE)) is None:
                left = deadline - time.monotonic()
                assert left > 0, f"{pattern} is not in {self.text}"
                self._grown.wait(left)
        return match

    def command(self, start: str) -> str:
        """Return a command from the output, with its continued lines."""
        return self.wait_for(rf"^  {start}(?:.*\\\n)*.*$")[0].strip()

    def end(self) -> int:
        self.process.send_signal(signal.SIGINT)
        status = self.process.wait(30)
        self._reader.join()
        return status


@contextmanager
def quickstart(tmp_path: Path) -> Iterator[Terminal]:
    process = subprocess.Popen(
        [sys.executable, "-m", "firstboot", "quickstart"],
        env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    terminal = Terminal(process)
    try:
        terminal.wait_for("^Waiting for devices")
        yield terminal
    finally:
        process.kill()
        process.wait()
        terminal._reader.join()
        assert process.stdout is not None
        process.stdout.close()


def run(command: str) -> str:
    """Run a copied command in a shell whose Python is the one that Firstboot is installed in."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", command],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_printed_commands_work_and_each_device_shows_up(tmp_path: Path) -> None:
    for tool in ("curl", "mosquitto_rr", "mosquitto_pub"):
        require_tool(tool)
    with quickstart(tmp_path) as terminal:
        over_http = json.loads(run(terminal.command("curl")))
        assert over_http["status"] == "SUCCESS"
        terminal.wait_for(r"^\d\d:\d\d:\d\d \+ meter-1  provisioned over http, ACCESS_TOKEN$")

        over_mqtt = json.loads(run(terminal.command("mosquitto_rr")))
        assert over_mqtt["status"] == "SUCCESS"
        terminal.wait_for(r"\+ meter-2  provisioned over mqtt, ACCESS_TOKEN$")

        run(terminal.command("mosquitto_pub"))
        terminal.wait_for(r"\+ meter-3  provisioned over mqtt, ACCESS_TOKEN$")
        run(terminal.command("mosquitto_pub .*v1/devices/me"))
        terminal.wait_for(r"> meter-3  connected over mqtt$")
        terminal.wait_for(r"< meter-3  disconnected")

        again = json.loads(run(terminal.command("curl")))
        assert again["status"] == "FAILURE"
        terminal.wait_for(r"! meter-1  refused: name-taken\.")

        tokens = json.loads(run(terminal.command("curl .*/api/auth/login")))
        assert tokens.keys() == {"token", "refreshToken"}

        devices = json.loads(firstboot(environment(tmp_path), "device", "list", "--json").stdout)
        assert [device["name"] for device in devices] == ["meter-1", "meter-2", "meter-3"]
        assert terminal.end() == 0
    assert "Traceback" not in terminal.text


def test_what_becomes_of_a_device_that_is_for_sale_shows_up(tmp_path: Path) -> None:
    for tool in ("curl", "mosquitto_pub"):
        require_tool(tool)
    with quickstart(tmp_path) as terminal:
        page = terminal.wait_for(r"claims it at (http://\S+/claim)$")[1]
        url = page.removesuffix("/claim")
        token = json.loads(run(terminal.command("curl")))["credentialsValue"]
        run(f"""curl -sf {url}/api/v1/{token}/claim -d '{{"secretKey":"red-green-4711-blue"}}'""")
        terminal.wait_for(r"\? meter-1  may be claimed until \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

        admin = json.loads(run(terminal.command("curl .*/api/auth/login")))["token"]
        call = f"curl -sf -H 'Authorization: Bearer {admin}' {url}/api"
        customer = json.loads(run(f"""{call}/customer -d '{{"title":"Smith"}}'"""))["id"]["id"]
        (device,) = json.loads(run(f"{call}/firstboot/devices"))["devices"]
        owner = f"{call}/firstboot/devices/{device['id']}/owner --json"
        run(f"""{owner} '{{"customerId":"{customer}"}}'""")
        terminal.wait_for(r"\* meter-1  belongs to Smith \(assigned\)$")
        run(f"""{owner} '{{"customerId":null}}'""")
        terminal.wait_for(r"- meter-1  does not belong to Smith any more$")
        assert "<title>" in run(f"curl -sf {page}")
        assert terminal.end() == 0


def test_a_second_start_prints_names_that_are_free(tmp_path: Path) -> None:
    require_tool("curl")
    with quickstart(tmp_path) as terminal:
        run(terminal.command("curl"))
        assert terminal.end() == 0

    with quickstart(tmp_path) as terminal:
        again = json.loads(run(terminal.command("curl")))

        assert again["status"] == "SUCCESS"
        terminal.wait_for(r"\+ meter-2  provisioned over http, ACCESS_TOKEN$")


def test_the_printed_command_for_the_official_sdk_works(tmp_path: Path) -> None:
    pytest.importorskip("tb_device_mqtt")
    with quickstart(tmp_path) as terminal:
        printed = run(terminal.command("python3"))

        terminal.wait_for(r"\+ meter-4  provisioned over mqtt, ACCESS_TOKEN$")
        assert "'status': 'SUCCESS'" in printed


def test_a_second_quickstart_has_the_same_demo_profile(tmp_path: Path) -> None:
    commands = []
    for _ in range(2):
        with quickstart(tmp_path) as terminal:
            key = terminal.wait_for(r"provision key +(\w+)$")[1]
            commands.append((key, terminal.wait_for(r"provision secret +(\w+)$")[1]))
            assert terminal.end() == 0

    assert commands[0] == commands[1]
    assert [row["name"] for row in profiles(tmp_path)] == ["demo"]


def test_a_device_with_a_strange_name_writes_no_second_line(tmp_path: Path) -> None:
    """SE-5: a device name must not draw on the operator's terminal."""
    with quickstart(tmp_path) as terminal:
        url = terminal.wait_for(r"http://\S+/api/v1/provision")[0]
        request = json.loads(terminal.wait_for(r"'(\{.*\})'")[1])
        httpx2.post(url, json={**request, "deviceName": "a\n00:00:00 + root\x1b[2J"})

        shown = terminal.wait_for(r"^.* ! .*$")[0]
        assert "a\\n00:00:00" in shown
        assert "\x1b" not in shown


def profiles(tmp_path: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        firstboot(environment(tmp_path), "profile", "list", "--json").stdout
    )
    return found


@pytest.mark.parametrize("command", ["serve", "quickstart"])
def test_a_server_whose_output_nobody_reads_goes_on(tmp_path: Path, command: str) -> None:
    """OP-16: the terminal is closed, or the pipe's reader is gone."""
    env = environment(tmp_path)
    made = firstboot(env, "profile", "create", "demo", "--key", "the-key", "--secret", "secret-of-demo-4711")
    assert made.returncode == 0
    ready = tmp_path / "ready.json"
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen([sys.executable, "-m", "firstboot", command], env=env, stdout=writer, stderr=writer)
    os.close(writer)
    try:
        deadline = time.monotonic() + WAIT_S
        while not ready.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        port = json.loads(ready.read_text())["listeners"]["http"]["port"]
        request = {
            "deviceName": "m-1",
            "provisionDeviceKey": "the-key",
            "provisionDeviceSecret": "secret-of-demo-4711",
        }
        for expected in ("SUCCESS", "FAILURE"):
            answer = httpx2.post(f"http://127.0.0.1:{port}/api/v1/provision", json=request).json()
            assert answer["status"] == expected
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
