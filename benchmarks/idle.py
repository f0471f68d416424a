"""Devices that have logged in and say nothing: held by a process of their own, so that the load is not slowed.

Started with port, number, first device and a topic filter that each subscribes to, or none. Writes a line when all
are logged in, and at the end of its input the number of sessions that the server has not closed meanwhile.
"""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks import frames
from benchmarks.client import on_uvloop
from benchmarks.servers import Server

_AT_ONCE = 50


class _Session(asyncio.Protocol):
    def __init__(self) -> None:
        self._answer: asyncio.Future[bytes] | None = None
        self.open = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self.data_received(b"")


async def _hold(port: int, sessions: int, first: int, topic_filter: str) -> None:
    loop = asyncio.get_running_loop()
    held: list[_Session] = []
    indexes = iter(range(first, first + sessions))

    async def log_in_all() -> None:
        for index in indexes:
            _, session = await loop.create_connection(_Session, "127.0.0.1", port)
            if await session.ask(frames.log_in(index)) != frames.CONNACK:
                raise RuntimeError(f"device {index} was refused")
            if topic_filter and await session.ask(frames.subscribe(topic_filter.encode())) != frames.SUBACK:
                raise RuntimeError(f"device {index} may not subscribe to {topic_filter}")
            held.append(session)

    await asyncio.gather(*(log_in_all() for _ in range(_AT_ONCE)))
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    print(sum(session.open for session in held), flush=True)


@contextmanager
def idle_sessions(server: Server, sessions: int, first: int = 0, topic_filter: bytes = b"") -> Iterator[None]:
    """Keep so many devices logged in until the end of the block, each with a subscription if there is a filter.

    Raises: `RuntimeError` when one is refused, or closed before its time.
    """
    arguments = (str(server.port), str(sessions), str(first), topic_filter.decode())
    command = [sys.executable, "-m", "benchmarks.idle", *arguments]
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
    _port, _sessions, _first = map(int, sys.argv[1:4])
    on_uvloop(lambda: _hold(_port, _sessions, _first, sys.argv[4]))
