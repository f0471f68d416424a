"""``python -m benchmarks``: measure, compare with the targets, and write down what came of it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.bench import FULL, QUICK, Bench, Effort, Row
from benchmarks.report import add_results, describe_run, summary, write_page
from benchmarks.rows import MEASUREMENTS
from benchmarks.servers import Missing
from benchmarks.targets import TARGETS


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure Firstboot beside its references, in turns, on this machine.",
        epilog="rows:\n" + "\n".join(f"  {id_:21}{target.what}" for id_, target in TARGETS.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rows", nargs="*", metavar="row", help="what to measure; without it everything")
    parser.add_argument("--quick", action="store_true", help="smaller and shorter: under 3 minutes, not 30")
    parser.add_argument("--write-docs", action="store_true", help="keep the results and bring the page up to date")
    parser.add_argument("--seconds", type=float, help="length of one load")
    parser.add_argument("--pairs", type=int, help="how often both sides are loaded")
    parser.add_argument("--directory", type=Path, help="where the databases are put; not a file system in memory")
    parsed = parser.parse_args(arguments)
    unknown = [row for row in parsed.rows if row not in TARGETS]
    if unknown:
        parser.error(f"no such row: {', '.join(unknown)}. There are {', '.join(TARGETS)}.")
    return parsed


def _effort(arguments: argparse.Namespace) -> Effort:
    effort = QUICK if arguments.quick else FULL
    if arguments.seconds is not None:
        effort = replace(effort, seconds=arguments.seconds)
    if arguments.pairs is not None:
        effort = replace(effort, pairs=arguments.pairs)
    return effort


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; the status is 1 when something could not be measured."""
    parsed = _arguments(arguments)
    wanted = set(parsed.rows or TARGETS)
    rows: list[Row] = []
    failed = False
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="firstboot-benchmark-", dir=parsed.directory) as directory:
        bench = Bench(Path(directory), _effort(parsed), _say)
        for measure, ids in MEASUREMENTS.items():
            if wanted.isdisjoint(ids):
                continue
            try:
                for row in measure(bench):
                    if row.id in wanted:
                        rows.append(row)
                        print(summary(row), flush=True)
            except (Missing, RuntimeError) as error:
                _say(f"{', '.join(ids)}: not measured: {error}")
                failed = True
    if parsed.write_docs:
        add_results(rows, describe_run(quick=parsed.quick))
        write_page()
    _say(f"{time.monotonic() - started:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
