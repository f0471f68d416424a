"""ThingsBoard over HTTP: the routes of the device's side."""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from firstboot.app import Services
from firstboot_plugins.dialects.thingsboard.http_device import DeviceApi
from firstboot_plugins.dialects.thingsboard.http_provisioning import Provision


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of contract 2.8, 4.2 and section 6."""
    device = DeviceApi(services)
    routes = [
        Route("/api/v1/provision", Provision(services).answer, methods=["POST"]),
        Route("/api/v1/{token}/telemetry", device.telemetry, methods=["POST"]),
        Route("/api/v1/{token}/attributes", device.attributes, methods=["POST"]),
        Route("/api/v1/{token}/attributes", device.attributes_wanted, methods=["GET"]),
        Route("/api/v1/{token}/attributes/updates", device.attribute_updates, methods=["GET"]),
        Route("/api/v1/{token}/claim", device.claim, methods=["POST"]),
        Route("/api/v1/{token}/release", device.release, methods=["POST"]),
        Route("/api/v1/{token}/rpc", device.next_call, methods=["GET"]),
        Route("/api/v1/{token}/rpc", device.call, methods=["POST"]),
        Route("/api/v1/{token}/rpc/{id}", device.answer_to_call, methods=["POST"]),
    ]
    for route in routes:
        # Starlette lets HEAD in with GET: it would take a call from the device, and not tell it.
        assert route.methods is not None  # all of them were given some
        route.methods.discard("HEAD")
    return list(routes)
