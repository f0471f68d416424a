"""How each row is measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping

from benchmarks.arithmetic import latency_multiple
from benchmarks.bench import CLIENTS, Bench, Contestant, Row
from benchmarks.coap_rows import coap_sqlite
from benchmarks.dialect_rows import bucket_memory, publish_bucket, thinger, thinger_claim, thingstream
from benchmarks.idle_rows import idle_at_the_broker, idle_at_the_door
from benchmarks.import_rows import import_devices
from benchmarks.servers import firstboot, mosquitto, own_reference, postgres
from benchmarks.session_rows import connect, publish_broker, publish_telemetry, pubsub_connect
from benchmarks.tls_rows import dtls_handshake, tls_handshake


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
    with own_reference("echo", bench.directory) as echo, firstboot(database.data_dir, "http") as server:
        yield bench.compare(
            row,
            Contestant(server, f"http-provision{suffix}", database),
            Contestant(echo, f"http-echo{suffix}"),
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
    coap_sqlite: ("coap-sqlite",),
    thinger: ("thinger-create", "thinger-ensure", "thinger-bucket"),
    thinger_claim: ("thinger-claim",),
    thingstream: ("thingstream", "thingstream-hardware"),
    tls_handshake: ("tls-handshake",),
    dtls_handshake: ("dtls-handshake",),
    connect: ("connect",),
    devices: ("devices-100k", "devices-1m"),
    pubsub_connect: ("pubsub-connect",),
    publish_telemetry: ("publish-telemetry",),
    publish_broker: ("publish-broker",),
    publish_bucket: ("publish-bucket",),
    bucket_memory: ("bucket-memory",),
    idle_at_the_door: ("session-memory", "idle-provision", "idle-connect"),
    idle_at_the_broker: ("pubsub-memory", "idle-pubsub-connect", "idle-publish"),
    import_devices: ("import",),
    process: ("start", "process-memory"),
}
"""Which rows come out of which measurement."""
