"""HT-8, HT-3: delivery lists that were made to fill the memory or to take over a terminal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.harness import environment, firstboot

HUGE = 30_000_000
MEASURED = """
import resource, subprocess, sys
done = subprocess.run([sys.executable, "-m", "firstboot", *sys.argv[1:]])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024, file=sys.stderr)
sys.exit(done.returncode)
"""


BOMBS = {
    "a line without an end": "x" * HUGE,
    "a quote that is not closed": '"' + "x" * HUGE,
    "quotes that close nothing": '"\n' * 100_000,
    "blank lines": "\n" * HUGE,
    "cells": "," * HUGE,
}


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Return the environment of commands that find a profile."""
    made = environment(tmp_path_factory.mktemp("server"))
    firstboot(made, "profile", "create", "meters")
    return made


def imported(env: Mapping[str, str], file: Path, text: str) -> tuple[str, int]:
    """Import a list in a process of its own; return all that it said, and its memory (MiB)."""
    file.write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, "import", str(file), "--profile", "meters"],
        env=dict(env), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    said, _, memory = done.stderr.rstrip().rpartition("\n")
    return done.stdout + said, int(memory)


@pytest.fixture(scope="module")
def usual(env: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> int:
    """Return how much memory an import takes anyway (MiB)."""
    return imported(env, tmp_path_factory.mktemp("short") / "list.csv", "name\nfirst\n")[1]


@pytest.mark.parametrize("bomb", BOMBS)
def test_ht_8_a_huge_list_takes_no_more_memory_than_a_short_one(
    env: Mapping[str, str], usual: int, tmp_path: Path, bomb: str
) -> None:
    """HT-8, HT-3: and the row behind it is imported."""
    said, memory = imported(env, tmp_path / "list.csv", f"name\n{BOMBS[bomb]}\nbehind {bomb}\n")

    assert firstboot(env, "device", "show", f"behind {bomb}").returncode == 0, said
    assert memory < usual + 16


def test_ht_8_nothing_of_a_list_reaches_the_terminal_as_it_is(env: Mapping[str, str], tmp_path: Path) -> None:
    """HT-8, SE-5: neither a title nor a cell moves the cursor, or changes the window's title."""
    escape = "\x1b]0;gotcha\x07\x1b[2J"
    good = ("d1", "meters", "2030-01-31", "no")
    rows = [",".join((*good[:bad], escape, *good[bad + 1 :])) for bad in range(len(good))]

    header, _ = imported(env, tmp_path / "header.csv", f"name,{escape}\nd1,x\n")
    cells, _ = imported(env, tmp_path / "cells.csv", "\n".join(("name,profile,claim-until,gateway", *rows, "")))

    assert "gotcha" in header, "it is named, so that it can be found"
    assert [line for line in range(2, 6) if f"line {line}: " in cells] == [2, 3, 4, 5]
    for said in (header, cells):
        assert not set(said) & {"\x1b", "\x07", "\r"}
