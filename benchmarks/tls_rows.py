"""How much TLS and DTLS cost."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.arithmetic import median_ratio
from benchmarks.bench import Bench, Contestant, Row
from benchmarks.databases import Database
from benchmarks.servers import NO_RATE_LIMIT, firstboot, own_reference
from firstboot.development_certificates import DevelopmentFiles, make_certificates

DTLS_CLIENTS = 16
"""Fewer than the handshakes of one address that may go on at the same time."""


def tls_handshake(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    settings = _certified(database) | {"MQTT__TLS_BIND": "127.0.0.1:0"}
    with (
        own_reference("tls_echo", bench.directory) as reference,
        firstboot(database.data_dir, "mqtts", changed=settings) as server,
    ):
        yield _handshakes(
            bench, "tls-handshake", Contestant(server, "tls-hello"), Contestant(reference, "tls-echo")
        )


def dtls_handshake(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    settings = {**_certified(database), **NO_RATE_LIMIT, "COAP__DTLS_BIND": "127.0.0.1:0"}
    with (
        own_reference("dtls_echo", bench.directory) as reference,
        firstboot(database.data_dir, "coaps", changed=settings) as server,
    ):
        yield _handshakes(
            bench,
            "dtls-handshake",
            Contestant(server, "dtls-nothing", clients=DTLS_CLIENTS),
            Contestant(reference, "dtls-echo", clients=DTLS_CLIENTS),
        )


def _certified(database: Database) -> dict[str, str]:
    """Make certificates; return the settings that name them."""
    files = DevelopmentFiles(database.data_dir / "tls")
    make_certificates(files, ["localhost"])
    return {"TLS__CERT": str(files.server), "TLS__KEY": str(files.server_key)}


def _handshakes(bench: Bench, row: str, ours: Contestant, reference: Contestant) -> Row:
    rates = bench.in_turns([ours, reference])
    # By processor time: a handshake is as much work for the client, which would be what is measured.
    value = median_ratio([(b.server_us, a.server_us) for a, b in zip(*rates, strict=True)])
    return Row(id=row, value=value, detail="EC P-256, no resumption", ours=rates[0], reference=rates[1])
