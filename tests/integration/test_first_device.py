"""The way of every device, over both transports and on both databases: provision, log in, come back."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.harness import login, provision_over_mqtt, running


@pytest.mark.parametrize("transport", ["mqtt", "http"])
async def test_a_device_provisions_itself_and_logs_in_with_what_it_got(
    tmp_path: Path, database: str | None, transport: str
) -> None:
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()
        request = demo.request("meter-1")

        answer = await (provision_over_mqtt(server, request) if transport == "mqtt" else server.post(request))

        assert list(answer) == ["credentialsValue", "credentialsType", "status"]
        assert (answer["credentialsType"], answer["status"]) == ("ACCESS_TOKEN", "SUCCESS")
        assert await login(server, username=answer["credentialsValue"]) == 0
        assert await login(server, username="not" + answer["credentialsValue"]) == 5


@pytest.mark.parametrize("transport", ["mqtt", "http"])
async def test_a_device_is_still_there_after_a_restart(
    tmp_path: Path, database: str | None, transport: str
) -> None:
    async with running(tmp_path, database=database) as server:
        demo = await server.profile()
        request = demo.request("meter-1")
        answer = await (provision_over_mqtt(server, request) if transport == "mqtt" else server.post(request))

    async with running(tmp_path, database=database) as server:
        assert await login(server, username=answer["credentialsValue"]) == 0
        assert (await server.post(request))["status"] == "FAILURE"
