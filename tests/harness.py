"""Real servers and a bare MQTT peer, for the tests."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import httpx2

from firstboot.app import Server, running_server
from firstboot.clock import Clock
from firstboot.config import ConfigSource
from firstboot.core import ExtraPlugin, lay_foundation
from firstboot.model import Device, DeviceProfile, ReprovisionPolicy
from firstboot.secret import Secret
from firstboot.storage import AuditQuery, AuditRow
from firstboot_plugins.transports.mqtt.packets import (
    Connack,
    Connect,
    Packet,
    Publish,
    Suback,
    Subscribe,
    decode_frame,
)

REQUEST_TOPIC = "/provision/request"
RESPONSE_TOPIC = "/provision/response"
WAIT_S = 10.0
"""How long a test waits for what must happen; a passing test never waits this long."""
CHEAP_PASSWORDS = {"password_memory_kib": 8, "password_passes": 1}
"""So that a test that logs in takes no longer than others."""

PacketType = TypeVar("PacketType", bound=Packet)


@dataclass(frozen=True)
class Profile:
    """A profile that a test made, with its secret."""

    profile: DeviceProfile
    key: str
    secret: str

    def request(self, name: str | None = None, **more: Any) -> dict[str, Any]:
        """Return a provisioning request in ThingsBoard's JSON."""
        fields = {"provisionDeviceKey": self.key, "provisionDeviceSecret": self.secret, **more}
        return fields if name is None else {"deviceName": name, **fields}


class TestServer:
    """A server in this process, and what tests do with it."""

    __test__ = False

    def __init__(self, server: Server) -> None:
        self.server = server
        self.core = server.core
        self.services = server.services
        self.mqtt_port = server.listeners["mqtt"].port
        self.http_port = server.listeners["http"].port
        self.coap_port = server.listeners["coap"].port if "coap" in server.listeners else 0
        self.url = f"http://127.0.0.1:{self.http_port}"

    async def profile(
        self,
        name: str = "demo",
        *,
        strategy: str = "allow-create-new",
        key: str | None = None,
        secret: str | None = None,
        reprovision: ReprovisionPolicy = ReprovisionPolicy.REJECT,
        **fields: Any,
    ) -> Profile:
        """Make a device profile that the server knows at once."""
        draft = DeviceProfile(
            id=0,
            public_id=UUID(int=0),
            tenant_id=1,
            name=name,
            strategy=strategy,
            provision_key=None,
            secret_digest=None,
            secret_sealed=None,
            reprovision=reprovision,
            **fields,
        )
        made = await self.core.profiles.create(
            draft, key=key, secret=Secret(secret) if secret else None, actor="test"
        )
        await self.services.provisioning.reload_profiles()
        assert made.profile.provision_key is not None
        return Profile(made.profile, made.profile.provision_key, made.secret.reveal())

    async def post(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Provision over HTTP; return the answer."""
        async with httpx2.AsyncClient() as client:
            response = await client.post(f"{self.url}/api/v1/provision", json=request)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer

    async def device(self, name: str) -> Device | None:
        return await self.core.storage.find_device(1, name)

    async def audit(self) -> Sequence[AuditRow]:
        return await self.core.storage.list_audit(AuditQuery(limit=10_000))

    async def peer(self, connect: Connect | None = None) -> MqttPeer:
        """Open a connection to the MQTT door, and send ``connect`` if there is one."""
        peer = await MqttPeer.open(self.mqtt_port)
        if connect is not None:
            await peer.connect(connect)
        return peer

    async def provision_peer(self, level: int = 4) -> MqttPeer:
        """Open a provision-only session."""
        peer = await self.peer(Connect(level, "", True, 60, username="provision"))
        assert (await peer.expect(Connack)).reason == 0
        return peer


@asynccontextmanager
async def running(
    tmp_path: Path,
    *,
    database: str | None = None,
    plugins: Mapping[str, object] | None = None,
    plugin_settings: Mapping[str, Any] | None = None,
    clock: Clock | None = None,
    **sections: Mapping[str, Any],
) -> AsyncIterator[TestServer]:
    """Run a server in this process on free ports. ``sections`` are settings, such as ``mqtt={"burst": 5}``.

    ``plugins`` are objects, ``plugin_settings`` the section ``[plugins]``.
    """
    settings: dict[str, dict[str, Any]] = {
        "server": {"data_dir": tmp_path / "data"},
        "mqtt": {"bind": "127.0.0.1:0"},
        "http": {"bind": "127.0.0.1:0"},
        "coap": {"bind": "127.0.0.1:0"},
        "plugins": dict(plugin_settings or {}),
        "login": dict(CHEAP_PASSWORDS),
    }
    if database is not None:
        settings["storage"] = {"url": database}
    for name, values in sections.items():
        settings.setdefault(name, {}).update(values)
    extra = [ExtraPlugin(name, plugin) for name, plugin in (plugins or {}).items()]
    foundation = lay_foundation(ConfigSource.read(None, {}, settings), extra)
    async with running_server(foundation, clock) as server:
        yield TestServer(server)


class MqttPeer:
    """A bare MQTT client that sends what it is told, broken packets too."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.level = 4

    @classmethod
    async def open(cls, port: int) -> MqttPeer:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def send(self, *packets: Packet | bytes) -> None:
        for packet in packets:
            self.writer.write(packet if isinstance(packet, bytes) else packet.encode(self.level))
        await self.writer.drain()

    async def connect(self, connect: Connect) -> None:
        self.level = connect.level
        await self.send(connect)

    async def receive(self) -> Packet | None:
        """Return the next packet; None when the server has closed."""
        async with asyncio.timeout(WAIT_S):
            try:
                first = await self.reader.readexactly(1)
                length = shift = 0
                header = bytearray(first)
                while True:
                    byte = (await self.reader.readexactly(1))[0]
                    header.append(byte)
                    length |= (byte & 0x7F) << shift
                    shift += 7
                    if byte < 0x80:
                        break
                body = await self.reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionResetError):
                return None
        return decode_frame(bytes(header) + body, self.level, from_server=True)

    async def expect(self, kind: type[PacketType]) -> PacketType:
        """Return the next packet, which must be of this kind."""
        packet = await self.receive()
        assert isinstance(packet, kind), f"expected {kind.__name__}, got {packet!r}"
        return packet

    async def expect_closed(self) -> list[Packet]:
        """Wait until the server closes; return what it sent before."""
        packets: list[Packet] = []
        while (packet := await self.receive()) is not None:
            packets.append(packet)
        return packets

    async def subscribe(self, topic_filter: str = RESPONSE_TOPIC, qos: int = 0) -> int:
        """Subscribe; return the SUBACK's code."""
        await self.send(Subscribe(1, [(topic_filter, qos)]))
        return (await self.expect(Suback)).reasons[0]

    async def provision(self, request: Mapping[str, Any] | bytes) -> dict[str, Any]:
        """Ask with QoS 0; return the answer."""
        payload = request if isinstance(request, bytes) else json.dumps(request).encode()
        await self.send(Publish(REQUEST_TOPIC, payload))
        answer = await self.expect(Publish)
        assert answer.topic == RESPONSE_TOPIC
        decoded: dict[str, Any] = json.loads(answer.payload)
        return decoded

    async def close(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except OSError:
            pass


async def provision_over_mqtt(server: TestServer, request: Mapping[str, Any]) -> dict[str, Any]:
    """Open a session, provision, close."""
    peer = await server.provision_peer()
    try:
        return await peer.provision(request)
    finally:
        await peer.close()


async def login(server: TestServer, *, level: int = 4, client_id: str = "c", **fields: Any) -> int:
    """Log in as a device and leave; return the CONNACK's code."""
    peer = await server.peer(Connect(level, client_id, True, 60, **fields))
    try:
        return (await peer.expect(Connack)).reason
    finally:
        await peer.close()


# -- the server as a process -----------------------------------------------------------------------


@dataclass
class ServerProcess:
    """A ``firstboot serve`` of its own."""

    process: subprocess.Popen[str]
    listeners: dict[str, dict[str, Any]]
    environment: dict[str, str]

    @property
    def mqtt_port(self) -> int:
        return int(self.listeners["mqtt"]["port"])

    @property
    def http_port(self) -> int:
        return int(self.listeners["http"]["port"])

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit status."""
        self.process.send_signal(number)
        return self.process.wait(30)


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """Return the environment of commands and servers that share one data directory and free ports."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("FIRSTBOOT_")},
        "FIRSTBOOT_SERVER__DATA_DIR": str(tmp_path / "data"),
        "FIRSTBOOT_SERVER__READY_FILE": str(tmp_path / "ready.json"),
        "FIRSTBOOT_MQTT__BIND": "127.0.0.1:0",
        "FIRSTBOOT_HTTP__BIND": "127.0.0.1:0",
        "FIRSTBOOT_COAP__BIND": "127.0.0.1:0",
        **{f"FIRSTBOOT_LOGIN__{name}".upper(): str(value) for name, value in CHEAP_PASSWORDS.items()},
        **more,
    }


def firstboot(env: Mapping[str, str], *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line."""
    return subprocess.run(
        [sys.executable, "-m", "firstboot", *arguments],
        env=dict(env), capture_output=True, text=True, check=check, timeout=60,
    )  # fmt: skip


@contextmanager
def server_process(tmp_path: Path, *arguments: str, **more: str) -> Iterator[ServerProcess]:
    """Run ``firstboot serve`` (or another command) until the end of the block; it is ready when this yields."""
    env = environment(tmp_path, **more)
    ready = Path(env["FIRSTBOOT_SERVER__READY_FILE"])
    ready.unlink(missing_ok=True)
    log = (tmp_path / "server.log").open("a")
    process = subprocess.Popen(
        [sys.executable, "-m", "firstboot", *(arguments or ("serve",))],
        env=env, stdout=log, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    try:
        listeners = _await_ready(process, ready)["listeners"]
        yield ServerProcess(process, listeners, env)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        log.close()
        if process.returncode > 0:  # pytest shows it with a test that fails
            print((tmp_path / "server.log").read_text()[-4000:])


def _await_ready(process: subprocess.Popen[str], ready: Path) -> dict[str, Any]:
    for _ in range(600):
        if ready.exists():
            content: dict[str, Any] = json.loads(ready.read_text())
            if content["pid"] == process.pid:
                return content
        try:
            status = process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
        raise AssertionError(f"the server ended with status {status} before it was ready")
    raise AssertionError("the server was not ready in time")
