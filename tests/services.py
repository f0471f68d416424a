"""Private servers and outside tools for the tests that need real ones.

Nothing here uses a server that already runs on the machine, or leaves one behind.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import pytest

NOT_INSTALLED = " is not installed: "

# Debian keeps servers in sbin, which is not on everybody's PATH.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def not_installed(what: str, advice: str) -> NoReturn:
    """Skip the running test with the reason, or fail it in CI, where nothing may go untested unseen."""
    reason = what + NOT_INSTALLED + advice
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_tool(name: str) -> str:
    """Return the path of an outside program; without it the test is skipped (with CI=true: fails)."""
    path = shutil.which(name, path=SEARCH_PATH)
    if path is None:
        not_installed(name, f"the test runs the program {name}")
    return path


def free_port() -> int:
    """Return a loopback TCP port that nobody listens on now, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class PostgresServer:
    """A PostgreSQL of our own, with trusted log-in on loopback and no durability."""

    programs: Path
    directory: Path
    port: int

    @property
    def url(self) -> str:
        return f"postgres://app@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        """Make the cluster, and start it."""
        self._run("initdb", "-D", "data", "-U", "app", "--auth=trust", "--encoding=UTF8", "--no-sync")
        self.resume()

    def resume(self) -> None:
        """Start what `stop` stopped."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", "immediate", "stop")

    def sql(self, statement: str) -> None:
        self._run("psql", "--quiet", "--no-psqlrc", "-v", "ON_ERROR_STOP=1", "-d", self.url, "-c", statement)

    def _run(self, program: str, *arguments: str) -> None:
        # The server refuses to run as root.
        user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        # A file and not a pipe: the server inherits it, and reading a pipe would wait for the server's end.
        with (self.directory / "output").open("w+") as output:
            done = subprocess.run(
                [*user, str(self.programs / program), *arguments],
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            if done.returncode:
                output.seek(0)
                log = self.directory / "log"
                tail = log.read_text()[-2000:] if log.exists() else ""
                raise RuntimeError(f"{program} ended with {done.returncode}:\n{output.read()}\n{tail}")


@contextmanager
def private_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of the caller's own, for one that stops it on the way."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parent.parent.name))
    if not found:
        not_installed("PostgreSQL", "no initdb in /usr/lib/postgresql; the Debian package is postgresql")
    directory = Path(tempfile.mkdtemp(prefix="firstboot-postgres-"))
    server = PostgresServer(found[-1].parent, directory, free_port())
    try:
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        server.start()
        try:
            yield server
        finally:
            with suppress(RuntimeError):  # a test may have stopped it
                server.stop()
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL for this test run."""
    with private_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """The maintenance database of the private server: for tests of the connection itself."""
    return postgres_server.url


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of an empty database that only this test has; dropped afterwards, open connections or not."""
    name = f"test_{uuid.uuid4().hex}"
    postgres_server.sql(f"CREATE DATABASE {name} TEMPLATE template0")
    yield postgres_server.url.removesuffix("postgres") + name
    postgres_server.sql(f"DROP DATABASE {name} WITH (FORCE)")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say at the end which services nothing was tested against, and why."""
    # Read from the reports and not collected on the way, so that it also holds with parallel workers.
    reasons = {
        report.longrepr[2].removeprefix("Skipped: ")
        for report in terminalreporter.getreports("skipped")
        if isinstance(report.longrepr, tuple) and NOT_INSTALLED in report.longrepr[2]
    }
    if reasons:
        terminalreporter.section("services not tested")
        for reason in sorted(reasons):
            terminalreporter.line(reason)
