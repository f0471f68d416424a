"""``firstboot certs``: from nothing to the first TLS device, and what is in use."""

from __future__ import annotations

import ssl
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from tests.integration.cli.conftest import CommandLine, cli
from tests.integration.tls.making import issue

from firstboot.config import TlsConfig
from firstboot.tls_files import read_files

__all__ = ["cli"]


@pytest.fixture
def files(cli: CommandLine) -> Path:
    return cli.data_dir() / "tls"


def read(file: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(file.read_bytes())


def test_it_makes_a_certificate_that_the_ca_vouches_for(cli: CommandLine, files: Path) -> None:
    cli("certs", "init", "--host", "iot.example.com", "--host", "192.0.2.7")

    server, ca = read(files / "server.crt"), read(files / "ca.crt")
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["iot.example.com", "localhost"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["192.0.2.7", "127.0.0.1", "::1"]
    server.verify_directly_issued_by(ca)
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not server.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert (server.not_valid_after_utc - datetime.now(UTC)).days <= 397


def test_se_12_nobody_else_may_read_the_keys(cli: CommandLine, files: Path) -> None:
    cli("certs", "init")

    assert files.stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in files.iterdir()} == {
        "ca.crt": 0o644, "ca.key": 0o600, "server.crt": 0o644, "server.key": 0o600,
    }  # fmt: skip


def test_what_it_prints_for_the_configuration_is_accepted(cli: CommandLine, tmp_path: Path) -> None:
    out = cli("certs", "init", "--dir", str(tmp_path / 'a "folder"')).out
    _, _, rest = out.partition("\n\n[tls]\n")
    toml = "[tls]\n" + rest.partition("\n\nThen a device")[0]
    file = tmp_path / "firstboot.toml"
    file.write_text(toml)

    config = tomllib.loads(toml)
    assert config["mqtt"]["tls_bind"] == "0.0.0.0:8883"
    cli("check-config", "-c", str(file))
    (row,) = cli("certs", "show", "-c", str(file), "--json").json
    assert row["names"] == ["localhost"]
    assert row["file"] == config["tls"]["cert"]
    assert "mosquitto_pub --cafile" in out


def test_once_more_it_renews_and_keeps_what_devices_trust(cli: CommandLine, files: Path) -> None:
    first = cli("certs", "init").out
    ca, server = (files / "ca.crt").read_bytes(), (files / "server.crt").read_bytes()

    again = cli("certs", "init", "--host", "new.example").out

    assert "it is new" in first
    assert "it has stayed the same" in again
    assert (files / "ca.crt").read_bytes() == ca
    assert (files / "server.crt").read_bytes() != server
    config = TlsConfig(cert=files / "server.crt", key=files / "server.key")
    read_, problems = read_files(config, datetime.now(UTC))
    assert problems == []
    assert "new.example" in read_.certificates[0].names


def test_it_overwrites_no_certificate_of_somebody_else(cli: CommandLine, files: Path) -> None:
    cli("certs", "init")
    own = issue("bought").pem
    (files / "server.crt").write_bytes(own)

    refused = cli.try_("certs", "init")
    (files / "ca.crt").unlink()
    refused_too = cli.try_("certs", "init")

    assert (refused.status, refused_too.status) == (1, 1)
    assert "Choose another folder" in refused.err
    assert (files / "server.crt").read_bytes() == own
    assert not (files / "ca.crt").exists()


def test_a_ca_that_cannot_be_used_is_named(cli: CommandLine, files: Path) -> None:
    cli("certs", "init")
    (files / "ca.key").write_bytes(issue().key_pem())

    assert "The key is not that of the first certificate" in cli.try_("certs", "init").err
    (files / "ca.key").write_bytes(b"")
    assert "The key of the authority cannot be read" in cli.try_("certs", "init").err


@pytest.mark.parametrize("host", ["", "a..b", "x" * 64 + ".example"])
def test_a_host_that_is_none_is_refused_before_anything_is_made(cli: CommandLine, files: Path, host: str) -> None:
    refused = cli.try_("certs", "init", "--host", host)

    assert refused.status == 1
    assert "is no host name or IP address" in refused.err
    assert not files.exists()


def test_show_and_check_config_say_what_is_wrong(cli: CommandLine, tmp_path: Path) -> None:
    """OP-13."""
    cert, key = issue("old", hosts=["old.example"], days=(-9, -1)).write(tmp_path / "old")
    file = tmp_path / "firstboot.toml"
    file.write_text(f'[tls]\ncert = "{cert}"\nkey = "{key}"\n')

    shown = cli.try_("certs", "show", "-c", str(file))
    checked = cli.try_("check-config", "-c", str(file))
    key.chmod(0o644)
    refused = cli.try_("check-config", "-c", str(file))

    assert shown.status == 2
    assert "old.example" in shown.out
    assert "has expired at" in shown.err
    assert checked.status == 0  # it can be served with
    assert "has expired at" in checked.err
    assert refused.status == 2
    assert "Run: chmod o=" in refused.err


def test_show_says_that_there_is_nothing(cli: CommandLine) -> None:
    shown = cli("certs", "show")

    assert shown.out == ""
    assert "firstboot certs init" in shown.err
    assert cli("certs", "show", "--json").json == []


def test_browsers_and_python_accept_the_certificate(cli: CommandLine, files: Path) -> None:
    cli("certs", "init")
    server, client = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), ssl.create_default_context()
    server.load_cert_chain(files / "server.crt", files / "server.key")
    client.load_verify_locations(files / "ca.crt")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = server.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname="localhost")

    done: set[ssl.SSLObject] = set()
    for side in (client_side, server_side) * 3:
        try:
            side.do_handshake()
            done.add(side)
        except ssl.SSLWantReadError:
            pass
    assert done == {client_side, server_side}
