"""What is left behind is noticed."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading

import pytest

from firstboot.testing import (
    no_leaks,
)


class TestNoLeaks:
    async def test_a_task_that_runs_on_is_noticed(self) -> None:
        with pytest.raises(AssertionError, match="task left-over"):
            async with no_leaks():
                task = asyncio.create_task(asyncio.Event().wait(), name="left-over")
        task.cancel()

    async def test_a_thread_that_runs_on_is_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("firstboot.testing.leaks._JOIN_S", 0.0)
        end = threading.Event()

        with pytest.raises(AssertionError, match="thread 'left-over'"):
            async with no_leaks():
                threading.Thread(target=end.wait, name="left-over").start()
        end.set()

    async def test_an_open_socket_is_noticed(self) -> None:
        with pytest.raises(AssertionError, match="socket"):
            async with no_leaks():
                left_over = socket.socket()
        left_over.close()

    async def test_another_handler_at_the_root_logger_is_noticed(self) -> None:
        handler = logging.NullHandler()

        with pytest.raises(AssertionError, match="logger"):
            async with no_leaks():
                logging.getLogger().addHandler(handler)
        logging.getLogger().removeHandler(handler)

    async def test_another_level_of_the_root_logger_is_noticed(self) -> None:
        level = logging.getLogger().level

        with pytest.raises(AssertionError, match="logger"):
            async with no_leaks():
                logging.getLogger().setLevel(3)
        logging.getLogger().setLevel(level)

    async def test_what_ends_in_time_is_no_leak(self) -> None:
        async with no_leaks():
            task = asyncio.create_task(asyncio.Event().wait())
            await asyncio.sleep(0)
            task.cancel()
            end = threading.Event()
            threading.Thread(target=end.wait).start()
            end.set()
            await asyncio.to_thread(end.wait)
            with socket.socket():
                logging.getLogger("mine").addHandler(logging.NullHandler())
        logging.getLogger("mine").handlers.clear()

    async def test_what_was_there_before_is_no_leak(self) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        with socket.socket():
            async with no_leaks():
                pass
        task.cancel()
