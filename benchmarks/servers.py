"""The servers under test and their references: processes of our own, on free ports of the loopback."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped,unused-ignore]

START_PATIENCE_S = 60.0
AS_IT_COMES: Mapping[str, str] = {}
NO_RATE_LIMIT: Mapping[str, str] = {
    f"{section}__{limit}": "1000000" for section in ("MQTT", "COAP") for limit in ("MESSAGES_PER_SECOND", "BURST")
}
"""Settings under which one connection, and one address over CoAP, may send as fast as it can."""
NO_DIALECT_LIMIT: Mapping[str, str] = {
    "THINGER__PROVISIONING_BURST": "1000000",
    "THINGER__PROVISIONING_PER_MINUTE": "1000000",
    "THINGER__MAX_BUCKETS": "1000000",
    "LOGIN__API_TOKEN_RATE": "1000000",
    "THINGSTREAM__REQUESTS_PER_MINUTE": "1000000",
}
"""Settings under which one token, and one address, may provision as fast as it can in every dialect."""
_SBIN = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])
_POSTGRES_PROGRAMS = Path("/usr/lib/postgresql")


class Missing(Exception):
    """A program that a row needs is not installed. The message says which."""


@dataclass(frozen=True)
class Server:
    """A process that listens."""

    process: psutil.Process
    port: int

    def cpu_s(self) -> float:
        """Return the processor time that it and its children have used."""
        family = [self.process, *self.process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in family)

    def rss_bytes(self) -> int:
        resident: int = self.process.memory_info().rss
        return resident


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str, package: str) -> str:
    """Return the path of a program.

    Raises: `Missing`.
    """
    found = shutil.which(name, path=_SBIN)
    if found is None:
        raise Missing(f"{name} is not installed; the Debian package is {package}")
    return found


@contextmanager
def firstboot(
    data_dir: Path, listener: str, database: str | None = None, changed: Mapping[str, str] = AS_IT_COMES
) -> Iterator[Server]:
    """Run ``firstboot serve`` as it comes, but for what is ``changed``, with its log in a file.

    ``listener`` is the one whose port to tell.
    """
    ready = data_dir / "ready.json"
    settings = {
        "SERVER__DATA_DIR": str(data_dir),
        "SERVER__READY_FILE": str(ready),
        "MQTT__BIND": "127.0.0.1:0",
        "HTTP__BIND": "127.0.0.1:0",
        "COAP__BIND": "127.0.0.1:0",
        **({"STORAGE__URL": database} if database else {}),
        **changed,
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("FIRSTBOOT_")}
    environment = clean | {f"FIRSTBOOT_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "firstboot", "serve"]
    with _process(command, data_dir / "server.log", environment) as process:
        deadline = time.monotonic() + START_PATIENCE_S
        while not ready.exists():
            _check_alive(process, data_dir / "server.log", deadline)
            time.sleep(0.001)
        listeners = json.loads(ready.read_text())["listeners"]
        yield Server(psutil.Process(process.pid), listeners[listener]["port"])


@contextmanager
def mosquitto(directory: Path) -> Iterator[Server]:
    """Run mosquitto with nothing to slow it down: no log, no persistence, everybody allowed.

    Raises: `Missing`.
    """
    program = find_program("mosquitto", "mosquitto")
    port = free_port()
    config = directory / f"mosquitto-{port}.conf"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "persistence false", "log_type none"]
    if os.geteuid() == 0:
        lines.append("user root")
    config.write_text("\n".join(lines) + "\n")
    with _process([program, "-c", str(config)], directory / "mosquitto.log") as process:
        _await_port(process, port, directory / "mosquitto.log")
        yield Server(psutil.Process(process.pid), port)


@contextmanager
def own_reference(module: str, directory: Path) -> Iterator[Server]:
    """Run one of our own references: the module of that name beside this one."""
    port, log = free_port(), directory / f"{module}.log"
    with _process([sys.executable, "-m", f"benchmarks.{module}", str(port)], log) as process:
        _await_port(process, port, log)
        yield Server(psutil.Process(process.pid), port)


@contextmanager
def postgres() -> Iterator[tuple[Server, str]]:
    """Run a PostgreSQL with its default settings, durable ones; give its URL too.

    Raises: `Missing`.
    """
    found = sorted(_POSTGRES_PROGRAMS.glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not found:
        raise Missing("PostgreSQL is not installed; the Debian package is postgresql")
    programs = found[-1].parent
    directory = Path(tempfile.mkdtemp(prefix="firstboot-benchmark-postgres-"))
    # The server refuses to run as root.
    user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    port = free_port()
    data = directory / "data"
    try:
        if user:
            shutil.chown(directory, "postgres")
        subprocess.run(
            [*user, str(programs / "initdb"), "-D", str(data), "-U", "app", "--auth=trust", "--encoding=UTF8"],
            cwd=directory, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        options = ["-p", str(port), "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]
        command = [*user, str(programs / "postgres"), "-D", str(data), *options]
        with _process(command, directory / "log") as process:
            _await_port(process, port, directory / "log")
            yield Server(psutil.Process(process.pid), port), f"postgres://app@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(directory)


@contextmanager
def _process(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_port(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        _check_alive(process, log, deadline)
        time.sleep(0.01)


def _check_alive(process: subprocess.Popen[bytes], log: Path, deadline: float) -> None:
    if process.poll() is not None or time.monotonic() > deadline:
        tail = log.read_text(errors="replace")[-2000:]
        raise RuntimeError(f"{process.args!r} did not start (status {process.poll()}):\n{tail}")
