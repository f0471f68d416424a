"""SE-8, OP-13: what is wrong with certificates is said before anybody connects, all of it, with a remedy."""

from __future__ import annotations

import asyncio
import dataclasses
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.harness import running
from tests.integration.tls.making import Identity, issue
from tests.integration.tls.secured import ANYWHERE, secured

from firstboot.errors import StartRefused

Spoil = Callable[[Path, Path, Identity], object]


def other_key(cert: Path, key: Path, identity: Identity) -> None:
    key.write_bytes(issue().key_pem())


def swapped_chain(cert: Path, key: Path, identity: Identity) -> None:
    cert.write_bytes(issue().pem + identity.pem)


WRONG: dict[str, tuple[Spoil, str]] = {
    "no certificate file": (lambda c, k, i: c.unlink(), r"tls\.cert: .*server\.crt cannot be read \(No such file"),
    "no key file": (lambda c, k, i: k.unlink(), r"tls\.key: .*server\.key cannot be read \(No such file"),
    "a folder": (lambda c, k, i: (c.unlink(), c.mkdir()), r"tls\.cert: .* cannot be read \(Is a directory\)"),
    "an empty certificate": (lambda c, k, i: c.write_bytes(b""), r"tls\.cert: .*server\.crt is no certificate"),
    "an empty key": (lambda c, k, i: k.write_bytes(b""), r"tls\.key: .*server\.key is no private key"),
    "no PEM": (lambda c, k, i: c.write_bytes(i.der), r"tls\.cert: .* is no certificate in PEM"),
    "the key twice": (lambda c, k, i: c.write_bytes(i.key_pem()), r"tls\.cert: .* is no certificate in PEM"),
    "a passphrase": (lambda c, k, i: k.write_bytes(i.key_pem(b"x")), r"tls\.key: .* has a passphrase.*openssl"),
    "the key of another": (other_key, r"tls\.key: .*server\.key is not the key of .*server\.crt"),
    "a reordered chain": (swapped_chain, r"tls\.cert: .* begins with the certificate of somebody else"),
    "a key for everybody": (lambda c, k, i: k.chmod(0o644), r"tls\.key: others may read .*Run: chmod o= "),
    "a key that others write": (lambda c, k, i: k.chmod(0o602), r"tls\.key: others may read or write"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
async def test_se_8_a_server_with_wrong_files_does_not_start(
    tmp_path: Path, ca: Identity, identity: Identity, wrong: str
) -> None:
    spoil, message = WRONG[wrong]
    cert, key = identity.write(tmp_path / "tls")
    spoil(cert, key, identity)

    with pytest.raises(StartRefused, match=message):
        async with running(tmp_path, tls={"cert": cert, "key": key}, mqtt={"tls_bind": ANYWHERE}):
            pytest.fail("it has started")


async def test_a_key_that_a_group_may_read_is_good(tmp_path: Path, ca: Identity, identity: Identity) -> None:
    """As Debian's group ssl-cert does."""
    cert, key = identity.write(tmp_path / "tls")
    key.chmod(0o640)

    async with running(tmp_path, tls={"cert": cert, "key": key}, mqtt={"tls_bind": ANYWHERE}):
        pass


async def test_se_8_a_certificate_of_tomorrow_is_refused_with_both_dates(tmp_path: Path, ca: Identity) -> None:
    identity = issue("server", by=ca, days=(1, 90))

    with pytest.raises(StartRefused, match=r"tls\.cert: .* is not valid before .* UTC\. It is .* UTC here"):
        async with secured(tmp_path, ca, identity):
            pytest.fail("it has started")


async def test_se_8_a_server_with_a_key_that_is_too_small_does_not_start(tmp_path: Path, ca: Identity) -> None:
    identity = issue("server", by=ca, key=rsa.generate_private_key(65537, 1024))

    with pytest.raises(StartRefused, match=r"tls\.cert: OpenSSL does not take .*too small.*RSA from 2048 bits"):
        async with secured(tmp_path, ca, identity):
            pytest.fail("it has started")


async def test_op_13_all_that_is_wrong_is_said_at_once(tmp_path: Path, ca: Identity, identity: Identity) -> None:
    cert, key = identity.write(tmp_path / "tls")
    wrong = {"cert": cert, "key": tmp_path / "absent", "site": [{"cert": tmp_path / "gone", "key": key}],
             "client_ca": key}  # fmt: skip
    key.chmod(0o600)

    with pytest.raises(StartRefused) as refused:
        async with running(tmp_path, tls=wrong, mqtt={"tls_bind": "192.0.2.1:0", "ws_bind": "192.0.2.1:0"}):
            pytest.fail("it has started")

    said = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in said] == [
        "tls.key", "tls.site.0.cert", "tls.client_ca", "mqtt.tls_bind", "mqtt.ws_bind",
    ]  # fmt: skip


@pytest.mark.parametrize("section", [{"mqtt": {"tls_bind": ANYWHERE}}, {"mqtt": {"wss_bind": ANYWHERE}},
                                     {"http": {"tls_bind": ANYWHERE}}])  # fmt: skip
async def test_op_13_a_listener_that_encrypts_needs_a_certificate(
    tmp_path: Path, section: dict[str, dict[str, str]]
) -> None:
    ((name, keys),) = section.items()

    with pytest.raises(
        StartRefused, match=rf"{name}\.{next(iter(keys))}: needs a certificate.*firstboot certs init"
    ):
        async with running(tmp_path, **section):
            pytest.fail("it has started")


@pytest.mark.parametrize(("given", "missing"), [("cert", "key"), ("key", "cert"), ("client_ca", "cert")])
async def test_op_13_half_a_configuration_names_the_other_half(
    tmp_path: Path, identity: Identity, given: str, missing: str
) -> None:
    cert, key = identity.write(tmp_path / "tls")

    with pytest.raises(StartRefused, match=rf"tls\.{missing}: is missing"):
        async with running(tmp_path, tls={given: key if given == "key" else cert}):
            pytest.fail("it has started")


async def test_op_13_ciphers_that_nobody_knows_are_refused(
    tmp_path: Path, ca: Identity, identity: Identity
) -> None:
    with pytest.raises(StartRefused, match=r"tls\.ciphers: OpenSSL knows no such ciphers"):
        async with secured(tmp_path, ca, identity, tls={"ciphers": "ROT13"}):
            pytest.fail("it has started")


async def test_se_8_a_server_starts_with_a_certificate_that_has_expired_and_is_degraded(
    tmp_path: Path, ca: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart must not turn a renewal that is late into an outage: some devices look at no dates."""
    identity = issue("server", by=ca, hosts=["localhost"], days=(-90, -1))

    async with secured(tmp_path, ca, identity) as live:
        careless = live.client()
        careless.verify_flags |= 0x200000  # X509_V_FLAG_NO_CHECK_TIME: a device without a clock
        peer = await live.open(careless)
        assert await live.connack(peer, username="provision") == 0
        await peer.close()
        health = await live.server.services.health()
        await asyncio.sleep(0)  # the watch speaks first in a turn of its own

    assert health.status == "degraded"
    assert any("has expired" in reason and "server.crt" in reason for reason in health.reasons)
    assert [r.levelname for r in caplog.records if "has expired" in r.getMessage()] == ["ERROR"]


async def test_se_8_a_certificate_that_ends_soon_is_a_warning(
    tmp_path: Path, ca: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    identity = issue("server", by=ca, hosts=["localhost"], days=(-1, 6))

    async with secured(tmp_path, ca, identity) as live:
        await live.served_certificate()
        health = await live.server.services.health()

    assert health.status == "ok"
    assert any("server.crt ends at" in warning for warning in health.warnings)
    assert sum("ends soon" in record.getMessage() for record in caplog.records) == 1


async def test_se_9_listeners_that_encrypt_are_not_called_open(
    tmp_path: Path, ca: Identity, identity: Identity
) -> None:
    world = "0.0.0.0:0"
    async with secured(
        tmp_path, ca, identity,
        mqtt={"tls_bind": world, "ws_bind": world, "wss_bind": world}, http={"tls_bind": world},
    ) as live:  # fmt: skip
        warnings = (await live.server.services.health()).warnings

    assert len(warnings) == 1
    assert "'mqttws'" in warnings[0]


async def test_sni_each_name_gets_its_certificate(tmp_path: Path, ca: Identity, identity: Identity) -> None:
    one = issue("one", by=ca, hosts=["one.example", "*.wild.example"])
    two = issue("two", by=ca, hosts=["TWO.example"])
    files = [one.write(tmp_path / "sites", "one"), two.write(tmp_path / "sites", "two")]
    sites = [{"cert": cert, "key": key} for cert, key in files]

    async with secured(tmp_path, ca, identity, tls={"site": sites}) as live:
        for listener in ("mqtts", "https"):
            for host, expected in {
                "one.example": one, "a.wild.example": one, "two.example": two, "localhost": identity,
            }.items():  # fmt: skip
                assert await live.served_certificate(host, listener) == expected.der
        for host in ("b.a.wild.example", "wild.example", "unknown.example"):
            context = live.client()
            context.check_hostname = False
            peer = await live.open(context, host=host)
            assert peer.writer.get_extra_info("ssl_object").getpeercert(True) == identity.der
            await peer.close()


async def test_se_8_the_floor_can_be_raised(tmp_path: Path, ca: Identity, identity: Identity) -> None:
    async with secured(tmp_path, ca, identity, tls={"min_version": "1.3"}) as live:
        with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
            await live.open(live.client(version=ssl.TLSVersion.TLSv1_2))
        assert await live.served_certificate() == identity.der


async def test_the_chain_that_is_configured_is_sent(tmp_path: Path, ca: Identity) -> None:
    middle = issue("middle CA", by=ca, is_ca=True)
    leaf = issue("server", by=middle, hosts=["localhost"])
    identity = dataclasses.replace(leaf, above=(middle.certificate,))

    async with secured(tmp_path, ca, identity) as live:
        assert await live.served_certificate() == leaf.der  # by a client that knows the root only
