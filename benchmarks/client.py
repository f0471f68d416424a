"""The load: clients in a closed loop, in a process of their own.

The same program drives Firstboot and the reference, with frames made by hand, so that what differs between two
rates is the server. Reads a `Load` as JSON from standard input, writes a `Result` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count

from benchmarks.arithmetic import percentile
from benchmarks.coap import CoapSocket
from benchmarks.dtls import DtlsSocket
from benchmarks.listener import listen
from benchmarks.script import Script
from benchmarks.scripts import SCRIPTS

GIVE_UP_AFTER_ERRORS = 20
PATIENCE_S = 30.0
"""How long the last cycles may take after the end of the load."""
_ANYBODY = ssl.create_default_context()
_ANYBODY.check_hostname = False
_ANYBODY.verify_mode = ssl.CERT_NONE


@dataclass(frozen=True, kw_only=True)
class Load:
    """What to do."""

    script: str
    """A name in `SCRIPTS`."""
    port: int
    seconds: float
    clients: int = 50
    prefix: str = ""
    """Begins the name of every device; another one for each load."""
    key: str = ""
    secret: str = ""
    devices: int = 0
    """How many devices there are to log in as."""
    application: str = ""
    """The API token of the client that hears the others, if there is one."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it."""

    done: int
    """Cycles with the answer that was hoped for; every one that was begun is waited for."""
    seconds: float
    p50_s: float
    p99_s: float
    cpu_s: float
    """Processor time of the client itself."""
    errors: list[str]
    last: list[int]
    """Number of the last cycle of each client."""


class _Connection(asyncio.Protocol):
    """Sends the requests of a cycle, each after the answer to the one before."""

    done: asyncio.Future[None]

    def __init__(self, script: Script) -> None:
        self._script = script
        self._requests: tuple[bytes, ...] = ()
        self._answers: tuple[bytes, ...] = ()
        self._step = 0
        self._held = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    async def cycle(self, requests: tuple[bytes, ...], answers: tuple[bytes, ...]) -> None:
        """Raises: `RuntimeError` when an answer is not the one that was hoped for."""
        self.done = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._answers = answers
        self._step = 0
        self._held = b""
        self._transport.write(requests[0])
        await self.done

    def data_received(self, data: bytes) -> None:
        script = self._script
        if self._held:
            data = self._held + data
        if not script.is_complete(data):
            self._held = data
            return
        self._held = b""
        if self._step >= len(self._answers) or self._answers[self._step] not in data:
            self._fail(f"answer {self._step}: {data[:200]!r}")
            return
        self._step += 1
        if self._step < len(self._requests):
            self._transport.write(self._requests[self._step])
        elif script.keeps_connection:
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.done.done():
            return
        if self._step == len(self._answers) and not self._script.keeps_connection:
            self.done.set_result(None)
        else:
            self._fail(f"connection lost after answer {self._step}: {exc}")

    def _fail(self, what: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(what))
        self._transport.abort()


async def run(load: Load) -> Result:
    """Put the load on the server."""
    script = SCRIPTS[load.script]
    requests = script.requests(load)
    loop = asyncio.get_running_loop()
    numbers = count()
    latencies: list[float] = []
    errors: list[str] = []
    last: list[int] = []
    listener = await listen(load.port, script.listener(load)) if script.listener else None

    async def open_connection(client: int) -> _Connection | CoapSocket:
        if script.is_coap:
            kind = DtlsSocket if script.encrypts else CoapSocket
            return (await loop.create_datagram_endpoint(kind, remote_addr=("127.0.0.1", load.port)))[1]
        _, connection = await loop.create_connection(
            lambda: _Connection(script), "127.0.0.1", load.port, ssl=_ANYBODY if script.encrypts else None
        )
        if script.opening:
            await connection.cycle(script.opening(client), script.opening_answers)
        return connection

    async def work(client: int) -> None:
        connection = kept.get(client)
        number = -1
        while (began := time.perf_counter()) < end and len(errors) < GIVE_UP_AFTER_ERRORS:
            try:
                if connection is None:
                    connection = await open_connection(client)
                number = next(numbers)
                await connection.cycle(requests(number), script.answers)
            except (OSError, RuntimeError) as error:
                errors.append(str(error))
                connection = None
                continue
            latencies.append(time.perf_counter() - began)
            if not script.keeps_connection:
                connection = None
        last.append(number)

    kept: dict[int, _Connection | CoapSocket] = {}
    if script.opening:  # what comes before the first cycle is not measured
        kept = {client: await open_connection(client) for client in range(load.clients)}
    started = time.perf_counter()
    end = started + load.seconds
    async with asyncio.timeout(load.seconds + PATIENCE_S):
        await asyncio.gather(*(work(client) for client in range(load.clients)))
    seconds = time.perf_counter() - started
    if listener is not None and not await listener.has_heard(len(latencies)):
        errors.append(f"{len(latencies)} messages were acknowledged, {listener.messages} delivered")
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Result(
        done=len(latencies),
        seconds=seconds,
        p50_s=percentile(latencies, 50) if latencies else 0.0,
        p99_s=percentile(latencies, 99) if latencies else 0.0,
        cpu_s=usage.ru_utime + usage.ru_stime,
        errors=errors,
        last=last,
    )


def on_uvloop(main: Callable[[], object]) -> object:
    """Run a coroutine function on the event loop that the servers use too."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main())  # type: ignore[arg-type]


if __name__ == "__main__":
    _load = Load(**json.load(sys.stdin))
    _result = on_uvloop(lambda: run(_load))
    json.dump(asdict(_result), sys.stdout)  # type: ignore[call-overload]
