"""The result file, and the table in the documentation that is made of it."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sqlite3
import statistics
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.bench import Row
from benchmarks.servers import Missing, find_program
from benchmarks.targets import TARGETS, Target

RESULTS = Path(__file__).with_name("results.json")
PAGE = Path(__file__).parents[1] / "docs" / "reference" / "benchmarks.md"

_REGION = re.compile(r"(<!-- measured -->\n).*?(<!-- /measured -->)", re.DOTALL)
_PACKAGES = ("firstboot", "uvloop", "uvicorn", "httptools", "starlette", "asyncpg", "amqtt", "aiocoap")
_VERDICTS = {"aim": "aim", "reach": "reach", "missed": "**missed**", "": ""}


def describe_run(*, quick: bool) -> dict[str, Any]:
    """Return when, where and with what a run is made."""
    versions = {name: importlib.metadata.version(name) for name in _PACKAGES}
    versions |= {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, **_mosquitto()}
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "effort": "quick" if quick else "full",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "versions": versions,
    }


def read_results(path: Path = RESULTS) -> dict[str, Any]:
    """Return the rows of the result file by id; none when there is no file."""
    rows: dict[str, Any] = json.loads(path.read_text())["rows"] if path.exists() else {}
    return rows


def add_results(rows: Iterable[Row], run: Mapping[str, Any], path: Path = RESULTS) -> None:
    """Put rows into the result file, in place of older ones of the same id."""
    kept = read_results(path) | {row.id: {**asdict(row), "run": run} for row in rows}
    ordered = {id_: kept[id_] for id_ in TARGETS if id_ in kept}
    path.write_text(json.dumps({"rows": ordered}, indent=1) + "\n")


def render(rows: Mapping[str, Any]) -> str:
    """Return the table of all rows in Markdown, with the runs that they come from."""
    lines = [
        "| | Firstboot | reference | ratio or value | reach | aim | |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    runs: dict[str, list[str]] = {}
    for id_, target in TARGETS.items():
        row = rows.get(id_)
        if row is None:
            lines.append(f"| `{id_}`: {target.what} | | {target.reference} | not measured | | | |")
            continue
        lines.append(_line(id_, target, row))
        runs.setdefault(_run_text(row["run"]), []).append(f"`{id_}`")
    for text, ids in runs.items():
        lines += ["", f"{text}: {'all rows' if len(runs) == 1 else ', '.join(ids)}."]
    return "\n".join(lines) + "\n"


def page_with(table: str, page: str) -> str:
    """Return the page with the table between its marks."""
    return _REGION.sub(lambda match: f"{match[1]}{table}{match[2]}", page)


def write_page(path: Path = PAGE) -> None:
    """Bring the page up to date with the result file."""
    path.write_text(page_with(render(read_results()), path.read_text()))


def summary(row: Row) -> str:
    """Return a row as one line for the terminal."""
    target = TARGETS[row.id]
    rates = ""
    if row.reference:
        rates = f"  ({_median(asdict(row), 'ours')} : {_median(asdict(row), 'reference')} a second)"
    elif row.ours:
        rates = f"  ({_median(asdict(row), 'ours')} a second)"
    verdict = target.judge(row.value)
    bounds = f"reach {_bound(target.reach)}, aim {_bound(target.aim)}"
    return f"{row.id:20} {_value(row.value, target):>9}  {verdict:6}  {bounds}{rates}  {row.detail}".rstrip()


def _line(id_: str, target: Target, row: Mapping[str, Any]) -> str:
    what = f"`{id_}`: {target.what}" + (f" ({row['detail']})" if row["detail"] else "")
    ours = f"{_median(row, 'ours')}/s" if row["ours"] else ""
    reference = target.reference + (f": {_median(row, 'reference')}/s" if row["reference"] else "")
    verdict = _VERDICTS[target.judge(row["value"])]
    bounds = (_bound(target.reach, target.unit), _bound(target.aim, target.unit))
    cells = (what, ours, reference, _value(row["value"], target), *bounds, verdict)
    return f"| {' | '.join(cells)} |"


def _bound(value: float | None, unit: str = "") -> str:
    return "none given" if value is None else f"{value:g} {unit}".rstrip()


def _median(row: Mapping[str, Any], side: str) -> str:
    return f"{statistics.median(rate['per_second'] for rate in row[side]):,.0f}"


def _value(value: float, target: Target) -> str:
    if not target.unit:
        return f"{value:.2f}"
    return f"{value:,.0f} {target.unit}" if value >= 1000 else f"{value:.3g} {target.unit}"


def _run_text(run: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in run["versions"].items())
    return f"{run['date']}, {run['effort']} run, {run['cores']} cores of {run['processor']}; {versions}"


def _processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.machine()
    found = re.search(r"model name\s*: (.+)", info)
    return found[1] if found else platform.machine()


def _mosquitto() -> dict[str, str]:
    try:
        program = find_program("mosquitto", "mosquitto")
    except Missing:
        return {}
    shown = subprocess.run([program, "-h"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\S+)", shown)
    return {"mosquitto": found[1]} if found else {}
