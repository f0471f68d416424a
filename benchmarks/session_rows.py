"""How the rows are measured that are about logged-in devices: connecting, and saying something."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.bench import CLIENTS, Bench, Contestant, Row
from benchmarks.servers import NO_RATE_LIMIT, firstboot, mosquitto, own_reference


def connect(bench: Bench) -> Iterable[Row]:
    database = bench.filled_database(bench.effort.devices)
    with mosquitto(bench.directory) as reference, firstboot(database.data_dir, "mqtt") as server:
        yield bench.compare(
            "connect",
            Contestant(server, "mqtt-connect", database),
            Contestant(reference, "mqtt-connect"),
            f"{database.devices:,} credentials",
        )


def pubsub_connect(bench: Bench) -> Iterable[Row]:
    database = bench.filled_database(bench.effort.devices)
    with (
        own_reference("stock_amqtt", bench.directory) as reference,
        firstboot(database.data_dir, "mqtt") as server,
    ):
        yield bench.compare(
            "pubsub-connect",
            Contestant(server, "mqtt-subscribe", database),
            Contestant(reference, "mqtt-subscribe"),
            f"{database.devices:,} credentials",
        )


def publish_telemetry(bench: Bench) -> Iterable[Row]:
    yield from _publish(bench, "publish-telemetry", "mqtt-telemetry")


def publish_broker(bench: Bench) -> Iterable[Row]:
    yield from _publish(bench, "publish-broker", "mqtt-publish")


def _publish(bench: Bench, row: str, script: str) -> Iterable[Row]:
    database = bench.new_database(devices=CLIENTS)
    with (
        mosquitto(bench.directory) as reference,
        firstboot(database.data_dir, "mqtt", changed=NO_RATE_LIMIT) as server,
    ):
        yield bench.compare(row, Contestant(server, script, database), Contestant(reference, script))
