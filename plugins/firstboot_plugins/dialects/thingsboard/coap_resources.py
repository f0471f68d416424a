"""ThingsBoard over CoAP: the resources of the device's side (contract 2.8, 3.5, 4.2, section 6)."""

from __future__ import annotations

from firstboot.app import Services
from firstboot_plugins.dialects.thingsboard.coap_device import DeviceApi
from firstboot_plugins.dialects.thingsboard.coap_provisioning import Provision
from firstboot_plugins.transports.coap.messages import Code
from firstboot_plugins.transports.coap.resources import Answer, CoapResource, Handler, Request

FEATURES = ("telemetry", "attributes", "claim", "release", "rpc")


def resources(services: Services) -> list[CoapResource]:
    """Return the resources of a device."""
    device = DeviceApi(services)
    provision = Provision(services).answer
    posts: dict[str, Handler] = {
        "telemetry": device.telemetry,
        "attributes": device.attributes,
        "claim": device.claim,
        "release": device.release,
        "rpc": device.call,
    }
    gets: dict[str, Handler] = {"attributes": device.attributes_wanted, "rpc": device.calls_wanted}
    return [
        # Any one segment may stand where devices have their token: clients make all their paths alike.
        *(
            CoapResource(path, {Code.POST: provision, Code.GET: _not_to_be_read})
            for path in ("api/v1/provision", "api/v1/{token}/provision")
        ),
        # Without a token it must be a certificate that proves the device.
        *(
            CoapResource(f"{path}/{name}", {Code.POST: posts[name], Code.GET: gets.get(name, others)})
            for path, others in (("api/v1", _no_token), ("api/v1/{token}", _not_to_be_read))
            for name in FEATURES
        ),
        *(
            CoapResource(path, {Code.POST: device.answer_to_call, Code.GET: _not_to_be_read})
            for path in ("api/v1/{token}/rpc/{id}", "api/v1/rpc/{id}")
        ),
    ]


async def _not_to_be_read(request: Request) -> Answer:
    return Answer(Code.BAD_REQUEST)


async def _no_token(request: Request) -> Answer:
    return Answer(Code.UNAUTHORIZED)
