"""People who claim devices, for the tests of what devices do about it."""

from __future__ import annotations

from uuid import uuid5

from tests.harness import TestServer
from tests.integration.thingsboard_device.board import Board

from firstboot.errors import ClaimRefused
from firstboot.model import Authority, ClaimWindow, Device, Origin, User
from firstboot.secret import Secret

PASSWORD = "a right password"
FROM_REST = Origin(transport="http", dialect="thingsboard", address="192.0.2.9")


class Buyer:
    """A customer's user."""

    def __init__(self, server: TestServer, user: User) -> None:
        self.server = server
        self.user = user

    @classmethod
    async def make(cls, server: TestServer, name: str = "buyer") -> Buyer:
        """Make a customer with a user."""
        services = server.services
        customer = await services.customers.create(1, name, {}, actor="test")
        user = await services.users.create(
            1,
            email=f"{uuid5(customer.public_id, name).hex}@example.com",
            authority=Authority.CUSTOMER_USER,
            customer_id=customer.id,
            password=Secret(PASSWORD),
            actor="test",
        )
        return cls(server, user)

    async def claim(self, board: Board, secret: str) -> Device:
        return await self.server.services.claiming.claim(self.user, board.device.name, Secret(secret), FROM_REST)

    async def is_refused(self, board: Board, secret: str) -> str:
        """Try to claim, in vain; return the code of the refusal."""
        try:
            await self.claim(board, secret)
        except ClaimRefused as refusal:
            return refusal.code
        raise AssertionError("the claim was not refused")


async def owner(board: Board) -> int | None:
    """Return the customer to whom the device belongs."""
    device = await board.server.device(board.device.name)
    assert device is not None
    return device.customer_id


async def windows(board: Board) -> list[ClaimWindow]:
    return list(await board.server.services.claim_windows.list(board.device))


async def codes(board: Board, event: str) -> list[str]:
    """Return the codes of what the audit log has of the device, the first one first."""
    rows = await board.server.audit()
    found = [row.entry for row in rows if row.entry.event == event and row.entry.device == board.device.name]
    return [entry.code for entry in sorted(found, key=lambda entry: entry.at_ms)]
