"""The data directory: private, and used by one server at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firstboot.errors import StartRefused


def prepare_data_dir(path: Path) -> None:
    """Make the directory with mode 0700, or check that nobody else may look into it.

    Raises: `StartRefused`.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = path.stat().st_mode
    except OSError as error:
        raise StartRefused(f"The data directory {path} cannot be made: {error.strerror}.") from None
    if mode & 0o077:
        raise StartRefused(f"Others may look into the data directory. Run: chmod 700 {path}")
    if not os.access(path, os.W_OK | os.X_OK):
        raise StartRefused(
            f"The data directory {path} cannot be written. Give it to the user that runs Firstboot."
        )


@contextmanager
def sole_server(path: Path) -> Iterator[None]:
    """Hold the directory's lock; the operating system lets go of it when the process ends, however it ends.

    Raises: `StartRefused` when another server holds it.
    """
    file = path / "server.lock"
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartRefused(f"The lock {file} cannot be opened: {error.strerror}. Remove it.") from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
            raise StartRefused(
                f"The data directory {path} is already used by the server with pid {pid}. "
                "Stop it, or give this one another data_dir."
            ) from None
        except OSError as error:
            raise StartRefused(
                f"{file} cannot be locked: {error.strerror}. Put data_dir on a local disk."
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)
