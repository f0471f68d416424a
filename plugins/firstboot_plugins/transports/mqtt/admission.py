"""Whether a CONNECT is accepted, on what terms, and with which code it is refused."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from firstboot.errors import Unavailable
from firstboot.model import Origin
from firstboot.secret import random_text
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.dialect import ConnectRefused, Login
from firstboot_plugins.transports.mqtt.packets import Connect, Properties, Property, Reason

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

logger = logging.getLogger(__name__)

V5 = 5
V3_REFUSED_VERSION = 1
V3_REFUSED_CLIENT_ID = 2
V3_UNAVAILABLE = 3
V3_NOT_AUTHORIZED = 5

V3_CODES: dict[int, int] = {
    Reason.CLIENT_ID_NOT_VALID: V3_REFUSED_CLIENT_ID,  # MQTT-3.1.3-9
    Reason.BAD_USER_NAME_OR_PASSWORD: V3_NOT_AUTHORIZED,
}
"""What MQTT 3 has a code for when a CONNECT breaks a rule; after other faults the connection just closes."""


async def judge(door: Door, connect: Connect, origin: Origin) -> Login:
    """Return what a CONNECT proves.

    Raises: `ConnectRefused`, after the time for which the answer is to be held back; nothing else.
    """
    if connect.level < V5 and not connect.client_id and not connect.clean_start:
        raise ConnectRefused(V3_REFUSED_CLIENT_ID, Reason.CLIENT_ID_NOT_VALID)  # MQTT-3.1.3-8
    try:
        return await door.login(connect, origin)
    except ConnectRefused as refusal:
        if refusal.delay_s:
            await asyncio.sleep(refusal.delay_s)
        raise
    except Unavailable as error:
        if door.may_log(origin.address):
            logger.error("a login is not possible now", extra={"reason": str(error)})
    except Exception:
        logger.exception("a login failed")
    raise ConnectRefused(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)


def terms(connect: Connect, config: MqttConfig) -> Properties:
    """Return what a version 5 client must know of this server's limits."""
    if connect.level < V5:
        return {}
    properties: dict[Property, object] = {
        Property.RECEIVE_MAXIMUM: config.max_in_flight,
        Property.MAXIMUM_PACKET_SIZE: config.max_packet_size,
    }
    if connect.properties.get(Property.SESSION_EXPIRY_INTERVAL):
        properties[Property.SESSION_EXPIRY_INTERVAL] = 0  # nothing outlives the connection
    if not connect.client_id:
        properties[Property.ASSIGNED_CLIENT_IDENTIFIER] = f"auto-{random_text(18)}"
    return properties
