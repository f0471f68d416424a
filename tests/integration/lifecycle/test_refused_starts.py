"""Starts that are refused: everything that is wrong in one report, status 2, no traceback (OP-13)."""

from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, server_process


def refused(env: dict[str, str]) -> str:
    """Start a server that must not come up; return what it says."""
    done = firstboot(env, "serve", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert lines
    assert all(line.startswith("firstboot: ") for line in lines), done.stderr
    assert len(set(lines)) == len(lines), "nothing is said twice"
    assert not Path(env["FIRSTBOOT_SERVER__READY_FILE"]).exists()
    return done.stderr


def test_taken_ports_a_data_directory_and_a_database_come_in_one_report(tmp_path: Path) -> None:
    """OP-13."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (tmp_path / "text.db").write_text("this is no database, but a text that is long enough to be looked at" * 20)
    (tmp_path / "text.db").chmod(0o600)
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as one,
        closing(socket.create_server(("127.0.0.1", 0))) as two,
    ):
        ports = [taken.getsockname()[1] for taken in (one, two)]
        env = environment(
            tmp_path,
            FIRSTBOOT_MQTT__BIND=f"127.0.0.1:{ports[0]}",
            FIRSTBOOT_HTTP__BIND=f"127.0.0.1:{ports[1]}",
            FIRSTBOOT_STORAGE__URL=f"sqlite://{tmp_path}/text.db",
        )
        said = refused(env)

    assert f"mqtt.bind: 127.0.0.1:{ports[0]} is taken" in said
    assert f"http.bind: 127.0.0.1:{ports[1]} is taken" in said
    assert f"chmod 700 {data}" in said
    assert "text.db is not an SQLite database" in said
    assert len(said.splitlines()) == 4


def test_a_data_directory_that_others_may_read_gets_no_database(tmp_path: Path) -> None:
    """SE-12."""
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)

    assert f"chmod 700 {data}" in refused(environment(tmp_path))
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("what", ["missing", "broken", "foreign", "readable"])
def test_a_server_key_that_does_not_fit_is_refused_with_the_remedy(tmp_path: Path, what: str) -> None:
    """SE-3, SE-12."""
    env = environment(tmp_path)
    firstboot(env, "profile", "create", "demo")
    key = tmp_path / "data/server.key"
    remedy = "Put back"
    if what == "missing":
        key.unlink()
    elif what == "broken":
        key.write_text("not a key")
    elif what == "foreign":
        key.write_text("ab" * 32)
    else:
        key.chmod(0o644)
        remedy = f"chmod 600 {key}"

    assert remedy in refused(env)


def test_a_database_of_a_newer_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    """OP-6."""
    env = environment(tmp_path)
    firstboot(env, "profile", "create", "demo")
    with closing(sqlite3.connect(tmp_path / "data/firstboot.db", isolation_level=None)) as database:
        database.execute("INSERT INTO schema_version (version) VALUES (9999)")

    said = refused(env)

    assert "9999" in said
    assert "newer program" in said


def test_a_database_that_is_not_there_is_refused_without_its_password(tmp_path: Path) -> None:
    """SE-5, OP-8."""
    url = "postgres://someone:the-secret-password@127.0.0.1:1/firstboot"

    said = refused(environment(tmp_path, FIRSTBOOT_STORAGE__URL=url))

    assert "127.0.0.1:1" in said
    assert "the-secret-password" not in said


def test_a_second_server_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    """OP-5."""
    with server_process(tmp_path) as server:
        env = {**server.environment, "FIRSTBOOT_SERVER__READY_FILE": str(tmp_path / "other.json")}
        said = refused(env)

        assert f"pid {server.process.pid}" in said
        socket.create_connection(("127.0.0.1", server.http_port), 5).close()
        assert server.stop() == 0


def test_what_a_killed_server_leaves_never_blocks_the_next(tmp_path: Path) -> None:
    """OP-1: lock, ready file and write-ahead log."""
    with server_process(tmp_path) as first:
        firstboot(first.environment, "profile", "create", "demo")
        first.process.send_signal(signal.SIGKILL)
        first.process.wait(30)
        assert (tmp_path / "ready.json").exists()
        assert (tmp_path / "data/server.lock").exists()

    # Not by `server_process`, which removes the ready file first.
    second = subprocess.Popen(
        [sys.executable, "-m", "firstboot", "serve"],
        env=first.environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert second.stderr is not None
    assert '"ready"' in second.stderr.readline()
    assert f'"pid": {second.pid}' in (tmp_path / "ready.json").read_text()
    second.terminate()
    assert second.wait(30) == 0
    second.stderr.close()
