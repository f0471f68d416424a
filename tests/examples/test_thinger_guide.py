"""The commands of the how-to page about thinger.io do, one after the other, what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.doc_pages import DOCS, blocks
from tests.harness import server_process
from tests.integration.clients.live import WAIT_S
from tests.services import require_tool

PAGE = DOCS / "how-to" / "thinger.md"
TOOLS = ("curl", "openssl", "mosquitto_pub", "mosquitto_rr", "mosquitto_sub", "coap-client-notls")
DIFFERENT_EACH_TIME = (
    (r'"(ts|created|modified)":\d+', r'"\1":0'),
    (r'"credentials":"\w+"', '"credentials":"drawn"'),
    (r'"port":\d+', '"port":0'),
    (r"(?m)^\d{13},", "0,"),
    (r"access token  eyJ\S+", "access token  eyJ"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "now"),
    (r" {2,}", "  "),
)
"""What no reader gets as it stands there."""


def test_the_page_about_thinger_shows_what_is_printed(tmp_path: Path) -> None:
    commands = shown()

    printed = typed(tmp_path, [command for command, _ in commands])

    got = [(command, alike(text)) for (command, _), text in zip(commands, printed, strict=True)]
    assert len(got) > 30
    assert got == [
        (command, as_far_as_shown(text, alike(answer)))
        for (command, answer), text in zip(commands, printed, strict=True)
    ]


def shown() -> list[tuple[str, str]]:
    """Return each command of the page with what stands below it."""
    page = "".join(blocks(PAGE, "console"))
    return re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", page, re.MULTILINE)


def typed(folder: Path, commands: Sequence[str]) -> list[str]:
    """Type all commands into one shell beside a server; return what each has printed."""
    for tool in TOOLS:
        require_tool(tool)
    (setting_up,) = [each for each in blocks(PAGE, "sh") if "TOKEN=" in each]
    here = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    with server_process(folder, FIRSTBOOT_THINGER__PROVISIONING_BURST="1000") as process:
        script = "\n".join([setting_up, *(f"{command}\nprintf '\\036'" for command in commands)])
        script = script.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{process.http_port}")
        script = script.replace("-p 1883", f"-p {process.mqtt_port}")
        script = script.replace("coap://127.0.0.1", f"coap://127.0.0.1:{process.listeners['coap']['port']}")
        done = subprocess.run(
            ["sh", "-eu", "-c", script],
            cwd=folder, env={**process.environment, "PATH": here},
            capture_output=True, text=True, check=False, timeout=WAIT_S,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\036")[:-1]


def alike(text: str) -> list[str]:
    """Return the lines of an output without what differs each time."""
    for pattern, word in DIFFERENT_EACH_TIME:
        text = re.sub(pattern, word, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def as_far_as_shown(printed: str, wanted: list[str]) -> list[str]:
    """Return what has to be printed: where the page leaves lines out, whatever has the others in it."""
    if not any(line.endswith("...") for line in wanted):
        return wanted
    got = alike(printed)
    beginnings = [line.removesuffix("...") for line in wanted]
    return got if all(any(line.startswith(each) for line in got) for each in beginnings) else wanted
