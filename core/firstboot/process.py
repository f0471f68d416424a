"""The process of a server: event loop, signals, limits and ready file."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from firstboot import __version__
from firstboot.app import Server, running_server
from firstboot.config import Address
from firstboot.core import Foundation
from firstboot.errors import StartRefused

logger = logging.getLogger(__name__)

LAST_WAIT_S = 1.0
"""How long tasks that were left behind may take to end."""


async def serve(foundation: Foundation, started: Callable[[Server], object] | None = None) -> None:
    """Run until SIGTERM or SIGINT; a second signal ends the process at once with status 1.

    SIGHUP reads the certificates anew.

    Raises: `StartRefused`.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            os._exit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    _raise_descriptor_limit()
    ready_file = foundation.config.server.ready_file
    async with running_server(foundation) as server:
        # Long waits in the interpreter lock would follow from large switch intervals and collections.
        sys.setswitchinterval(0.0005)
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)
        # Without TLS there is nothing to read anew; to end by it, as by default, would surprise all the same.
        loop.add_signal_handler(signal.SIGHUP, server.services.tls.ask_to_reload if server.services.tls else int)
        if ready_file is not None:  # and whoever reads it may send that signal at once
            _write_ready_file(ready_file, server.listeners)
        logger.info("ready", extra={name: str(address) for name, address in server.listeners.items()})
        try:
            under_way = started(server) if started is not None else None  # kept, or a task would be collected
            await stop.wait()
            del under_way
            logger.info("stopping")
        finally:
            if ready_file is not None:
                with contextlib.suppress(OSError):
                    ready_file.unlink()


def run(main: Callable[[], object]) -> None:
    """Run a coroutine function on the fast event loop, where there is one."""
    try:
        import uvloop

        factory = uvloop.new_event_loop
    except ImportError:  # not on this platform
        factory = None
    runner = asyncio.Runner(loop_factory=factory)
    try:
        runner.run(main())  # type: ignore[arg-type]
    finally:
        # Closing waits for every task; one of a plugin that ignores its cancellation would never end (PL-2).
        if runner.get_loop().run_until_complete(_all_ended()):
            runner.close()


async def _all_ended() -> bool:
    """Cancel what is still running; say whether it has ended soon after."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if not tasks:
        return True
    _, pending = await asyncio.wait(tasks, timeout=LAST_WAIT_S)
    for task in pending:
        logger.error("a task ignores its end", extra={"task": repr(task.get_coro())})
    return not pending


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _write_ready_file(path: Path, listeners: Mapping[str, Address]) -> None:
    content = {
        "pid": os.getpid(),
        "version": __version__,
        "listeners": {name: {"host": at.host, "port": at.port} for name, at in listeners.items()},
    }
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(json.dumps(content) + "\n")
        new.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            new.unlink()
        raise StartRefused(
            f"server.ready_file: {path} cannot be written: {error.strerror}. Give a path in a folder that exists."
        ) from None
