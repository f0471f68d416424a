"""How the rows are measured that are about devices which are there and say nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from benchmarks.bench import Bench, Contestant, Row
from benchmarks.idle import enough_descriptors, idle_sessions
from benchmarks.scripts import OWN_TOPIC
from benchmarks.servers import NO_RATE_LIMIT, Missing, firstboot

_SETTLED_SESSIONS = 200
"""Sessions that come before memory is measured, so that what the first ones load is not counted."""
_BUSY_DEVICES = 1000


def idle_at_the_door(bench: Bench) -> Iterable[Row]:
    scripts = {"idle-provision": "mqtt-provision", "idle-connect": "mqtt-connect"}
    yield from _beside_idle_sessions(bench, "session-memory", scripts, b"")


def idle_at_the_broker(bench: Bench) -> Iterable[Row]:
    scripts = {"idle-pubsub-connect": "mqtt-subscribe", "idle-publish": "mqtt-publish"}
    yield from _beside_idle_sessions(bench, "pubsub-memory", scripts, OWN_TOPIC)


def _beside_idle_sessions(
    bench: Bench, memory_row: str, scripts: Mapping[str, str], topic_filter: bytes
) -> Iterable[Row]:
    sessions = bench.effort.idle_sessions
    if not enough_descriptors(sessions):
        raise Missing(f"the limit of open files (ulimit -Hn) is too low for {sessions:,} sessions")
    # The first ones are for the load to log in as: in place of an idle device it would end its session.
    crowded, alone = (bench.new_database(devices=_BUSY_DEVICES + sessions) for _ in range(2))
    detail = f"{sessions:,} sessions"
    with (
        firstboot(crowded.data_dir, "mqtt", changed=NO_RATE_LIMIT) as server,
        firstboot(alone.data_dir, "mqtt", changed=NO_RATE_LIMIT) as reference,
    ):
        with idle_sessions(server, _SETTLED_SESSIONS, topic_filter=topic_filter):
            pass
        before = server.rss_bytes()
        with idle_sessions(server, sessions, first=_BUSY_DEVICES, topic_filter=topic_filter):
            kib = (server.rss_bytes() - before) / 1024 / sessions
            yield Row(id=memory_row, value=kib, detail=detail)
            for row, script in scripts.items():
                yield bench.compare(
                    row,
                    Contestant(server, script, replace(crowded, devices=_BUSY_DEVICES)),
                    Contestant(reference, script, replace(alone, devices=_BUSY_DEVICES)),
                    detail,
                )
