"""How fast devices provision themselves over CoAP."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.bench import Bench, Contestant, Row
from benchmarks.servers import NO_RATE_LIMIT, firstboot, own_reference


def coap_sqlite(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    with (
        own_reference("coap_echo", bench.directory) as echo,
        firstboot(database.data_dir, "coap", changed=NO_RATE_LIMIT) as server,
    ):
        yield bench.compare(
            "coap-sqlite",
            Contestant(server, "coap-provision", database),
            Contestant(echo, "coap-echo"),
        )
