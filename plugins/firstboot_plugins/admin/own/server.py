"""What the server is, where it listens, and what it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from firstboot import __version__
from firstboot_plugins.admin.operation import Call, operation
from firstboot_plugins.admin.own.health import SERVER_READERS, TAG
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Told
from firstboot_plugins.admin.public_url import public_url
from firstboot_plugins.transports.http.config import HttpConfig


class ListenerTold(Told):
    """Where the server listens."""

    name: str
    host: str
    port: int


class PluginTold(Told):
    """One plugin that was found."""

    name: str
    source: str
    state: Literal["active", "off", "failed"]
    reason: str
    """Why it is off or failed, or is left alone."""


class LimitsTold(Told):
    """What the server takes over HTTP."""

    max_device_body: int
    max_admin_body: int
    max_import_body: int
    max_connections: int
    max_in_flight: int
    max_event_streams: int


class ServerTold(Told):
    """A server."""

    version: str
    public_url: str
    listeners: Sequence[ListenerTold]
    plugins: Sequence[PluginTold]
    limits: LimitsTold
    sessions: int | None
    """Live sessions of devices, applications and event streams; null for people of a tenant, who may not know
    how many others have."""
    events_dropped: Mapping[str, int]
    """Events that plugins have missed because they were too slow, by plugin."""


@operation("GET", "/api/firstboot/server", dialect=FIRSTBOOT, tag=TAG, access=SERVER_READERS, answers=ServerTold)
async def server(call: Call) -> ServerTold:
    """Show version, listeners, plugins and limits of the server."""
    services = call.services
    limits = services.config.section(HttpConfig)
    return ServerTold(
        version=__version__,
        public_url=public_url(services),
        listeners=[
            ListenerTold(name=name, host=address.host, port=address.port)
            for name, address in sorted(services.listeners.items())
        ],
        plugins=[
            PluginTold(name=info.name, source=info.source, state=info.state.value, reason=info.reason)
            for info in services.plugins.infos()
        ],
        limits=LimitsTold(**{name: getattr(limits, name) for name in LimitsTold.model_fields}),
        sessions=len(services.sessions) if call.identity.tenant_id is None else None,
        events_dropped=services.observers.dropped,
    )


OPERATIONS = (server,)
