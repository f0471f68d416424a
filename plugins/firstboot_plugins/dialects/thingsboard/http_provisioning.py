"""ThingsBoard over HTTP: provisioning (contract 2.7, 2.8)."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from firstboot.app import Services
from firstboot.errors import ProfileNotProven, Refused, Unavailable
from firstboot_plugins.dialects.thingsboard import provisioning_json
from firstboot_plugins.dialects.thingsboard.certificate_proof import CertificateProof
from firstboot_plugins.dialects.thingsboard.certificate_provisioning import provision
from firstboot_plugins.dialects.thingsboard.error_codes import BAD_ARGUMENTS, GENERAL
from firstboot_plugins.dialects.thingsboard.http_answers import (
    busy_answer,
    error_answer,
    json_answer,
    origin_of,
)
from firstboot_plugins.dialects.thingsboard.http_bodies import UnusableBody, device_body
from firstboot_plugins.dialects.thingsboard.provisioning_request import UnreadableRequest
from firstboot_plugins.transports.http.config import HttpConfig
from firstboot_plugins.transports.http.in_flight import free_slot


class Provision:
    """``POST /api/v1/provision``: every outcome that was decided is 200; ``status`` tells which (PH-1)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._provisioning = services.provisioning
        self._proof = CertificateProof(services)
        self._clock = services.clock
        self._max_body = services.config.section(HttpConfig).max_device_body

    async def answer(self, request: Request) -> Response:
        try:
            body = await device_body(request, self._max_body)
        except UnusableBody as error:
            return error_answer(self._clock, error.status, BAD_ARGUMENTS, str(error))
        except ClientDisconnect:
            return Response(status_code=400)
        if not body:
            return error_answer(self._clock, 400, BAD_ARGUMENTS, "Required request body is missing!")
        origin = origin_of(request)
        try:
            wanted = provisioning_json.decode_request(body, origin, self._provisioning.credential_types)
        except UnreadableRequest as error:
            free_slot(request)
            await asyncio.sleep(await self._provisioning.refuse_unreadable(origin, str(error)))
            return error_answer(self._clock, 500, GENERAL, str(error))
        try:
            provisioned = await provision(self._services, self._proof, wanted)
        except Refused as refusal:
            free_slot(request)
            if refusal.delay_s:
                await asyncio.sleep(refusal.delay_s)
            not_proven = isinstance(refusal, ProfileNotProven)
            return json_answer(provisioning_json.NOT_FOUND if not_proven else provisioning_json.FAILURE)
        except Unavailable as error:
            return busy_answer(self._clock, error.retry_after_s)
        credentials = provisioned.credentials
        return json_answer(provisioning_json.success(credentials.type, self._provisioning.reveal(credentials)))
