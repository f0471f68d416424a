"""Whether a CONNECT is accepted, on what terms, and with which code it is refused."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from firstboot.errors import Unavailable
from firstboot.model import Origin
from firstboot.secret import random_text
from firstboot_plugins.transports.mqtt.config import MqttConfig
from firstboot_plugins.transports.mqtt.dialect import FAILURES, ConnectRefused, Login
from firstboot_plugins.transports.mqtt.packets import V5, Connect, Property, Reason

if TYPE_CHECKING:
    from firstboot_plugins.transports.mqtt.door import Door

logger = logging.getLogger(__name__)

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
        login = await door.login(connect, origin)
        check_will(connect, login)
        return login
    except ConnectRefused as refusal:
        if refusal.delay_s:
            await asyncio.sleep(refusal.delay_s)
        raise
    except Unavailable as error:
        if door.may_log(origin.address):
            logger.error("a login is not possible now", extra={"reason": str(error)})
    except FAILURES:
        logger.exception("a login failed")
    raise ConnectRefused(V3_UNAVAILABLE, Reason.SERVER_UNAVAILABLE)


def check_will(connect: Connect, login: Login) -> None:
    """Refuse a will that the client may not publish (threat MQ-9).

    One on a topic of the dialect is accepted and never published: that is served while a session lives.
    Raises: `ConnectRefused`.
    """
    will, rights = connect.will, login.rights
    if will is None or rights is None or (not will.topic.startswith("$") and rights.publish_to(will.topic)):
        return
    topics = login.topics(lambda message: None)
    is_own = topics.owns(will.topic)
    topics.close()
    if not is_own:
        raise ConnectRefused(V3_NOT_AUTHORIZED, Reason.NOT_AUTHORIZED)


def session_life_s(connect: Connect, config: MqttConfig) -> float:
    """Return for how long the session may outlive its connection."""
    longest_s = config.longest_session.total_seconds()
    if connect.level == V5:
        return min(float(connect.properties.get(Property.SESSION_EXPIRY_INTERVAL, 0)), longest_s)
    return 0.0 if connect.clean_start else longest_s


def terms(connect: Connect, config: MqttConfig) -> dict[Property, object]:
    """Return what a version 5 client must know of this server's limits."""
    if connect.level < V5:
        return {}
    properties: dict[Property, object] = {
        Property.RECEIVE_MAXIMUM: config.max_in_flight,
        Property.MAXIMUM_PACKET_SIZE: config.max_packet_size,
        Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: 0,
        Property.SHARED_SUBSCRIPTION_AVAILABLE: 0,
    }
    life_s = int(session_life_s(connect, config))
    if life_s != connect.properties.get(Property.SESSION_EXPIRY_INTERVAL, 0):
        properties[Property.SESSION_EXPIRY_INTERVAL] = life_s
    if not connect.client_id:
        properties[Property.ASSIGNED_CLIENT_IDENTIFIER] = f"auto-{random_text(18)}"
    return properties
