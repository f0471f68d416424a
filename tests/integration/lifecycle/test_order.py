"""The order of start and stop: nobody is left with something that is gone already."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
from tests.harness import running

from firstboot.app import Services
from firstboot.config import Address, Config
from firstboot.errors import StartRefused
from firstboot.hookspecs import hookimpl


class WatchedTransport:
    """Writes down what it is asked, and uses the server's services until its end."""

    name = "watched"

    def __init__(self, start_error: Exception | None = None) -> None:
        self.calls: list[str] = []
        self.devices_at_stop: object = None
        self._start_error = start_error
        self._services: Services | None = None

    def bind(self) -> Mapping[str, Address]:
        self.calls.append("bind")
        return {"watched": Address("127.0.0.1", 1)}

    async def start(self, services: Services) -> None:
        self.calls.append("start")
        self._services = services
        if self._start_error is not None:
            raise self._start_error

    async def stop_accepting(self) -> None:
        self.calls.append("stop_accepting")

    async def stop(self) -> None:
        self.calls.append("stop")
        if self._services is not None:
            await asyncio.sleep(0.01)  # turns of the loop, in which others could end first
            self.devices_at_stop = await self._services.logins.find("unknown")


class Plugin:
    FIRSTBOOT_API = 1

    def __init__(self, transport: WatchedTransport) -> None:
        self.transport = transport

    @hookimpl
    def firstboot_transports(self, config: Config) -> Iterable[WatchedTransport]:
        return [self.transport]


async def test_transports_stop_once_and_while_the_storage_is_still_open(tmp_path: Path) -> None:
    """OP-2: what a peer sends in the last moment still finds what it needs."""
    transport = WatchedTransport()

    async with running(tmp_path, plugins={"watched": Plugin(transport)}) as server:
        assert server.server.listeners["watched"] == Address("127.0.0.1", 1)

    assert transport.calls == ["bind", "start", "stop_accepting", "stop"]
    assert transport.devices_at_stop == {}


async def test_a_transport_that_cannot_start_stops_everything_that_has(tmp_path: Path) -> None:
    transport = WatchedTransport(StartRefused("not today"))

    with pytest.raises(StartRefused, match="not today"):
        async with running(tmp_path, plugins={"watched": Plugin(transport)}):
            pass

    assert transport.calls == ["bind", "start", "stop"]
    async with running(tmp_path):  # the lock is free
        pass


async def test_a_refused_start_frees_the_ports_it_had_taken(tmp_path: Path) -> None:
    transport = WatchedTransport()
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "data/firstboot.db").mkdir()

    with pytest.raises(StartRefused):
        async with running(tmp_path, plugins={"watched": Plugin(transport)}):
            pass

    assert transport.calls == ["bind", "stop"]


async def test_a_refused_start_says_what_every_part_has_against_it(tmp_path: Path) -> None:
    """OP-13."""
    async with running(tmp_path / "first") as first:
        with pytest.raises(StartRefused) as refusal:
            async with running(
                tmp_path / "first",
                mqtt={"bind": f"127.0.0.1:{first.mqtt_port}"},
                http={"bind": f"127.0.0.1:{first.http_port}"},
            ):
                pass

    said = str(refusal.value).splitlines()
    assert len(said) == 3
    assert "already used" in said[0]
    assert {line.partition(":")[0] for line in said[1:]} == {"mqtt.bind", "http.bind"}
