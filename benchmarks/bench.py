"""Putting loads on servers, in turns, and checking that what was answered is in the database."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.arithmetic import median_ratio
from benchmarks.client import Load, Result
from benchmarks.databases import Database, make_database
from benchmarks.scripts import FIRST_COUNT, SCRIPTS
from benchmarks.servers import Server

CLIENTS = 50
WARM_UP_S = 0.3


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How long and how large."""

    seconds: float
    """Of one load."""
    pairs: int
    devices: int
    """Credentials in the database for the rows about look-ups."""
    idle_sessions: int
    starts: int


FULL = Effort(seconds=4.0, pairs=5, devices=1_000_000, idle_sessions=10_000, starts=5)
QUICK = Effort(seconds=1.5, pairs=3, devices=100_000, idle_sessions=2_000, starts=3)


@dataclass(frozen=True, kw_only=True)
class Rate:
    """One load on one server."""

    per_second: float
    p50_s: float
    p99_s: float
    client_cores: float
    """Processor time of the client per second; near 1 it is the client that is measured."""
    server_cores: float
    server_us: float
    """Processor time of the server for one cycle, in microseconds."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A measured row of the target table."""

    id: str
    value: float
    detail: str = ""
    """What was special about this measurement, such as the number of sessions."""
    ours: Sequence[Rate] = ()
    reference: Sequence[Rate] = ()
    """As many as ``ours``, taken in turns with them."""


@dataclass(frozen=True)
class Contestant:
    """A server and what the clients do with it."""

    server: Server
    script: str
    database: Database | None = None
    """Where the devices are counted afterwards; None for a reference."""
    clients: int = CLIENTS


@dataclass
class Bench:
    """One run: its effort, its directory, and the databases that were filled in it."""

    directory: Path
    effort: Effort
    say: Callable[[str], None]
    _filled: dict[int, Database] = field(default_factory=dict)
    _made: int = 0

    def new_directory(self) -> Path:
        """Return a path that does not exist yet."""
        self._made += 1
        return self.directory / f"data-{self._made}"

    def new_database(self, url: str | None = None, *, devices: int = 0) -> Database:
        """Make a database for one row."""
        return make_database(self.new_directory(), devices=devices, url=url)

    def filled_database(self, devices: int) -> Database:
        """Return a database with so many devices, filled once in a run."""
        if devices not in self._filled:
            self.say(f"filling a database with {devices:,} devices ...")
            self._filled[devices] = make_database(self.new_directory(), devices=devices)
        return self._filled[devices]

    def compare(self, row: str, ours: Contestant, reference: Contestant, detail: str = "") -> Row:
        """Load both in turns; the value is the median of the ratios."""
        rates = self.in_turns([ours, reference])
        value = median_ratio([(a.per_second, b.per_second) for a, b in zip(*rates, strict=True)])
        return Row(id=row, value=value, detail=detail, ours=rates[0], reference=rates[1])

    def in_turns(self, contestants: Sequence[Contestant]) -> list[list[Rate]]:
        """Load each, A B A B; return the rates of each."""
        for contestant in contestants:
            self._load(contestant, WARM_UP_S)
        rates: list[list[Rate]] = [[] for _ in contestants]
        for _ in range(self.effort.pairs):
            for contestant, own in zip(contestants, rates, strict=True):
                own.append(self._load(contestant, self.effort.seconds))
        return rates

    def _load(self, contestant: Contestant, seconds: float) -> Rate:
        server, database = contestant.server, contestant.database
        load = Load(
            script=contestant.script,
            port=server.port,
            seconds=seconds,
            clients=contestant.clients,
            prefix=secrets.token_hex(4),
            # Of the length of real ones, so that a reference gets requests of the same size.
            key=database.key if database else "k" * 20,
            secret=database.secret if database else "s" * 26,
            devices=database.devices if database else self.effort.devices,
            application=database.application if database else "a" * 47,
        )
        cpu_before = server.cpu_s()
        result = run_client(load)
        cpu_s = server.cpu_s() - cpu_before
        if database is not None:
            _check(database, load, result)
        return Rate(
            per_second=result.done / result.seconds,
            p50_s=result.p50_s,
            p99_s=result.p99_s,
            client_cores=result.cpu_s / result.seconds,
            server_cores=cpu_s / result.seconds,
            server_us=cpu_s / result.done * 1e6,
        )


def _check(database: Database, load: Load, result: Result) -> None:
    """Compare what clients were told with what is in the database."""
    for kind in SCRIPTS[load.script].makes:
        there = database.count(kind, load.prefix)
        if there != result.done:
            raise RuntimeError(f"{load.script}: {result.done} were told of a {kind}, {there} are in the database")
    if load.script == "mqtt-telemetry":
        sent = sorted(FIRST_COUNT + number for number in result.last)
        if sent != sorted(database.counts_reported()):
            raise RuntimeError("the last values that were acknowledged are not those in the database")


def run_client(load: Load) -> Result:
    """Run the load in a process of its own.

    Raises: `RuntimeError` when any cycle failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.client"],
        input=json.dumps(asdict(load)), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the client of {load.script} failed:\n{done.stderr[-2000:]}")
    fields: dict[str, Any] = json.loads(done.stdout)
    result = Result(**fields)
    if result.errors or not result.done:
        raise RuntimeError(f"{load.script}: {len(result.errors)} cycles failed, the first: {result.errors[:1]}")
    return result
