"""thinger.io over CoAP: check and create, and claims of pools (contract 12.3, 12.4)."""

from __future__ import annotations

from typing import Any

from firstboot.app import Services
from firstboot_plugins.dialects.thinger.coap_claims import claim, claim_when_ready
from firstboot_plugins.dialects.thinger.coap_frame import CoapCall, serve
from firstboot_plugins.dialects.thinger.coap_payloads import MAX_PAYLOAD, encode
from firstboot_plugins.dialects.thinger.errors import ThingerError
from firstboot_plugins.dialects.thinger.list_query import ListQuery
from firstboot_plugins.dialects.thinger.shared import Thinger
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import Answer, CoapResource

_USER = "v1/users/{user}"
_SHOWN = ("device", "name", "enabled")
_MOST_SHOWN = 10


def resources(services: Services) -> list[CoapResource]:
    """Return the resources of the dialect."""
    thinger = Thinger.of(services)
    return [
        CoapResource(f"{_USER}/devices", {Code.GET: serve(thinger, _list), Code.POST: serve(thinger, _create)}),
        CoapResource(f"{_USER}/devices/{{device}}/ensure", {Code.POST: serve(thinger, _ensure)}),
        CoapResource("p/ensure", {Code.POST: serve(thinger, _ensure)}),
        CoapResource(
            f"{_USER}/pools/{{pool}}/claim",
            {Code.POST: serve(thinger, claim), Code.GET: serve(thinger, claim_when_ready)},
        ),
    ]


async def _list(call: CoapCall) -> Answer:
    sent = {key: value for key in ("name", "id") if (value := call.request.parameter(key)) is not None}
    query = ListQuery.of({**sent, "count": str(_MOST_SHOWN)})
    rows: list[dict[str, Any]] = []
    for device in await call.thinger.devices.list(call.asker, query):
        row = {key: device[key] for key in _SHOWN}
        if len(encode([*rows, row], call.content_format)) > MAX_PAYLOAD:
            break
        rows.append(row)
    return call.answer(Code.CONTENT, rows)


async def _create(call: CoapCall) -> Answer:
    made = await call.thinger.devices.create(call.asker, call.body)
    return call.answer(Code.CREATED, {"device": made["device"]})


async def _ensure(call: CoapCall) -> Answer:
    device = call.request.path.get("device") or call.fields.get("device")
    if not isinstance(device, str):
        raise ThingerError(400, "missing field: device")
    result = await call.thinger.ensuring.ensure(call.asker, device, call.body)
    body = dict(result.body)
    for name in ("dashboards", "buckets"):  # what else does not fit into one datagram
        if len(encode(body, call.content_format)) > MAX_PAYLOAD:
            body.pop(name, None)
    return call.answer(Code.CREATED if body["result"] == "created" else Code.CHANGED, body)
