"""Each device example provisions itself at a real server, and can log in with what it keeps."""

from __future__ import annotations

import ast
import base64
import hashlib
import json
import stat
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from tests.harness import environment, firstboot
from tests.integration.clients.live import LiveServer, live_server, run_program
from tests.services import free_port

DEVICES = Path(__file__).parents[2] / "examples" / "devices"
MQTT = ["mqtt_access_token.py", "mqtt_own_token.py", "mqtt_basic.py"]
HTTP = ["http_access_token.py", "http_own_token.py", "http_mqtt_basic.py"]
X509 = ["mqtt_x509.py", "http_x509.py", "http_csr.py"]
DEVICE_API = ["mqtt_device_api.py", "tb_device_api.py"]
"""Run by `test_device_api`."""
COAP = "coap_access_token.py"
SHARED = ["first_boot.py", "over_mqtt.py", "over_http.py", "device_certificate.py"]
NEEDS_LOGIN = ("mqtt_basic.py", "http_mqtt_basic.py")


@dataclass(frozen=True)
class Board:
    """A device with its disk: runs an example there."""

    live: LiveServer
    paho_mqtt: Path
    disk: Path
    name: str

    def boot(self, example: str, *arguments: str, typed: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Start the example; ``typed`` are the answers to its questions."""
        text = "".join(f"{line}\n" for line in typed)
        return run_program(DEVICES / example, *arguments, python_path=self.paho_mqtt, cwd=self.disk, typed=text)

    def server(self, example: str, port: int | None = None) -> list[str]:
        over_mqtt = example.startswith("mqtt")
        return [
            "--host",
            "127.0.0.1",
            "--port",
            str(port or (self.live.mqtt_port if over_mqtt else self.live.http_port)),
        ]

    def first_boot(self, example: str, secret: str | None = None) -> subprocess.CompletedProcess[str]:
        """Start the example with all that it may ask for."""
        login = ["--client-id", self.name, "--username", f"u-{self.name}", "--password", "some password"]
        return self.boot(
            example,
            *self.server(example),
            *("--key", self.live.key, "--secret", secret or self.live.secret, "--name", self.name),
            *(login if example in NEEDS_LOGIN else []),
        )

    @property
    def file(self) -> Path:
        return self.disk / "credentials.json"

    def login(self) -> dict[str, Any]:
        """Return how to log in with what is kept on the disk."""
        kept = json.loads(self.file.read_text())
        if kept["type"] == "ACCESS_TOKEN":
            return {"username": kept["value"]}
        value = kept["value"]
        return {
            "client_id": value["clientId"],
            "username": value["userName"],
            "password": value["password"].encode(),
        }


@pytest.fixture
def board(live: LiveServer, paho_mqtt: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Board:
    return Board(live, paho_mqtt, tmp_path, request.node.name)


@pytest.mark.parametrize("example", [*MQTT, *HTTP])
async def test_what_it_keeps_logs_in(board: Board, example: str) -> None:
    done = board.first_boot(example)

    assert done.returncode == 0, done.stderr
    assert ("Logged in." in done.stdout) == (example in MQTT)
    assert board.live.show(board.name)["name"] == board.name
    assert await board.live.login(**board.login()) == 0


@pytest.mark.parametrize("example", [*MQTT, *HTTP, *X509])
def test_what_it_keeps_is_for_its_user_only(board: Board, example: str) -> None:
    done = board.first_boot(example)

    assert done.returncode == 0, done.stderr
    kept = [file for file in board.disk.iterdir() if file.is_file()]
    assert board.file in kept
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in kept} == {file.name: 0o600 for file in kept}


@pytest.mark.parametrize("example", MQTT)
def test_on_its_second_boot_it_logs_in_and_asks_for_nothing(board: Board, example: str) -> None:
    board.first_boot(example)
    before = board.file.read_bytes()

    done = board.boot(example, *board.server(example))

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["Logged in."]
    assert board.file.read_bytes() == before


@pytest.mark.parametrize("example", [*HTTP, *X509])
def test_on_its_second_boot_it_does_not_provision_again(board: Board, example: str) -> None:
    board.first_boot(example)
    before = board.file.read_bytes()

    done = board.boot(example, *board.server(example, port=free_port()))

    assert done.returncode == 0, done.stderr
    assert board.file.read_bytes() == before


@pytest.mark.parametrize("example", [*MQTT, *HTTP, *X509])
def test_a_refused_device_says_so_and_keeps_no_credentials(board: Board, example: str) -> None:
    done = board.first_boot(example, secret="not the secret")

    assert done.returncode != 0
    assert "NOT_FOUND" in done.stderr
    assert "Traceback" not in done.stderr
    assert not board.file.exists()


@pytest.mark.parametrize("example", ["mqtt_access_token.py", "http_access_token.py"])
def test_a_device_without_a_server_says_so(board: Board, example: str) -> None:
    done = board.boot(
        example, *board.server(example, port=free_port()), "--key", "k", "--secret", "s", "--name", "n"
    )

    assert done.returncode != 0
    assert "No server at 127.0.0.1" in done.stderr
    assert "Traceback" not in done.stderr


async def test_mqtt_basic_asks_for_everything_that_was_not_given(board: Board) -> None:
    live = board.live
    # Nothing for the host, a port that is none, nothing for the key: it helps itself, or asks again.
    answers = [
        "", "no port", str(live.mqtt_port), "", live.key, live.secret, board.name, "asked-c", "asked-u", "asked p",
    ]  # fmt: skip

    done = board.boot("mqtt_basic.py", typed=answers)

    assert done.returncode == 0, done.stderr
    assert "Logged in." in done.stdout
    assert board.login() == {"client_id": "asked-c", "username": "asked-u", "password": b"asked p"}
    assert await live.login(client_id="asked-c", username="asked-u", password=b"another") == 5


@pytest.mark.parametrize("example", X509)
def test_the_server_knows_the_certificate_whose_key_the_device_keeps(board: Board, example: str) -> None:
    done = board.first_boot(example)

    assert done.returncode == 0, done.stderr
    assert "TLS" in done.stdout
    certificate = x509.load_pem_x509_certificate((board.disk / "device-certificate.pem").read_bytes())
    key = serialization.load_pem_private_key((board.disk / "device-key.pem").read_bytes(), None)
    assert certificate.public_key() == key.public_key()
    one_line = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER))
    shown = board.live.show(board.name)
    assert shown["credentials_type"] == "X509_CERTIFICATE"
    assert shown["credentials"] == hashlib.sha3_256(one_line).hexdigest()
    issued = (board.disk / "device-certificate.pem").read_text()
    value = issued if example == "http_csr.py" else one_line.decode()
    assert json.loads(board.file.read_text()) == {"type": "X509_CERTIFICATE", "value": value}


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveServer, Path]]:
    """Run a server with TLS; return it, and the certificate that vouches for it."""
    folder = tmp_path_factory.mktemp("encrypted")
    firstboot(environment(folder), "certs", "init")
    made = folder / "data" / "tls"
    settings = {
        "FIRSTBOOT_TLS__CERT": str(made / "server.crt"),
        "FIRSTBOOT_TLS__KEY": str(made / "server.key"),
        "FIRSTBOOT_MQTT__TLS_BIND": "127.0.0.1:0",
        "FIRSTBOOT_MQTT__CLIENT_CERTIFICATES": "optional",
    }
    with live_server(folder, **settings) as live:
        yield live, made / "ca.crt"


@pytest.mark.parametrize("example", X509)
def test_with_its_certificate_it_logs_in_over_tls(
    encrypted: tuple[LiveServer, Path], paho_mqtt: Path, tmp_path: Path, example: str
) -> None:
    live, ca = encrypted
    board = Board(live, paho_mqtt, tmp_path, example)
    tls = ["--ca", str(ca), "--tls-port", str(live.process.listeners["mqtts"]["port"])]
    made = board.first_boot(example)

    done = board.boot("mqtt_x509.py", *board.server("mqtt_x509.py"), *tls)

    assert made.returncode == 0, made.stderr
    assert (done.returncode, done.stdout) == (0, "Logged in.\n"), done.stderr


def test_over_coap_it_provisions_itself_and_reports_and_comes_back(board: Board) -> None:
    server = ["--host", "127.0.0.1", "--port", str(board.live.process.listeners["coap"]["port"])]
    profile = ["--key", board.live.key, "--secret", board.live.secret, "--name", board.name]

    refused = board.boot(COAP, *server, *profile[:2], "--secret", "not the secret", *profile[4:])
    first = board.boot(COAP, *server, *profile)
    kept = board.file.read_bytes()
    second = board.boot(COAP, *server)

    assert refused.returncode != 0
    assert "NOT_FOUND" in refused.stderr
    assert (first.returncode, first.stdout) == (0, "Reported.\n"), first.stderr
    assert (second.returncode, second.stdout) == (0, "Reported.\n"), second.stderr
    assert board.file.read_bytes() == kept
    assert board.live.show(board.name)["state"] == "in use"


@pytest.mark.parametrize("module", ["first_boot.py", "over_http.py", *HTTP])
def test_http_needs_nothing_but_pythons_own_library(module: str) -> None:
    tree = ast.parse((DEVICES / module).read_text())

    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}

    tops = {str(name).partition(".")[0] for name in imported}
    assert tops <= sys.stdlib_module_names | {"first_boot", "over_http"}


def test_every_example_is_run_here_and_stands_in_the_readme() -> None:
    on_disk = {file.name for file in DEVICES.glob("*.py")}
    readme = (DEVICES / "README.md").read_text()

    assert on_disk == {*MQTT, *HTTP, *X509, *DEVICE_API, COAP, *SHARED}
    assert [name for name in on_disk if f"`{name}`" not in readme] == []
