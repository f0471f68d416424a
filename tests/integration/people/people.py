"""The services of people on a storage of any kind, in a time that stands still."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.integration.provisioning.fake_clock import FakeClock

from firstboot.access_tokens import TokenPair
from firstboot.api_tokens import ApiTokenService
from firstboot.batching import Batcher
from firstboot.config import ClaimingConfig, LoginConfig
from firstboot.customers import CustomerService
from firstboot.keyring import Keyring
from firstboot.login import Authentication
from firstboot.model import Authority, Customer, Tenant, User
from firstboot.ownership import Ownership
from firstboot.passwords import Passwords
from firstboot.secret import Secret
from firstboot.storage import AuditEntry, AuditQuery, Storage, Write, WriteResult
from firstboot.tenants import TenantService
from firstboot.throttle import FailureThrottle
from firstboot.users import UserService

PASSWORD = Secret("a right password")
WRONG = Secret("a wrong password")
HOME, CAFE = "192.0.2.1", "198.51.100.1"
ACTOR = "test"


class CountingPasswords(Passwords):
    """Passwords that say for whom they were asked."""

    def __init__(self) -> None:
        super().__init__(memory_kib=8, passes=1)
        self.verified: list[bool] = []
        """For each check, whether there was a hash to check."""

    async def verify(self, stored: str | None, password: Secret) -> bool:
        self.verified.append(stored is not None)
        return await super().verify(stored, password)


@dataclass
class People:
    """One server's services; several may share a storage."""

    storage: Storage
    keyring: Keyring
    commits: Batcher[Write, WriteResult]
    time: FakeClock
    tenant: Tenant
    passwords: CountingPasswords
    tenants: TenantService
    customers: CustomerService
    users: UserService
    api_tokens: ApiTokenService
    authentication: Authentication

    @classmethod
    async def on(
        cls, storage: Storage, keyring: Keyring, time: FakeClock, config: LoginConfig | None = None
    ) -> People:
        async def write(batch: Sequence[Write]) -> Sequence[WriteResult]:
            return await storage.write(batch, keyring.link)

        commits: Batcher[Write, WriteResult] = Batcher(write)
        passwords = CountingPasswords()
        users = UserService(storage, commits, keyring, passwords, time.clock)
        api_tokens = ApiTokenService(storage, commits, keyring, time.clock)
        tenant = await storage.find_tenant("default")
        assert tenant is not None
        return cls(
            storage=storage,
            keyring=keyring,
            commits=commits,
            time=time,
            tenant=tenant,
            passwords=passwords,
            tenants=TenantService(storage, commits, time.clock),
            customers=CustomerService(
                storage, commits, time.clock, Ownership(ClaimingConfig(), storage, commits, time.clock)
            ),
            users=users,
            api_tokens=api_tokens,
            authentication=Authentication(
                config=config or LoginConfig(),
                storage=storage,
                commits=commits,
                keyring=keyring,
                passwords=passwords,
                users=users,
                api_tokens=api_tokens,
                throttle=FailureThrottle(per_minute=30, max_delay_s=2.0, monotonic=time.clock.monotonic),
                clock=time.clock,
            ),
        )

    async def admin(self, email: str = "ann@example.com", **fields: Any) -> User:
        """Make an administrator of the tenant with `PASSWORD`."""
        values = {"authority": Authority.TENANT_ADMIN, "password": PASSWORD, "actor": ACTOR, **fields}
        return await self.users.create(self.tenant.id, email=email, **values)

    async def customer(self, title: str = "Acme") -> Customer:
        return await self.customers.create(self.tenant.id, title, actor=ACTOR)

    async def customer_user(self, customer: Customer, email: str = "cleo@example.com", **fields: Any) -> User:
        return await self.admin(email, authority=Authority.CUSTOMER_USER, customer_id=customer.id, **fields)

    async def log_in(
        self, email: str = "ann@example.com", password: Secret = PASSWORD, address: str = HOME
    ) -> TokenPair:
        return await self.authentication.log_in(email, password, address)

    async def audit(self) -> list[AuditEntry]:
        await self.commits.drain()
        return [row.entry for row in await self.storage.list_audit(AuditQuery())]


def payload(token: Secret) -> dict[str, Any]:
    """Return what a token says, as a client reads it that does not check it."""
    part = token.reveal().split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded
