"""A device with aiomqtt: reads what to do as JSON, prints what happened as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiomqtt
import paho

WAIT_S = 20.0


async def act(job: dict[str, Any]) -> dict[str, Any]:
    client = aiomqtt.Client(
        "127.0.0.1",
        job["port"],
        username=job["username"],
        protocol=aiomqtt.ProtocolVersion(job["level"]),
        timeout=WAIT_S,
    )
    try:
        async with client, asyncio.timeout(WAIT_S):
            if "request" not in job:
                return {"connected": True}
            await client.subscribe("/provision/response", qos=1)
            await client.publish("/provision/request", json.dumps(job["request"]), qos=1)
            message = await anext(aiter(client.messages))
            return {"answer": json.loads(message.payload)}
    except aiomqtt.MqttCodeError as error:
        return {"refused": getattr(error.rc, "value", error.rc)}
    except aiomqtt.MqttError as error:
        return {"error": str(error)}


job = json.load(sys.stdin)
json.dump({**asyncio.run(act(job)), "paho": paho.__file__}, sys.stdout)
