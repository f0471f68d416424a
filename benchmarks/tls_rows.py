"""How much TLS costs."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.arithmetic import median_ratio
from benchmarks.bench import Bench, Contestant, Row
from benchmarks.servers import firstboot, own_reference
from firstboot.development_certificates import DevelopmentFiles, make_certificates


def tls_handshake(bench: Bench) -> Iterable[Row]:
    database = bench.new_database()
    files = DevelopmentFiles(database.data_dir / "tls")
    make_certificates(files, ["localhost"])
    settings = {
        "TLS__CERT": str(files.server),
        "TLS__KEY": str(files.server_key),
        "MQTT__TLS_BIND": "127.0.0.1:0",
    }
    with (
        own_reference("tls_echo", bench.directory) as reference,
        firstboot(database.data_dir, "mqtts", changed=settings) as server,
    ):
        ours, theirs = bench.in_turns([Contestant(server, "tls-hello"), Contestant(reference, "tls-echo")])
    # By processor time: a handshake is as much work for the client, which would be what is measured.
    value = median_ratio([(b.server_us, a.server_us) for a, b in zip(ours, theirs, strict=True)])
    yield Row(id="tls-handshake", value=value, detail="EC P-256, no resumption", ours=ours, reference=theirs)
