"""The ready file: what supervisors wait for (design, section 11)."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tests.harness import environment, firstboot, server_process

from firstboot import __version__
from firstboot.cli.serve import _foundation
from firstboot.config import Address
from firstboot.errors import StartRefused
from firstboot.process import _write_ready_file
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.mqtt.config import MqttConfig


def test_it_tells_pid_version_and_every_listener_that_accepts(tmp_path: Path) -> None:
    with server_process(tmp_path) as server:
        content = json.loads((tmp_path / "ready.json").read_text())

        assert list(content) == ["pid", "version", "listeners"]
        assert (content["pid"], content["version"]) == (server.process.pid, __version__)
        assert set(content["listeners"]) == {"mqtt", "http", "coap"}
        for name, listener in content["listeners"].items():
            assert set(listener) == {"host", "port"}
            assert listener["host"] == "127.0.0.1"
            if name != "coap":  # has no connections
                socket.create_connection((listener["host"], listener["port"]), 5).close()

        assert server.stop() == 0
    assert not (tmp_path / "ready.json").exists()
    assert {file.name for file in tmp_path.iterdir()} == {"data", "server.log"}


def test_the_options_come_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    config = _foundation(None, "0.0.0.0", tmp_path / "chosen.json").config

    assert config.server.ready_file == tmp_path / "chosen.json"
    assert config.section(MqttConfig).bind == Address("0.0.0.0", 0)
    assert config.section(HttpConfig).bind == Address("0.0.0.0", 0)


def test_one_that_a_killed_server_left_is_replaced_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OP-1. Whoever reads it sees the old or the new one, never a part."""
    file = tmp_path / "ready.json"
    file.write_text('{"pid": 1}')
    seen: list[str] = []
    really_replace = Path.replace

    def replace(self: Path, target: Path) -> Path:
        seen.extend([file.read_text(), self.read_text()])
        return really_replace(self, target)

    monkeypatch.setattr(Path, "replace", replace)

    _write_ready_file(file, {"mqtt": Address("127.0.0.1", 1)})

    assert seen == ['{"pid": 1}', file.read_text()]
    assert json.loads(file.read_text())["listeners"] == {"mqtt": {"host": "127.0.0.1", "port": 1}}
    assert list(tmp_path.iterdir()) == [file]


def test_one_that_cannot_be_written_leaves_nothing_half_done(tmp_path: Path) -> None:
    file = tmp_path / "ready.json"
    file.mkdir()

    with pytest.raises(StartRefused, match=r"server\.ready_file"):
        _write_ready_file(file, {})

    assert list(tmp_path.iterdir()) == [file]


def test_a_folder_that_does_not_exist_refuses_the_start(tmp_path: Path) -> None:
    env = environment(tmp_path, FIRSTBOOT_SERVER__READY_FILE=str(tmp_path / "no/such/ready.json"))

    refused = firstboot(env, "serve", check=False)

    assert refused.returncode == 2
    assert "server.ready_file" in refused.stderr
    assert "Traceback" not in refused.stderr
