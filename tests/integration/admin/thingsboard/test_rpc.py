"""Calls to devices over ThingsBoard's REST."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from tests.integration.admin.thingsboard.rest import Rest, other_tenant

from firstboot.downlink import RpcRequest

CALLS = ("/api/rpc/{}/{}", "/api/plugins/rpc/{}/{}")


class Listening:
    """A session of a device that takes every call, and answers if it has something to say."""

    def __init__(self, admin: Rest, device_id: int, answer: Callable[[RpcRequest], Any] | None) -> None:
        self.taken: list[RpcRequest] = []
        self._rpc = admin.server.services.rpc
        self._device_id = device_id
        self._answer = answer

    def attributes_changed(self, update: object) -> None:
        pass

    def rpc_requested(self, request: RpcRequest) -> bool:
        self.taken.append(request)
        if self._answer is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(self._rpc.answer, self._device_id, request.id, self._answer(request))
        return True


async def listening(admin: Rest, answer: Callable[[RpcRequest], Any] | None = None) -> tuple[str, Listening]:
    """Make a device that listens; return its id and its session."""
    made = await admin.call("POST", "/api/device", {"name": "d1"})
    device = await admin.server.device("d1")
    assert device is not None
    session = Listening(admin, device.id, answer)
    admin.server.services.downlinks.listen(device.id, session)
    return made["id"]["id"], session


async def test_a_two_way_call_returns_whatever_json_the_device_answers(admin: Rest) -> None:
    answers: list[Any] = [{"led": True}, 5, "on", None, []]
    left = iter(answers * len(CALLS))
    device, session = await listening(admin, lambda request: next(left))

    for call in CALLS:
        for answer in answers:
            where = call.format("twoway", device)
            response = await admin.send("POST", where, {"method": "get", "params": {"pin": 1}})
            assert (response.status_code, json.loads(response.content)) == (200, answer)
    assert {(taken.method, taken.params["pin"], taken.one_way) for taken in session.taken} == {("get", 1, False)}


async def test_a_one_way_call_ends_when_the_device_has_it(admin: Rest) -> None:
    device, session = await listening(admin)

    for call in CALLS:
        response = await admin.send("POST", call.format("oneway", device), {"method": "set", "params": 1})
        assert (response.status_code, response.content) == (200, b"")

    assert [(taken.method, taken.params, taken.one_way) for taken in session.taken] == [("set", 1, True)] * 2


@pytest.mark.parametrize(
    ("call", "offline", "timed_out"), [(CALLS[0], 504, 504), (CALLS[1], 409, 408)], ids=["new", "old"]
)
async def test_a_device_that_is_away_or_silent_is_told_apart_by_the_older_calls(
    admin: Rest, call: str, offline: int, timed_out: int
) -> None:
    device, _ = await listening(admin)
    away = (await admin.call("POST", "/api/device", {"name": "away"}))["id"]["id"]
    body = {"method": "get", "params": {}, "timeout": 50}

    assert (await admin.refused("POST", call.format("oneway", away), body))[:2] == (offline, 2)
    assert (await admin.refused("POST", call.format("twoway", away), body))[:2] == (offline, 2)
    assert (await admin.refused("POST", call.format("twoway", device), body))[:2] == (timed_out, 2)


async def test_the_expiration_time_counts_in_place_of_the_time_out(admin: Rest) -> None:
    device, _ = await listening(admin)
    now_ms = int(time.time() * 1000)
    body = {"method": "get", "params": {}, "timeout": 600_000}

    soon = await admin.refused("POST", f"/api/rpc/twoway/{device}", {**body, "expirationTime": now_ms + 100})
    over = await admin.refused("POST", f"/api/rpc/twoway/{device}", {**body, "expirationTime": now_ms - 1})

    assert (soon[0], over[0]) == (504, 400)


async def test_a_call_that_cannot_be_made_is_refused(sqlite_admin: Rest) -> None:
    device, session = await listening(sqlite_admin)
    bodies: tuple[Any, ...] = (
        {}, {"method": ""}, {"method": 5}, {"method": "x", "timeout": 0}, {"method": "x", "timeout": 10**9},
        {"method": "x\ny"}, {"method": "x", "persistent": True}, [], "x",
    )  # fmt: skip

    for body in bodies:
        refused = await sqlite_admin.refused("POST", f"/api/rpc/oneway/{device}", body)
        assert refused[:2] == (400, 31), body
    assert session.taken == []


async def test_customers_call_their_own_devices_only(admin: Rest) -> None:
    """TN-1."""
    device, session = await listening(admin)
    customer = await admin.customer()
    user = await admin.active_user("u@example.com", customer)
    other = await other_tenant(admin.server)
    body = {"method": "set", "params": 1}

    for where in (f"/api/rpc/oneway/{device}", f"/api/plugins/rpc/twoway/{device}"):
        assert (await user.refused("POST", where, body))[:2] == (403, 20)
        assert (await other.refused("POST", where, body))[:2] == (404, 32)
    assert (await admin.refused("POST", f"/api/rpc/oneway/{uuid4()}", body))[:2] == (404, 32)
    assert session.taken == []
    await admin.call("POST", f"/api/customer/{customer['id']['id']}/device/{device}")
    await user.call("POST", f"/api/rpc/oneway/{device}", body)
    assert len(session.taken) == 1
