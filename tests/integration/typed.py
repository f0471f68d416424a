"""A terminal in which a test types, one command after the other, as a person does."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

WAIT_S = 60.0
_END = "-- end of what the command prints --"
_READY = {"mosquitto_sub": "Subscribed (mid", "curl -sN": ": connected"}
"""What programs that go on say once they listen; mosquitto_sub only when it is told to say more."""


class Terminal:
    """One shell: variables stay, and commands may go on in the background until it is closed."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        self.outputs: list[Path] = []
        """What the commands in the background print."""
        self._shell = subprocess.Popen(
            ["bash"], env=dict(environment), cwd=directory, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._watchdog = threading.Timer(3 * WAIT_S, self._kill)

    def __enter__(self) -> Terminal:
        self._watchdog.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watchdog.cancel()
        self._kill()
        self._shell.communicate()

    def run(self, command: str) -> str:
        """Return all that a command prints."""
        stdin, stdout = self._shell.stdin, self._shell.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(f"{command}\nprintf '\\n%s\\n' '{_END}'\n")
        stdin.flush()
        lines: list[str] = []
        for line in stdout:
            if line.rstrip("\n") == _END:
                return "".join(lines).removesuffix("\n")
            lines.append(line)
        raise AssertionError(f"$ {command}\n{''.join(lines)}\nthe shell has ended")

    def start(self, command: str) -> None:
        """Run a command in the background; when this returns it listens for whatever it is to print."""
        output = self._directory / f"background-{len(self.outputs)}.txt"
        output.touch()
        self.outputs.append(output)
        more = " -d" if command.startswith("mosquitto_sub") else ""
        # Into a file programs would write nothing before their end; and what they write may have no end of line.
        self.run(f"{{ stdbuf -oL {command}{more}; echo; }} > {output} 2>&1 &")
        for program, ready in _READY.items():
            if command.startswith(program):
                wait_for_line([output], lambda line: ready in line)  # noqa: B023 - called before the next turn

    def _kill(self) -> None:
        if self._shell.poll() is None:
            os.killpg(self._shell.pid, signal.SIGKILL)


def wait_for_line(files: Sequence[Path], wanted: Callable[[str], bool]) -> str:
    """Return what stands in the files up to a line, as soon as that is there."""
    names = [str(file) for file in files]
    with subprocess.Popen(
        ["timeout", str(WAIT_S), "tail", "-q", "-n", "+1", "-f", *names],
        stdout=subprocess.PIPE, text=True,
    ) as tail:  # fmt: skip
        assert tail.stdout is not None
        lines: list[str] = []
        try:
            for line in tail.stdout:
                lines.append(line)
                if wanted(line.rstrip("\n")):
                    return "".join(lines)
        finally:
            tail.terminate()
    raise AssertionError("the line was not printed; instead:\n" + "".join(lines))
