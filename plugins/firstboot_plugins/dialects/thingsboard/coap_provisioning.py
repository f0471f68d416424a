"""ThingsBoard over CoAP: provisioning (contract 2.7, 2.8)."""

from __future__ import annotations

import asyncio
from functools import partial

from firstboot.app import Services
from firstboot.errors import ProfileNotProven, Refused, Unavailable
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof
from firstboot_plugins.dialects.thingsboard.certificate_provisioning import provision
from firstboot_plugins.dialects.thingsboard.coap_login import origin_of
from firstboot_plugins.dialects.thingsboard.provisioning_formats import Formats
from firstboot_plugins.dialects.thingsboard.provisioning_request import UnreadableRequest
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import TEXT, Answer, Request


class Provision:
    """``POST api/v1/provision``: 2.01 with the credentials, or 4.00, with the status where one was decided."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._provisioning = services.provisioning
        self._proof = CertificateProof(services)

    async def answer(self, request: Request) -> Answer:
        origin = origin_of(request)
        formats = Formats()
        try:
            wanted = formats.decode_request(request.payload, origin, self._provisioning.credential_types)
        except UnreadableRequest as error:
            await asyncio.sleep(await self._provisioning.refuse_unreadable(origin, str(error)))
            return Answer(Code.BAD_REQUEST)
        content_format = TEXT if formats.is_json else None
        try:
            provisioned = await provision(self._services, self._proof, wanted)
        except Refused as refusal:
            if refusal.delay_s:
                await asyncio.sleep(refusal.delay_s)
            not_proven = isinstance(refusal, ProfileNotProven)
            payload = formats.answers.NOT_FOUND if not_proven else formats.answers.FAILURE
            return Answer(Code.BAD_REQUEST, payload, content_format)
        except Unavailable as error:
            return Answer(Code.SERVICE_UNAVAILABLE, retry_after_s=error.retry_after_s)
        credentials = provisioned.credentials
        payload = formats.answers.success(credentials.type, self._provisioning.reveal(credentials))
        confirm = partial(self._provisioning.confirm_delivery, provisioned) if provisioned.confirmable else None
        return Answer(Code.CREATED, payload, content_format, delivered=confirm)
