"""How each row is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from benchmarks.arithmetic import latency_multiple
from benchmarks.bench import CLIENTS, Bench, Contestant, Row
from benchmarks.idle import enough_descriptors, idle_sessions
from benchmarks.servers import Missing, echo, firstboot, mosquitto, postgres

_SETTLED_SESSIONS = 200
"""Sessions that come before memory is measured, so that what the first ones load is not counted."""
_BUSY_DEVICES = 1000


def mqtt_sqlite(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    with mosquitto(bench.directory) as reference, firstboot(database.data_dir, "mqtt") as server:
        row = bench.compare(
            "mqtt-sqlite",
            Contestant(server, "mqtt-provision", database),
            Contestant(reference, "mqtt-bare"),
        )
    yield row
    multiples = [latency_multiple(rate.p99_s, CLIENTS, rate.per_second) for rate in row.ours]
    yield Row(id="mqtt-p99", value=statistics.median(multiples), ours=row.ours)


def mqtt_postgres(bench: Bench) -> Iterable[Row]:
    with postgres() as (postgres_server, url), mosquitto(bench.directory) as reference:
        database = bench.new_database(url)
        with firstboot(database.data_dir, "mqtt", url) as server:
            before_s = postgres_server.cpu_s()
            row = bench.compare(
                "mqtt-postgres",
                Contestant(server, "mqtt-provision", database),
                Contestant(reference, "mqtt-bare"),
            )
            used_s = postgres_server.cpu_s() - before_s
    cycles = sum(rate.per_second for rate in row.ours) * bench.effort.seconds
    detail = f"PostgreSQL itself takes {used_s / cycles * 1e6:.0f} us a device"
    yield Row(id=row.id, value=row.value, detail=detail, ours=row.ours, reference=row.reference)


def http_keep_alive(bench: Bench) -> Iterable[Row]:
    yield from _http(bench, "http-keep-alive", "")


def http_new_connection(bench: Bench) -> Iterable[Row]:
    yield from _http(bench, "http-new-connection", "-close")


def _http(bench: Bench, row: str, suffix: str) -> Iterable[Row]:
    database = bench.new_database()
    with echo(bench.directory) as reference, firstboot(database.data_dir, "http") as server:
        yield bench.compare(
            row,
            Contestant(server, f"http-provision{suffix}", database),
            Contestant(reference, f"http-echo{suffix}"),
        )


def connect(bench: Bench) -> Iterable[Row]:
    database = bench.filled_database(bench.effort.devices)
    with mosquitto(bench.directory) as reference, firstboot(database.data_dir, "mqtt") as server:
        yield bench.compare(
            "connect",
            Contestant(server, "mqtt-connect", database),
            Contestant(reference, "mqtt-connect"),
            f"{database.devices:,} credentials",
        )


def devices(bench: Bench) -> Iterable[Row]:
    sizes = {"devices-100k": 100_000, "devices-1m": 1_000_000}
    for row, size in sizes.items():
        if size > bench.effort.devices:
            bench.say(f"{row}: only in a full run")
            continue
        full, empty = bench.filled_database(size), bench.new_database()
        with firstboot(full.data_dir, "mqtt") as server, firstboot(empty.data_dir, "mqtt") as reference:
            yield bench.compare(
                row,
                Contestant(server, "mqtt-provision", full),
                Contestant(reference, "mqtt-provision", empty),
            )


def idle(bench: Bench) -> Iterable[Row]:
    sessions = bench.effort.idle_sessions
    if not enough_descriptors(sessions):
        raise Missing(f"the limit of open files (ulimit -Hn) is too low for {sessions:,} sessions")
    # The first ones are for the load to log in as: in place of an idle device it would end its session.
    crowded, alone = (bench.new_database(devices=_BUSY_DEVICES + sessions) for _ in range(2))
    detail = f"{sessions:,} sessions"
    with firstboot(crowded.data_dir, "mqtt") as server, firstboot(alone.data_dir, "mqtt") as reference:
        with idle_sessions(server, _SETTLED_SESSIONS):
            pass
        before = server.rss_bytes()
        with idle_sessions(server, sessions, first=_BUSY_DEVICES):
            kib = (server.rss_bytes() - before) / 1024 / sessions
            yield Row(id="session-memory", value=kib, detail=detail)
            for row, script in (("idle-provision", "mqtt-provision"), ("idle-connect", "mqtt-connect")):
                yield bench.compare(
                    row,
                    Contestant(server, script, replace(crowded, devices=_BUSY_DEVICES)),
                    Contestant(reference, script, replace(alone, devices=_BUSY_DEVICES)),
                    detail,
                )


def process(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    times, sizes = [], []
    for _ in range(bench.effort.starts + 1):
        started = time.perf_counter()
        with firstboot(database.data_dir, "mqtt") as server:
            times.append(time.perf_counter() - started)
            sizes.append(server.rss_bytes() / 1024 / 1024)
    # The first start reads the program from the disk.
    yield Row(id="start", value=statistics.median(times[1:]), detail="MQTT and HTTP, program in the disk cache")
    yield Row(id="process-memory", value=statistics.median(sizes[1:]), detail="MQTT and HTTP")


MEASUREMENTS: Mapping[Callable[[Bench], Iterable[Row]], tuple[str, ...]] = {
    mqtt_sqlite: ("mqtt-sqlite", "mqtt-p99"),
    mqtt_postgres: ("mqtt-postgres",),
    http_keep_alive: ("http-keep-alive",),
    http_new_connection: ("http-new-connection",),
    connect: ("connect",),
    devices: ("devices-100k", "devices-1m"),
    idle: ("session-memory", "idle-provision", "idle-connect"),
    process: ("start", "process-memory"),
}
"""Which rows come out of which measurement."""
