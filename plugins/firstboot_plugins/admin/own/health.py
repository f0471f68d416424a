"""How the server is: a word for everybody, reasons for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from firstboot.model import Authority
from firstboot_plugins.admin.failures import Failure
from firstboot_plugins.admin.operation import PUBLIC, Access, Call, operation
from firstboot_plugins.admin.own.problems import FIRSTBOOT
from firstboot_plugins.admin.own.shapes import Told

TAG = "Server"
SERVER_READERS = Access(
    authorities=frozenset({Authority.SYS_ADMIN, Authority.TENANT_ADMIN}), scope="server:read", tenant=False
)


class Alive(Told):
    """A server that answers."""

    status: Literal["ok"]


class HealthDetails(Told):
    """How the server is, and why."""

    status: Literal["ok", "degraded"]
    reasons: Sequence[str]
    warnings: Sequence[str]


@operation("GET", "/health", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, answers=Alive)
async def alive(call: Call) -> Alive:
    """Say that the process lives and answers."""
    return Alive(status="ok")


@operation("GET", "/health/ready", dialect=FIRSTBOOT, tag=TAG, access=PUBLIC, answers=Alive)
async def ready(call: Call) -> Alive:
    """Say whether the server can do its work.

    503 with the code `degraded` when something that devices need does not work.
    """
    health = await call.services.health()
    if health.status != "ok":
        raise Failure(503, "The server cannot do all of its work.", code="degraded")
    return Alive(status="ok")


@operation(
    "GET", "/api/firstboot/health", dialect=FIRSTBOOT, tag=TAG, access=SERVER_READERS, answers=HealthDetails
)
async def details(call: Call) -> HealthDetails:
    """Show how the server is, with reasons and warnings."""
    health = await call.services.health()
    return HealthDetails(
        status="ok" if health.status == "ok" else "degraded", reasons=health.reasons, warnings=health.warnings
    )


OPERATIONS = (alive, ready, details)
