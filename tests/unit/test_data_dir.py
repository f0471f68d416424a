"""The data directory: private, and one server at a time (SE-12, OP-1, OP-5)."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from firstboot.data_dir import prepare_data_dir, sole_server
from firstboot.errors import StartRefused


def test_it_is_made_for_its_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    """SE-12."""
    old = os.umask(0)
    try:
        prepare_data_dir(tmp_path / "a/b")
    finally:
        os.umask(old)

    assert stat.S_IMODE((tmp_path / "a/b").stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o705, 0o701, 0o777])
def test_one_that_others_may_look_into_is_refused_with_the_command_to_run(tmp_path: Path, mode: int) -> None:
    """SE-12."""
    tmp_path.chmod(mode)

    with pytest.raises(StartRefused, match=f"chmod 700 {tmp_path}"):
        prepare_data_dir(tmp_path)

    assert stat.S_IMODE(tmp_path.stat().st_mode) == mode
    tmp_path.chmod(0o700)
    prepare_data_dir(tmp_path)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(StartRefused, match="cannot be made"):
        prepare_data_dir(tmp_path / "data")
    with pytest.raises(StartRefused, match="cannot be made"):
        prepare_data_dir(tmp_path / "data/inside")


def test_one_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everywhere

    with pytest.raises(StartRefused, match="cannot be written"):
        prepare_data_dir(tmp_path)


def test_a_second_server_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    """OP-5."""
    with sole_server(tmp_path):
        with pytest.raises(StartRefused, match=f"pid {os.getpid()}"), sole_server(tmp_path):
            pass
        with pytest.raises(StartRefused, match=f"pid {os.getpid()}"), sole_server(tmp_path):
            pass

    with sole_server(tmp_path):
        pass


def test_a_lock_whose_server_was_killed_does_not_block(tmp_path: Path) -> None:
    """OP-1: the operating system lets go of it, whatever the file says."""
    holder = (
        "import sys, time; from pathlib import Path; from firstboot.data_dir import sole_server\n"
        f"with sole_server(Path({str(tmp_path)!r})): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", holder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StartRefused, match=f"pid {process.pid}"), sole_server(tmp_path):
            pass
        process.kill()
        process.wait()

    with sole_server(tmp_path):
        assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_with_nonsense_in_it_does_not_block(tmp_path: Path) -> None:
    (tmp_path / "server.lock").write_bytes(b"\xff" * 100)

    with sole_server(tmp_path):
        assert (tmp_path / "server.lock").read_text() == f"{os.getpid()}\n"


def test_a_lock_that_cannot_be_opened_is_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "server.lock").mkdir()

    with pytest.raises(StartRefused, match=r"server\.lock"), sole_server(tmp_path):
        pass


def test_a_disk_without_locks_is_named_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network disk that cannot lock had been reported as a server with an unknown pid."""

    def no_locks(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)

    with pytest.raises(StartRefused, match="No locks available"), sole_server(tmp_path):
        pass
