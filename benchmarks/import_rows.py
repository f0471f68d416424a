"""How fast a delivery list becomes devices: the command as it comes, from its start to its end."""

from __future__ import annotations

import csv
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable

from benchmarks.bench import Bench, Row

MOST_ROWS = 100_000


def import_devices(bench: Bench) -> Iterable[Row]:
    """Measure an import with generated claim secrets into a database that is empty."""
    count = min(MOST_ROWS, bench.effort.devices // 5)
    delivered = bench.directory / "delivered.csv"
    with delivered.open("w", encoding="utf-8") as file:
        file.write("name,label,shared:site\n")
        file.writelines(f"imported-{number:08d},Meter {number},{number % 7}\n" for number in range(count))
    rates = []
    for _ in range(bench.effort.pairs):
        database = bench.new_database()
        secrets = database.data_dir / "secrets.csv"
        command = [
            "import",
            str(delivered),
            "--profile",
            "benchmark",
            "--generate-secrets",
            "--secrets",
            str(secrets),
        ]
        clean = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTBOOT_")}
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "firstboot", *command, "--secrets", str(secrets)],
            env={**clean, "FIRSTBOOT_SERVER__DATA_DIR": str(database.data_dir)},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        rates.append(count / (time.perf_counter() - started))
        if done.returncode:
            raise RuntimeError(f"the import failed:\n{done.stderr[-2000:]}")
        with secrets.open(encoding="utf-8", newline="") as file:
            handed_out = sum(1 for _ in csv.reader(file)) - 1
        # Each has two attributes: the one of its row, and claimingData.
        if (there := database.count("device", "imported")) != 2 * count or handed_out != count:
            raise RuntimeError(f"{there} attributes and {handed_out} secrets of {count} devices are there")
    yield Row(id="import", value=statistics.median(rates), detail=f"{count:,} rows, each with a claim secret")
