"""Devices that have logged in and say nothing: held by a process of their own, so that the load is not slowed.

Started with port, number and first device. Writes a line when all are logged in, and at the end of its standard
input the number of sessions that the server has not closed meanwhile.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.client import on_uvloop
from benchmarks.scripts import log_in
from benchmarks.servers import Server

_AT_ONCE = 50


class _Session(asyncio.Protocol):
    def __init__(self) -> None:
        self.accepted = asyncio.get_running_loop().create_future()
        self.open = True

    def data_received(self, data: bytes) -> None:
        if not self.accepted.done():
            self.accepted.set_result(data[3] == 0)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if not self.accepted.done():
            self.accepted.set_result(False)


async def _hold(port: int, sessions: int, first: int) -> None:
    loop = asyncio.get_running_loop()
    held: list[_Session] = []
    indexes = iter(range(first, first + sessions))

    async def log_in_all() -> None:
        for index in indexes:
            transport, session = await loop.create_connection(_Session, "127.0.0.1", port)
            transport.write(log_in(index))
            if not await session.accepted:
                raise RuntimeError(f"device {index} was refused")
            held.append(session)

    await asyncio.gather(*(log_in_all() for _ in range(_AT_ONCE)))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(sum(session.open for session in held), flush=True)


@contextmanager
def idle_sessions(server: Server, sessions: int, first: int = 0) -> Iterator[None]:
    """Keep so many devices logged in until the end of the block.

    Raises: `RuntimeError` when one is refused, or closed before its time.
    """
    command = [sys.executable, "-m", "benchmarks.idle", str(server.port), str(sessions), str(first)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("the idle sessions could not log in")
        yield
        process.stdin.close()
        still_open = int(process.stdout.readline())
        if still_open != sessions:
            raise RuntimeError(f"only {still_open} of {sessions} idle sessions were still open at the end")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def enough_descriptors(sessions: int) -> bool:
    """Raise this process's limit of open files, which its children inherit; say whether it suffices."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard == resource.RLIM_INFINITY or hard > sessions + 500


if __name__ == "__main__":
    _port, _sessions, _first = map(int, sys.argv[1:])
    on_uvloop(lambda: _hold(_port, _sessions, _first))
