"""The reference for sessions at the broker: amqtt as it comes, which accepts everybody."""

from __future__ import annotations

import asyncio
import sys

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig


async def _serve(port: int) -> None:
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"127.0.0.1:{port}")},
        plugins={"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    )
    await Broker(config).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
