"""How the rows about the dialects of thinger.io and Thingstream are measured: beside that of ThingsBoard."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from benchmarks.bench import CLIENTS, Bench, Contestant, Row
from benchmarks.databases import Database
from benchmarks.dialect_scripts import ACCOUNT, COLLECTED, PASSWORD, POOL, device_id
from benchmarks.servers import NO_DIALECT_LIMIT, NO_RATE_LIMIT, Server, firstboot

_RATIOS = ("thinger-create", "thinger-ensure", "thinger-bucket")
"""Rows, each with the script of its name."""
_CLAIMS_A_SECOND = 3000
"""More than there can be: what a pool is filled for."""
_FILLED_AT_ONCE = 10_000
_SETTLED_BUCKETS = 500
"""Buckets that come before memory is measured, so that what the first ones load is not counted."""


def thinger(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    ours = _with_thinger_token(database)
    with firstboot(database.data_dir, "http", changed=NO_DIALECT_LIMIT) as server:
        for row in _RATIOS:
            yield _beside_thingsboard(bench, row, server, ours, database)


def thinger_claim(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    ours = _with_thinger_token(database)
    with firstboot(database.data_dir, "http", changed=NO_DIALECT_LIMIT) as server:
        pool = {"pool": POOL, "strategy": "fifo", "template": {"type": "MQTT"}, "id_pattern": "member-{seq:06d}"}
        _ask(server, ours, "/pools", pool)
        wanted = int(_CLAIMS_A_SECOND * bench.effort.seconds * (bench.effort.pairs + 1))
        for _ in range(0, wanted, _FILLED_AT_ONCE):
            _ask(server, ours, f"/pools/{POOL}/devices", {"count": min(wanted, _FILLED_AT_ONCE)})
        yield _beside_thingsboard(bench, "thinger-claim", server, ours, database)


def thingstream(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    token = _told(database, "thingstream", "profile", "create", "benchmark-things")["token"]
    ours = replace(database, secret=token)
    with firstboot(database.data_dir, "http", changed=NO_DIALECT_LIMIT) as server:
        for row in ("thingstream", "thingstream-hardware"):
            yield _beside_thingsboard(bench, row, server, ours, database)


def publish_bucket(bench: Bench) -> Iterable[Row]:
    database = _with_thinger_token(bench.new_database())
    settings = {**NO_DIALECT_LIMIT, **NO_RATE_LIMIT}
    with firstboot(database.data_dir, "http", changed=settings) as server:
        for number in range(CLIENTS):
            made = {"device": device_id(number), "type": "MQTT", "credentials": PASSWORD}
            _ask(server, database, "/devices", made)
        config = {"source": "mqtt", "topic": COLLECTED}
        _ask(server, database, "/buckets", {"bucket": "all", "name": "all", "enabled": True, "config": config})
    with firstboot(database.data_dir, "mqtt", changed=settings) as server:
        yield bench.compare(
            "publish-bucket",
            Contestant(server, "thinger-collected", database),
            Contestant(server, "thinger-forgotten"),
        )


def bucket_memory(bench: Bench) -> Iterable[Row]:
    """Measure how much the process grows for each bucket that it knows."""
    database = _with_thinger_token(bench.new_database())
    buckets = bench.effort.idle_sessions
    with firstboot(database.data_dir, "http", changed=NO_DIALECT_LIMIT) as server:
        before = 0
        for number in range(_SETTLED_BUCKETS + buckets):
            if number == _SETTLED_BUCKETS:
                before = server.rss_bytes()
            name = device_id(number)
            config = {"source": "mqtt", "topic": f"{name}/data"}
            _ask(server, database, "/buckets", {"bucket": name, "name": "", "enabled": True, "config": config})
        kib = (server.rss_bytes() - before) / 1024 / buckets
    yield Row(id="bucket-memory", value=kib, detail=f"{buckets:,} buckets")


def _beside_thingsboard(bench: Bench, row: str, server: Server, ours: Database, database: Database) -> Row:
    """Compare the script of a row with ThingsBoard's on the same server: the database is as full for both."""
    return bench.compare(row, Contestant(server, row, ours), Contestant(server, "http-provision", database))


def _with_thinger_token(database: Database) -> Database:
    told = _told(database, "thinger", "token", "create", "factory", "--preset", "full")
    return replace(database, secret=told["access_token"])


def _told(database: Database, *command: str) -> dict[str, Any]:
    """Run a command of Firstboot; return what it says."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTBOOT_")}
    done = subprocess.run(
        [sys.executable, "-m", "firstboot", *command, "--json"],
        env={**clean, "FIRSTBOOT_SERVER__DATA_DIR": str(database.data_dir)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _ask(server: Server, database: Database, path: str, body: object) -> None:
    """Send a request that is not measured.

    Raises: `RuntimeError`.
    """
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {"Authorization": f"Bearer {database.secret}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"{ACCOUNT}{path}", json.dumps(body), headers)
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RuntimeError(f"{path}: {answer.status} {said[:200]!r}")
