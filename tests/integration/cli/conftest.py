"""The command line inside the test's process: a process for each command would take a second each."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.harness import environment

from firstboot.cli import main


@dataclass(frozen=True)
class Result:
    """How a command ended, and what it printed."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def fields(self) -> dict[str, str]:
        """What `print_fields` printed: two spaces at least between name and value."""
        pairs = (line.split("  ", 1) for line in self.out.splitlines())
        return {name: value.strip() for name, value in pairs}


class CommandLine:
    """``firstboot ...`` with a data directory of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], env: dict[str, str]):
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.env = env

    def try_(self, *arguments: str, stdin: str | bytes = "") -> Result:
        """Run a command, which may fail."""
        typed = stdin.encode() if isinstance(stdin, str) else stdin
        self._monkeypatch.setattr(sys, "argv", ["firstboot", *arguments])
        self._monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed), "utf-8"))
        self._capsys.readouterr()
        status = 0
        try:
            main()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(bool(end.code))
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        assert "should not happen" not in err, err
        if status:
            assert err.strip(), "a failure says why"
        return Result(status, out, err)

    def __call__(self, *arguments: str, stdin: str | bytes = "") -> Result:
        """Run a command, which must succeed."""
        result = self.try_(*arguments, stdin=stdin)
        assert result.status == 0, result.err
        return result

    def data_dir(self) -> Path:
        return Path(self.env["FIRSTBOOT_SERVER__DATA_DIR"])


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[CommandLine]:
    env = environment(tmp_path)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield CommandLine(monkeypatch, capsys, env)
    root.handlers[:], root.level = handlers, level
