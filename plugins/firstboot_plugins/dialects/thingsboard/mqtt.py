"""ThingsBoard over MQTT: provision-only sessions (contract 2.6, 2.7) and device logins (contract 3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from firstboot.app import Services
from firstboot.errors import ProfileNotProven, Refused, Unavailable
from firstboot.model import DIALECT, Origin, Provisioned, ProvisioningRequest
from firstboot.sessions import device_owner
from firstboot_plugins.dialects.thingsboard.certificate_login import log_in_by_certificate
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof
from firstboot_plugins.dialects.thingsboard.certificate_provisioning import provision
from firstboot_plugins.dialects.thingsboard.device_session import DeviceSession
from firstboot_plugins.dialects.thingsboard.login import log_in
from firstboot_plugins.dialects.thingsboard.provisioning_formats import Formats
from firstboot_plugins.dialects.thingsboard.provisioning_request import MalformedRequest, UnreadableRequest
from firstboot_plugins.dialects.thingsboard.refused_messages import RefusedMessages
from firstboot_plugins.transports.mqtt.dialect import Login, Message, Reply, SessionTopics
from firstboot_plugins.transports.mqtt.packets import Connect, Publish, Reason
from firstboot_plugins.transports.mqtt.rights import DeviceRights

PROVISION_USER = "provision"
REQUEST_TOPIC = "/provision/request"
RESPONSE_TOPIC = "/provision/response"


class ThingsBoardMqtt:
    """The dialect as the MQTT transport sees it."""

    name = "thingsboard"

    def __init__(self, services: Services) -> None:
        self._services = services
        self._refused = RefusedMessages(services.clock)
        self._proof = CertificateProof(services)

    def provision_session(self, connect: Connect, origin: Origin) -> SessionTopics | None:
        """Take every session whose user name or client id is ``provision`` (contract PM-1)."""
        if connect.username == PROVISION_USER or connect.client_id == PROVISION_USER:
            return ProvisionSession(self._services, self._proof, origin)
        return None

    async def login(self, connect: Connect, origin: Origin) -> Login | None:
        origin = replace(origin, dialect=self.name)
        if origin.certificate is not None:  # contract 3.3: user name and password do not count then
            match = await log_in_by_certificate(origin, self._services, self._proof)
        else:
            match = await log_in(connect, self._services.logins)
        profile = self._services.logins.profile_of(match)
        if profile is not None and profile.details.get(DIALECT, self.name) != self.name:
            return None  # the device speaks another dialect, which is asked as well
        await self._services.logins.record(match)
        device = match.found.device
        return Login(
            dialect=self.name,
            owner=device_owner(device.id),
            name=device.name,
            topics=lambda send: DeviceSession(
                self._services, device, origin.address, send, self._refused, level=connect.level
            ),
            rights=DeviceRights(device.tenant_id, device.public_id),
            device=device,
        )


class ProvisionSession:
    """A session that may only ask to be provisioned. It sees its own answers and nothing else."""

    __slots__ = ("_answered", "_formats", "_granted_qos", "_origin", "_proof", "_provisioning", "_services")

    def __init__(self, services: Services, proof: CertificateProof, origin: Origin) -> None:
        self._services = services
        self._provisioning = services.provisioning
        self._proof = proof
        self._origin = replace(origin, dialect="thingsboard")
        self._granted_qos: int | None = None
        self._formats = Formats()
        self._answered: tuple[int, int, Reply] | None = None
        """Packet id, hash of the payload and answer of the last request that a client may send again."""

    def owns(self, topic: str) -> bool:
        return True

    def close(self) -> None:
        pass

    def subscribe(self, topic_filter: str, qos: int) -> int | None:
        if topic_filter != RESPONSE_TOPIC:
            return None
        self._granted_qos = min(qos, 1)
        return self._granted_qos

    def unsubscribe(self, topic_filter: str) -> bool:
        existed = topic_filter == RESPONSE_TOPIC and self._granted_qos is not None
        if existed:
            self._granted_qos = None
        return existed

    async def publish(self, message: Publish) -> Reply:
        if message.topic != REQUEST_TOPIC:
            return Reply(Reason.TOPIC_NAME_INVALID, close=True)
        if message.packet_id is None:
            return await self._answer(message)
        sent = message.packet_id, hash(message.payload)
        if message.dup and self._answered is not None and self._answered[:2] == sent:
            return self._answered[2]  # a second request would find its own name taken (threat PV-9)
        reply = await self._answer(message)
        self._answered = (*sent, reply)
        return reply

    async def _answer(self, message: Publish) -> Reply:
        try:
            types = self._provisioning.credential_types
            request = self._formats.decode_request(message.payload, self._origin, types)
        except MalformedRequest as error:
            # ThingsBoard closes here; a device that is told can try again (contract, section 7).
            await asyncio.sleep(await self._provisioning.refuse_unreadable(self._origin, str(error)))
            return self._respond(self._failure())
        except UnreadableRequest as error:
            await self._provisioning.refuse_unreadable(self._origin, str(error))
            return Reply(Reason.PAYLOAD_FORMAT_INVALID, must_tell=True)
        return await self._provision(request)

    async def _provision(self, request: ProvisioningRequest) -> Reply:
        try:
            provisioned = await provision(self._services, self._proof, request)
        except Refused as refusal:
            if refusal.delay_s:
                await asyncio.sleep(refusal.delay_s)
            not_proven = isinstance(refusal, ProfileNotProven)
            return self._respond(self._not_found() if not_proven else self._failure())
        except Unavailable:
            return self._respond(self._failure())
        return self._respond(self._success(provisioned), self._confirmation(provisioned))

    def _respond(self, payload: bytes, delivered: Callable[[], Awaitable[None]] | None = None) -> Reply:
        # Without a subscription the answer is sent all the same, with QoS 1 (contract PM-9).
        qos = 1 if self._granted_qos is None else self._granted_qos
        return Reply(messages=(Message(RESPONSE_TOPIC, payload, qos, delivered),))

    def _confirmation(self, provisioned: Provisioned) -> Callable[[], Awaitable[None]] | None:
        if not provisioned.confirmable:
            return None
        return lambda: self._provisioning.confirm_delivery(provisioned)

    def _success(self, provisioned: Provisioned) -> bytes:
        credentials = provisioned.credentials
        return self._formats.answers.success(credentials.type, self._provisioning.reveal(credentials))

    def _not_found(self) -> bytes:
        return self._formats.answers.NOT_FOUND

    def _failure(self) -> bytes:
        return self._formats.answers.FAILURE
