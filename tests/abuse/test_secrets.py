"""No secret anywhere but where it belongs (SE-1 to SE-5, SE-7, SE-11, SE-12; invariant I5).

A server runs at DEBUG through everything that a secret of each kind can meet: right, wrong, refused, malformed,
vetoed by a plugin that talks too much. Then everything that was written is searched for every secret, also in
hexadecimal and base64.
"""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.harness import MqttPeer, ServerProcess, environment, firstboot, server_process
from tests.services import PostgresServer

from firstboot.secret import Secret
from firstboot_plugins.transports.mqtt.packets import Connack, Connect, Publish

_PLUGIN = """\
import logging

from firstboot.hookspecs import hookimpl

FIRSTBOOT_API = 1


@hookimpl
def firstboot_device_provisioning(request, proposal):
    logging.getLogger("talkative").debug("%r %s %r", request, request, proposal)
    if proposal.name == "talked-about":
        raise RuntimeError(f"{request} {request!r} {request.secret} {request.wanted}")


@hookimpl
def firstboot_device_provisioned(event):
    logging.getLogger("talkative").debug("%r %s", event, event)


@hookimpl
def firstboot_provisioning_refused(event):
    logging.getLogger("talkative").debug("%r %s", event, event)
"""


@dataclass
class Secrets:
    """Every secret that was used, by what it is."""

    by_kind: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, text: str) -> str:
        assert len(text) >= 12, f"{kind} is too short to be searched for"
        self.by_kind[f"{kind} #{len(self.by_kind)}"] = text
        return text

    def found_in(self, content: bytes) -> set[str]:
        """Return the kinds that occur, in any of the forms in which bytes are written as text."""
        found = set()
        lower = content.lower()
        for kind, text in self.by_kind.items():
            raw = text.encode()
            forms = {raw, raw.hex().encode(), base64.b64encode(raw).rstrip(b"="), text.encode("utf-16-le")}
            if len(text) % 2 == 0 and set(text) <= set("0123456789abcdef"):
                forms.add(bytes.fromhex(text))  # a key that is written in hexadecimal
            if any(form in content for form in forms) or raw.hex().encode() in lower:
                found.add(kind)
        return found


class Scenario:
    """The server, its operator and its devices."""

    def __init__(self, tmp_path: Path, env: dict[str, str]) -> None:
        self.tmp_path = tmp_path
        self.env = env
        self.secrets = Secrets()
        self.written: dict[str, bytes] = {}
        """What was written for others than the secret's owner, by where."""

    def cli(self, *arguments: str, is_owner: bool = False, status: int = 0) -> str:
        done = firstboot(self.env, *arguments, check=False)
        assert done.returncode == status, done.stderr
        place = f"firstboot {' '.join(arguments[:2])}"
        self.written[f"{place}: stderr"] = self.written.get(f"{place}: stderr", b"") + done.stderr.encode()
        if not is_owner:
            self.written[f"{place}: stdout"] = self.written.get(f"{place}: stdout", b"") + done.stdout.encode()
        return done.stdout

    async def post(self, server: ServerProcess, body: bytes, *, path: str = "/api/v1/provision") -> dict[str, Any]:
        async with httpx2.AsyncClient() as client:
            response = await client.post(f"http://127.0.0.1:{server.http_port}{path}", content=body)
        self.written[f"HTTP answer {response.status_code}"] = response.content + str(response.headers).encode()
        try:
            answer = json.loads(response.content)
        except ValueError:
            return {}
        if isinstance(answer, dict) and answer.get("status") == "SUCCESS":
            del self.written[f"HTTP answer {response.status_code}"]  # the owner's
            return answer
        return {}

    async def login(self, server: ServerProcess, **fields: Any) -> int:
        peer = await MqttPeer.open(server.mqtt_port)
        try:
            await peer.connect(Connect(5, fields.pop("client_id", "c"), True, 60, **fields))
            return (await peer.expect(Connack)).reason
        finally:
            await peer.close()

    async def publish(self, server: ServerProcess, payload: bytes) -> None:
        """Publish a request, and keep the answer, whatever it is."""
        peer = await MqttPeer.open(server.mqtt_port)
        try:
            await peer.connect(Connect(4, "", True, 60, username="provision"))
            await peer.expect(Connack)
            await peer.send(Publish("/provision/request", payload))
            answer = await peer.receive()
            if isinstance(answer, Publish):
                self.written["MQTT answer"] = self.written.get("MQTT answer", b"") + answer.payload
        finally:
            await peer.close()


LOOKS: list[list[str]] = [
    ["profile", "list"], ["profile", "show", "demo", "--json"], ["device", "list", "--json"],
    ["device", "show", "own", "--json"], ["audit", "list", "--limit", "10000", "--json"], ["audit", "verify"],
    ["plugins", "list", "--json"], ["check-config"],
]  # fmt: skip


async def play(scene: Scenario, server: ServerProcess, looks: list[list[str]]) -> None:
    """Use a secret of every kind, rightly and wrongly; then look around with these commands."""
    add = scene.secrets.add
    shown = json.loads(scene.cli("profile", "show", "demo", "--show-secret", "--json", is_owner=True))
    key, secret = shown["provision_key"], add("provision secret", shown["provision_secret"])

    def request(name: str, given: str = secret, **more: Any) -> bytes:
        return json.dumps(
            {"deviceName": name, "provisionDeviceKey": key, "provisionDeviceSecret": given, **more}
        ).encode()

    # Devices, with credentials of every type.
    made = await scene.post(server, request("generated"))
    generated = add("generated token", made["credentialsValue"])
    token = add("own token", "own-token-of-a-device-1")
    assert await scene.post(server, request("own", credentialsType="ACCESS_TOKEN", token=token))
    password = add("MQTT password", "mqtt-password-of-device-2")
    basic = {"credentialsType": "MQTT_BASIC", "clientId": "c2", "username": "user-2", "password": password}
    assert await scene.post(server, request("basic", **basic))
    certificate = add("certificate", "MIIBcertificateOfDevice3")
    assert await scene.post(server, request("x509", credentialsType="X509_CERTIFICATE", hash=certificate))
    assert await scene.login(server, username=generated) == 0
    assert await scene.login(server, username=token) == 0
    assert await scene.login(server, client_id="c2", username="user-2", password=password.encode()) == 0

    # Wrong ones: a device that is misconfigured sends what opens something elsewhere.
    wrong = add("wrong provision secret", "wrong-provision-secret-9")
    await scene.post(server, request("stranger", wrong))
    await scene.publish(server, request("stranger", wrong))
    await scene.publish(server, request("own", token=token, credentialsType="ACCESS_TOKEN"))
    await scene.post(server, request("thief", token=token, credentialsType="ACCESS_TOKEN"))
    await scene.post(
        server, request("talked-about", credentialsType="MQTT_BASIC", username="u", password=password)
    )
    wrong_password = add("wrong password", "wrong-password-of-device-2")
    assert await scene.login(server, client_id="c2", username="user-2", password=wrong_password.encode()) != 0
    assert await scene.login(server, username=add("unknown token", "unknown-token-someone-has")) != 0

    # Malformed ones.
    for body in (
        request("cut")[:-3],
        request("twice").replace(b"}", b',"provisionDeviceSecret":3}'),
        request("bad-type", credentialsType="OTHER", token=token, password=password),
        request("bad-name\n\x00", token=token, credentialsType="ACCESS_TOKEN"),
        b"\xff" + request("not-text"),
        json.dumps([secret, token]).encode(),
        secret.encode(),
    ):
        await scene.post(server, body)
        await scene.publish(server, body)
    await scene.post(server, b"", path=f"/api/v1/{token}/telemetry")

    # The operator.
    chosen = add("rotated provision secret", "rotated-secret-chosen-4711")
    scene.cli("profile", "rotate-secret", "demo", "--secret", chosen, is_owner=True)
    operators = add("operator's token", "token-given-by-operator")
    scene.cli("device", "create", "pre", "--profile", "demo", "--token", operators, is_owner=True)
    scene.cli("device", "create", "pre-2", "--profile", "demo", "--token", operators, status=1)
    scene.cli("device", "create", "pre-3", "--profile", "demo", "--username", "u", "--password", password,
              is_owner=True)  # fmt: skip
    scene.cli("device", "reopen", "pre")
    add("server key", (scene.tmp_path / "data/server.key").read_text().strip())
    scene.cli("key", "rotate")
    add("server key", (scene.tmp_path / "data/server.key").read_text().strip())
    for command in looks:
        scene.cli(*command)


def settings(tmp_path: Path) -> dict[str, str]:
    plugin = tmp_path / "plugin"
    plugin.mkdir()
    (plugin / "talkative_plugin.py").write_text(_PLUGIN)
    return {
        "PYTHONPATH": os.pathsep.join(filter(None, [str(plugin), os.environ.get("PYTHONPATH")])),
        "FIRSTBOOT_PLUGINS__LOAD": '["talkative_plugin"]',
        "FIRSTBOOT_SERVER__LOG_LEVEL": "DEBUG",
        "FIRSTBOOT_PROVISIONING__FAILURE_DELAY": "0ms",
    }


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scenario]:
    return Scenario(tmp_path, environment(tmp_path, **settings(tmp_path)))


def assert_nothing_leaked(scene: Scenario) -> None:
    leaks = {
        place: found for place, content in scene.written.items() if (found := scene.secrets.found_in(content))
    }
    assert leaks == {}


def more_of(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith("FIRSTBOOT_") or name == "PYTHONPATH"}


async def test_no_secret_is_in_logs_answers_audit_database_or_backup(tmp_path: Path, scene: Scenario) -> None:
    """SE-2, SE-3, SE-5, SE-7, SE-11: on SQLite, with its write-ahead log, stopped and killed."""
    await asyncio.to_thread(scene.cli, "profile", "create", "demo", is_owner=True)
    with server_process(tmp_path, **more_of(scene.env)) as server:
        await play(scene, server, LOOKS)
        scene.cli("backup", str(tmp_path / "copy.db"))
        server.process.send_signal(signal.SIGKILL)  # what is in memory goes into no core or crash report either
        server.process.wait(30)

    for file in [*(tmp_path / "data").iterdir(), tmp_path / "copy.db"]:
        if file.name != "server.key":
            scene.written[file.name] = file.read_bytes()
    scene.written["log"] = (tmp_path / "server.log").read_bytes()
    assert {"firstboot.db", "firstboot.db-wal", "copy.db", "log"} <= scene.written.keys()
    log = scene.written["log"].decode()
    assert "talkative" in log, "the log is at DEBUG"
    assert "stranger" in log
    assert_nothing_leaked(scene)


async def test_no_secret_is_in_a_dump_of_postgresql(
    tmp_path: Path, scene: Scenario, postgres_server: PostgresServer, postgres_database: str
) -> None:
    """SE-3: and the password of the database is in no log or error."""
    password = scene.secrets.add("database password", "password-of-the-database")
    scene.env["FIRSTBOOT_STORAGE__URL"] = postgres_database.replace("app@", f"app:{password}@")
    await asyncio.to_thread(scene.cli, "profile", "create", "demo", is_owner=True)
    with server_process(tmp_path, **more_of(scene.env)) as server:
        await play(scene, server, [])
        scene.cli("backup", str(tmp_path / "copy.db"), status=1)
        assert server.stop() == 0
    away = {**scene.env, "FIRSTBOOT_STORAGE__URL": f"postgres://app:{password}@127.0.0.1:1/nowhere?x={password}"}
    refused = firstboot(away, "serve", check=False)
    assert refused.returncode == 2
    scene.written["refused start"] = (refused.stdout + refused.stderr).encode()

    scene.written["dump"] = dump_of(postgres_server, postgres_database)
    scene.written["log"] = (tmp_path / "server.log").read_bytes()
    assert b'"own"' in scene.written["dump"], "the audit log has the names of devices in the clear"
    assert_nothing_leaked(scene)


def dump_of(server: PostgresServer, url: str) -> bytes:
    return subprocess.run([server.programs / "pg_dump", "--dbname", url], capture_output=True, check=True).stdout


def test_the_search_finds_what_it_looks_for() -> None:
    secrets = Secrets()
    secrets.add("token", "0123456789abcdef")

    for form in (b"0123456789abcdef", b"30313233343536373839616263646566", b"MDEyMzQ1Njc4OWFiY2RlZg",
                 bytes.fromhex("0123456789abcdef")):  # fmt: skip
        assert secrets.found_in(b"before " + form + b" after") == {"token #0"}
    assert secrets.found_in(b"0123456789abcde") == set()


async def test_every_file_is_for_its_owner_only(tmp_path: Path, scene: Scenario) -> None:
    """SE-12: while the server runs, whatever the umask."""
    old = os.umask(0)
    try:
        scene.cli("profile", "create", "demo", is_owner=True)
        with server_process(tmp_path, **more_of(scene.env)):
            scene.cli("backup", str(tmp_path / "copy.db"))
            files = [*(tmp_path / "data").iterdir(), tmp_path / "copy.db"]
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in files}
    finally:
        os.umask(old)

    assert {"firstboot.db", "firstboot.db-wal", "server.key", "server.lock"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700


def test_an_entry_of_the_log_is_one_line_whatever_a_device_sends(tmp_path: Path, scene: Scenario) -> None:
    """SE-5: control characters are escaped, values are cut at 256 characters."""
    scene.cli("profile", "create", "demo", is_owner=True)
    with server_process(tmp_path, **more_of(scene.env)) as server:
        for name in ('x\r\n{"level": "error", "message": "forged"}', "long" * 1000, "\x1b[2J", "\u2028forged"):
            body = {"deviceName": name, "provisionDeviceKey": name, "provisionDeviceSecret": name}
            httpx2.post(f"http://127.0.0.1:{server.http_port}/api/v1/provision", json=body)
        assert server.stop() == 0

    lines = (tmp_path / "server.log").read_text().split("\n")
    entries = [json.loads(line) for line in lines if line]
    assert "forged" not in {entry["message"] for entry in entries}
    assert {entry["code"] for entry in entries if entry["message"] == "device refused"} == {"unknown-key"}
    for entry in entries:
        assert all(len(value) <= 256 for value in entry.values() if isinstance(value, str))


def test_no_setting_has_a_secret_by_default() -> None:
    """SE-1: what is installed has no password that everybody knows."""
    from firstboot.config import ConfigSource
    from firstboot.core import lay_foundation

    foundation = lay_foundation(ConfigSource.read(None, {}))

    for section in foundation.plugins.config_sections().values():
        for setting in dataclasses.fields(section):
            value = getattr(foundation.config.section(section), setting.name)
            assert not isinstance(value, Secret)
            assert not setting.name.endswith(("password", "secret")) or not isinstance(value, str)


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    """SE-1."""
    drawn = []
    for name in ("a", "b"):
        folder = tmp_path / name
        folder.mkdir()
        env = environment(folder)
        made = json.loads(firstboot(env, "profile", "create", "demo", "--json").stdout)
        device = json.loads(firstboot(env, "device", "create", "m", "--profile", "demo", "--json").stdout)[0]
        drawn.append({
            made["provision_key"], made["provision_secret"], device["credentials"],
            (folder / "data/server.key").read_text(),
        })  # fmt: skip

    assert drawn[0].isdisjoint(drawn[1])
