"""Head and body of an answer leave in one piece."""

from __future__ import annotations

import asyncio

from firstboot_plugins.transports.http.joined_writes import JoinedWrites


class Socket(asyncio.Transport):
    """Keeps what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[object] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def write_eof(self) -> None:
        self.done.append("eof")

    def close(self) -> None:
        self.done.append("close")

    def is_closing(self) -> bool:
        return "close" in self.done


async def test_what_is_written_in_one_turn_of_the_loop_is_one_piece() -> None:
    socket = Socket()
    joined = JoinedWrites(socket, asyncio.get_running_loop())

    joined.write(b"head ")
    joined.write(b"body")
    before = list(socket.done)
    await asyncio.sleep(0)
    joined.write(b"next")
    await asyncio.sleep(0)

    assert before == []
    assert socket.done == [b"head body", b"next"]


async def test_nothing_is_lost_or_late_when_the_connection_ends() -> None:
    for end in ("close", "write_eof"):
        socket = Socket()
        joined = JoinedWrites(socket, asyncio.get_running_loop())

        joined.write(b"last words")
        getattr(joined, end)()
        await asyncio.sleep(0)

        assert socket.done == [b"last words", "eof" if end == "write_eof" else "close"]
        assert joined.is_closing() is (end == "close")
