"""The examples with TLS do what they say at a real server."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import ssl
import subprocess
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from tests.harness import Profile, environment, firstboot
from tests.integration.clients.live import WAIT_S, LiveServer, live_server, run_program
from tests.integration.provisioning.fake_clock import FakeClock
from tests.integration.tls.making import authority, issue
from tests.integration.tls.secured import Secured, secured
from tests.integration.x509.fleet import csr, issued
from tests.services import free_port, require_tool

from firstboot.model import ReprovisionPolicy

EXAMPLES = Path(__file__).parents[2] / "examples" / "tls"
CONFIG = EXAMPLES / "firstboot.toml"
RUN = {
    "mqtt_tls.sh", "https.sh", "mqtt_websocket.py", "maker.sh", "mutual_tls.sh", "name_authority.sh",
    "csr_device.sh",
}  # fmt: skip
REPORTED = "Reported.\n"
DAY_S = 86_400


@dataclass(frozen=True)
class Site:
    """A server with the settings of the examples, a maker, and what devices trust."""

    live: LiveServer
    maker: Path
    """The maker's folder."""
    ca: str

    def port(self, listener: str) -> str:
        return str(self.live.process.listeners[listener]["port"])

    def profile(self, secret: str | None = None) -> list[str]:
        return [self.live.key, secret or self.live.secret]

    def run(self, script: str, disk: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Start a device that is called as its first lines say."""
        ports = {"MQTTS_PORT": self.port("mqtts"), "HTTPS_PORT": self.port("https")}
        return shell(script, disk, "localhost", self.ca, *arguments, **ports)


def shell(script: str, folder: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    for tool in ("openssl", "curl", "mosquitto_pub", "mosquitto_rr"):
        require_tool(tool)
    return subprocess.run(
        ["sh", str(EXAMPLES / script), *arguments],
        cwd=folder, env={**os.environ, **env}, capture_output=True, text=True, check=False, timeout=WAIT_S,
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, maker = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("maker")
    env = environment(folder)
    firstboot(env, "certs", "init")
    done = shell("maker.sh", maker, "meter-3")
    assert done.returncode == 0, done.stderr
    firstboot(env, "profile", "create", "meters", "--strategy", "x509-certificate-chain")
    firstboot(
        env, "ca", "trust", "meters", str(maker / "maker-ca.crt"), "--pattern", "(.*)[.]example[.]com",
        "--allow-create",
    )  # fmt: skip
    tls = folder / "data" / "tls"
    binds = ("MQTT__TLS_BIND", "MQTT__WS_BIND", "MQTT__WSS_BIND", "HTTP__TLS_BIND")
    settings = {
        "FIRSTBOOT_CONFIG": str(CONFIG),
        "FIRSTBOOT_TLS__CERT": str(tls / "server.crt"),
        "FIRSTBOOT_TLS__KEY": str(tls / "server.key"),
        **{f"FIRSTBOOT_{bind}": "127.0.0.1:0" for bind in binds},
    }
    with live_server(folder, **settings) as live:
        yield Site(live, maker, str(tls / "ca.crt"))


def test_the_settings_are_good_after_certs_init_where_the_server_runs(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTBOOT_")}
    for command in (["certs", "init"], ["check-config", "--config", str(CONFIG)]):
        done = subprocess.run(
            [sys.executable, "-m", "firstboot", *command],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=WAIT_S,
        )  # fmt: skip

        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", ["mqtt_tls.sh", "https.sh"])
def test_a_device_provisions_itself_and_reports_and_comes_back(site: Site, tmp_path: Path, script: str) -> None:
    first = site.run(script, tmp_path, *site.profile(), script)
    kept = (tmp_path / "token").read_bytes()
    second = site.run(script, tmp_path, *site.profile("no longer needed"), script)

    assert (first.returncode, first.stdout) == (0, REPORTED), first.stderr
    assert (second.returncode, second.stdout) == (0, REPORTED), second.stderr
    assert (tmp_path / "token").read_bytes() == kept
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600
    assert site.live.show(script)["state"] == "in use"


@pytest.mark.parametrize("script", ["mqtt_tls.sh", "https.sh", "csr_device.sh"])
def test_a_refused_device_says_so_and_keeps_nothing(site: Site, tmp_path: Path, script: str) -> None:
    done = site.run(script, tmp_path, *site.profile("not the secret"), "refused")

    assert done.returncode != 0
    assert "NOT_FOUND" in done.stderr
    assert not {"token", "own.pem"} & {file.name for file in tmp_path.iterdir()}


@pytest.mark.parametrize("script", ["mqtt_tls.sh", "https.sh", "csr_device.sh"])
def test_a_device_does_not_talk_to_another_server(site: Site, tmp_path: Path, script: str) -> None:
    (tmp_path / "another.crt").write_bytes(authority("another CA").pem)

    done = shell(
        script, tmp_path, "localhost", "another.crt", *site.profile(), "misled",
        MQTTS_PORT=site.port("mqtts"), HTTPS_PORT=site.port("https"),
    )  # fmt: skip

    assert done.returncode != 0
    assert re.search("certificate|TLS", done.stderr)
    assert REPORTED not in done.stdout


@pytest.mark.parametrize("listener", ["mqttws", "mqttwss"])
def test_a_device_reports_over_websocket(site: Site, paho_mqtt: Path, listener: str) -> None:
    name = f"over {listener}"
    server = ["localhost", site.port(listener)]
    tls = ["--ca", site.ca] if listener == "mqttwss" else []

    done = run_program(
        EXAMPLES / "mqtt_websocket.py", *server, site.live.provision(name), *tls, python_path=paho_mqtt
    )
    unknown = run_program(EXAMPLES / "mqtt_websocket.py", *server, "no token", *tls, python_path=paho_mqtt)

    assert (done.returncode, done.stdout) == (0, REPORTED), done.stderr
    assert site.live.show(name)["state"] == "in use"
    assert (unknown.returncode, unknown.stdout) == (1, "")
    assert "Not logged in" in unknown.stderr


def test_over_websocket_a_device_without_a_server_says_so(paho_mqtt: Path) -> None:
    done = run_program(
        EXAMPLES / "mqtt_websocket.py", "localhost", str(free_port()), "token", python_path=paho_mqtt
    )

    assert done.returncode == 1
    assert done.stderr.startswith("No server at localhost")


def test_a_device_of_the_maker_reports_without_having_been_announced(site: Site) -> None:
    done = site.run("mutual_tls.sh", site.maker, "meter-3")

    assert done.returncode == 0, done.stderr
    said, answer = done.stdout.splitlines()
    assert said == "Reported over MQTT."
    assert '"status":"SUCCESS"' in answer
    assert site.live.show("meter-3")["credentials_type"] == "X509_CERTIFICATE"


def test_the_maker_makes_more_devices_with_the_same_authority(site: Site) -> None:
    authority_ = (site.maker / "maker-ca.crt").read_bytes()
    made = shell("maker.sh", site.maker, "meter-33")

    done = site.run("mutual_tls.sh", site.maker, "meter-33")

    assert (made.returncode, done.returncode) == (0, 0), made.stderr + done.stderr
    assert (site.maker / "maker-ca.crt").read_bytes() == authority_


def test_a_certificate_of_another_maker_is_refused(site: Site, tmp_path: Path) -> None:
    issue("meter-3.example.com", by=authority("Example maker")).write(tmp_path, "meter-3")

    done = site.run("mutual_tls.sh", tmp_path, "meter-3")

    assert done.returncode != 0
    assert "not authorised" in done.stderr


def test_a_tenant_among_others_names_its_maker_and_proves_it(site: Site, tmp_path: Path) -> None:
    env = site.live.process.environment
    firstboot(env, "tenant", "create", "acme")
    firstboot(env, "profile", "create", "pumps", "--strategy", "x509-certificate-chain", "--tenant", "acme")
    scopes = ["--scope", "profiles:read", "--scope", "profiles:write"]
    made = firstboot(env, "token", "create", "t", *scopes, "--tenant", "acme", "--json")
    token = json.loads(made.stdout)["token"]
    shown = site.live.call("GET", "/api/firstboot/profiles", token=token).body
    (profile,) = [each["id"] for each in shown["items"] if each["name"] == "pumps"]
    assert shell("maker.sh", tmp_path, "pump-1").returncode == 0
    ports = {"HTTPS_PORT": site.port("https"), "TOKEN": token}
    whose = ["localhost", site.ca, profile, "maker-ca.crt"]
    issue().write(tmp_path, "another")

    refused = shell("name_authority.sh", tmp_path, *whose, "another.key", **ports)
    named = shell("name_authority.sh", tmp_path, *whose, "maker-ca.key", **ports)

    assert (refused.returncode, "not the challenge signed" in refused.stdout) == (22, True)
    assert (named.returncode, '"authorityCounts":true' in named.stdout) == (0, True), named.stderr
    device = site.run("mutual_tls.sh", tmp_path, "pump-1")
    assert device.returncode == 0, device.stderr


@dataclass
class Owner:
    """A server whose clock a test sets, and the disk of a device that wants a certificate of it."""

    live: Secured
    clock: FakeClock
    profile: Profile
    disk: Path

    async def boot(self, renew_days: int = 60) -> str:
        """Start the device; return what it says."""
        for tool in ("openssl", "curl", "mosquitto_pub"):
            require_tool(tool)
        ports = {"MQTTS_PORT": str(self.live.port("mqtts")), "HTTPS_PORT": str(self.live.port("https"))}
        device = await asyncio.create_subprocess_exec(
            "sh", str(EXAMPLES / "csr_device.sh"), "localhost", str(self.live.ca_file), self.profile.key,
            self.profile.secret, "meter-4",
            cwd=self.disk, env={**os.environ, **ports, "RENEW_DAYS": str(renew_days)}, stdout=PIPE, stderr=STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(WAIT_S):
            said, _ = await device.communicate()
        assert device.returncode == 0, said.decode()
        return said.decode()

    def serial(self) -> int:
        """Return the serial number of the certificate that the device has."""
        return x509.load_pem_x509_certificates((self.disk / "own.pem").read_bytes())[0].serial_number


@pytest.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    clock = FakeClock(round(time.time() * 1000))
    ca = authority()
    async with secured(tmp_path, ca, issue("server", by=ca, hosts=["localhost"]), clock=clock.clock) as live:
        disk = tmp_path / "disk"
        disk.mkdir()
        profile = await live.server.profile(reprovision=ReprovisionPolicy.RETRY)
        yield Owner(live, clock, profile, disk)


async def test_a_device_gets_a_certificate_for_its_key_and_renews_it_in_time(owner: Owner) -> None:
    assert (await owner.boot()).startswith("Reported.")
    first = owner.serial()
    assert (await owner.boot()).startswith("Reported.")
    assert owner.serial() == first

    owner.clock.advance(300 * DAY_S)
    assert (await owner.boot(renew_days=400)).startswith("Reported.")

    assert owner.serial() != first
    assert [file.name for file in owner.disk.iterdir()] == ["own.pem"]
    assert (owner.disk / "own.pem").stat().st_mode & 0o777 == 0o600
    ssl.create_default_context().load_cert_chain(owner.disk / "own.pem")  # the key belongs to it


async def test_a_device_whose_first_answer_was_lost_gets_it_again(owner: Owner) -> None:
    key, request = csr()
    one_line = "".join(request.splitlines()[1:-1])
    answer = await owner.live.server.post(owner.profile.request("meter-4", csr=one_line))
    lost = issued(key, answer["credentialsValue"])
    (owner.disk / "new.key").write_bytes(lost.key_pem())
    (owner.disk / "new.csr").write_bytes(base64.b64decode(one_line))

    assert (await owner.boot()).startswith("Reported.")

    assert owner.serial() == lost.certificate.serial_number


async def test_a_device_that_renews_too_early_goes_on_with_what_it_has(owner: Owner) -> None:
    await owner.boot()
    first = owner.serial()

    said = await owner.boot(renew_days=400)

    assert "Refused" in said
    assert "Reported." in said
    assert owner.serial() == first


def test_every_example_is_run_here_and_stands_in_the_readme() -> None:
    on_disk = {file.name for file in EXAMPLES.iterdir() if file.suffix in (".py", ".sh")}
    readme = (EXAMPLES / "README.md").read_text()

    assert on_disk == RUN
    assert [name for name in (*on_disk, CONFIG.name) if f"`{name}`" not in readme] == []
