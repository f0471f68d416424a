"""What the parts of the storage suite share: fixtures, a world to write in, and pictures of its state."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias
from uuid import uuid4

import pytest
import pytest_asyncio

from firstboot.keyring import Keyring
from firstboot.model import (
    DEFAULT_TENANT,
    PROVISION_STATE,
    PROVISIONED,
    ApiToken,
    Attribute,
    Customer,
    Device,
    DeviceProfile,
    Resource,
    Scope,
    Tenant,
    User,
    UserSession,
)
from firstboot.storage import (
    AuditChain,
    AuditQuery,
    AuditRow,
    ChangeKind,
    CreateApiToken,
    CreateCustomer,
    CreateDevice,
    CreateProfile,
    CreateResource,
    CreateTenant,
    CreateUser,
    DeviceQuery,
    HandOut,
    OpenUserSession,
    Outcome,
    PageQuery,
    ReplaceCredentials,
    SealedCredentials,
    Storage,
    When,
    Write,
)
from firstboot.testing.leaks import NoLeaks
from firstboot.testing.samples import (
    NOW_MS,
    a_customer,
    a_profile,
    a_resource,
    a_tenant,
    a_user,
    a_user_session,
    an_api_token,
    an_audit_entry,
)

OpenStorage: TypeAlias = Callable[[], Awaitable[Storage]]

IS_PROVISIONED = Attribute(Scope.SERVER, PROVISION_STATE, PROVISIONED)
ALL = 100_000


def digest(token: str) -> bytes:
    """Return 16 bytes for a token, as the keyring would."""
    return hashlib.sha256(token.encode()).digest()[:16]


def sealed(token: str) -> SealedCredentials:
    """Return credentials with the digest of this token."""
    return SealedCredentials("ACCESS_TOKEN", digest(token), b"sealed " + token.encode())


@dataclass
class World:
    """A storage with one profile in it, and short ways to write."""

    storage: Storage
    chain: AuditChain
    tenant: Tenant
    profile: DeviceProfile

    @classmethod
    async def begin(cls, storage: Storage, chain: AuditChain, tenant: Tenant, profile: str = "sensor") -> World:
        """Make the profile."""
        world = cls(storage, chain, tenant, a_profile(tenant_id=tenant.id))
        world.profile = await world.make_profile(profile)
        return world

    async def do(self, *writes: Write) -> list[Outcome]:
        """Do writes in one batch."""
        return [result.outcome for result in await self.storage.write(writes, self.chain)]

    def device(self, name: str, token: str | None = None, **fields: Any) -> CreateDevice:
        """Return the write that makes a device; the token is drawn from its name unless given."""
        values: dict[str, Any] = {
            "public_id": uuid4(),
            "tenant_id": self.tenant.id,
            "profile_id": self.profile.id,
            "name": name,
            "credentials": sealed(f"token of {name}" if token is None else token),
            "created_at_ms": NOW_MS,
            "audit": an_audit_entry("device-provisioned", device=name),
        }
        return CreateDevice(**values | fields)

    async def make_device(self, name: str = "meter-7", token: str | None = None, **fields: Any) -> Device:
        """Make a device and read it."""
        assert await self.do(self.device(name, token, **fields)) == [Outcome.DONE]
        return await self.read(name)

    async def make(self, write: Write) -> int:
        """Do a write that makes something; return its id."""
        (made,) = await self.storage.write([write], self.chain)
        assert made.outcome is Outcome.DONE
        return made.id

    async def make_profile(self, name: str, **fields: Any) -> DeviceProfile:
        """Make a profile and read it."""
        profile = a_profile(name, tenant_id=self.tenant.id, **fields)
        made = await self.make(CreateProfile(profile=profile, audit=an_audit_entry("profile-created")))
        return await self.read_profile(made)

    async def make_customer(self, title: str = "Acme", **fields: Any) -> Customer:
        """Make a customer and read it."""
        customer = a_customer(title, tenant_id=self.tenant.id, **fields)
        made = await self.make(CreateCustomer(customer=customer, audit=an_audit_entry("customer-created")))
        (read,) = await self.storage.customers_by_id(self.tenant.id, [made])
        return read

    async def make_user(self, email: str = "ada@example.org", **fields: Any) -> User:
        """Make a user and read it."""
        user = a_user(email, **{"tenant_id": self.tenant.id} | fields)
        await self.make(CreateUser(user=user, audit=an_audit_entry("user-created")))
        read = await self.storage.user_by_email(email)
        assert read is not None
        return read

    async def make_session(self, user: User, **fields: Any) -> UserSession:
        """Log a user in."""
        session = a_user_session(user.id, **fields)
        await self.make(OpenUserSession(session=session, audit=an_audit_entry("user-logged-in")))
        return session

    async def make_token(self, name: str = "dashboard", **fields: Any) -> ApiToken:
        """Make an API token and read it."""
        token = an_api_token(name, tenant_id=self.tenant.id, **fields)
        await self.make(CreateApiToken(token=token, audit=an_audit_entry("token-created")))
        read = await self.storage.api_token_by_digest(token.digest)
        assert read is not None
        return read

    def resource(self, name: str = "readings", *, keep_existing: bool = False, **fields: Any) -> CreateResource:
        """Return the write that makes a resource."""
        resource = a_resource(name, **{"tenant_id": self.tenant.id} | fields)
        return CreateResource(
            resource=resource, keep_existing=keep_existing, audit=an_audit_entry("resource-created", detail=name)
        )

    async def make_resource(self, name: str = "readings", **fields: Any) -> Resource:
        """Make a resource and read it."""
        read = await self.storage.resource(await self.make(self.resource(name, **fields)))
        assert read is not None
        return read

    async def read(self, name: str) -> Device:
        """Read a device that has to be there."""
        device = await self.storage.find_device(self.tenant.id, name)
        assert device is not None
        return device

    async def read_profile(self, profile_id: int) -> DeviceProfile:
        """Read a profile that has to be there."""
        (profile,) = [each for each in await self.storage.all_profiles() if each.id == profile_id]
        return profile

    async def told(self, *writes: Write) -> list[tuple[ChangeKind, int]]:
        """Do writes in one batch; return what other processes are told."""
        before = await self.storage.last_change()
        assert set(await self.do(*writes)) == {Outcome.DONE}
        return [(each.kind, each.ref) for each in await self.storage.changes_since(before)]

    async def audit(self) -> list[AuditRow]:
        """Read the whole audit log."""
        return list(await self.storage.list_audit(AuditQuery(limit=ALL)))

    async def state(self) -> dict[str, Any]:
        """Return everything that can be read of this tenant, to compare before and after."""
        devices = await self.storage.list_devices(DeviceQuery(tenant_id=self.tenant.id, limit=ALL))
        return {
            "devices": list(devices),
            "count": await self.storage.count_devices(self.profile.id),
            "credentials": {each.id: list(await self.storage.device_credentials(each.id)) for each in devices},
            "attributes": {each.id: list(await self.storage.device_attributes(each.id)) for each in devices},
            "telemetry": {each.id: list(await self.storage.latest_telemetry(each.id)) for each in devices},
            "windows": {each.id: set(await self.storage.claim_windows(each.id)) for each in devices},
            "tenants": list(await self.storage.all_tenants()),
            "customers": list((await self.storage.page_customers(self.tenant.id, PageQuery())).rows),
            "users": list((await self.storage.page_users(self.tenant.id, PageQuery())).rows),
            "tokens": list(await self.storage.list_api_tokens(self.tenant.id)),
            "members": list(await self.storage.pool_members(self.profile.id, limit=ALL)),
            "buckets": list(await self.storage.list_resources("bucket", tenant_id=self.tenant.id)),
            "profiles": {each.id: each for each in await self.storage.all_profiles()},
            "audit": await self.audit(),
            "last change": await self.storage.last_change(),
        }


async def attributes(storage: Storage, device_id: int) -> dict[tuple[Scope, str], str]:
    """Return a device's attributes, the values as JSON: so 1, 1.0 and true are three values."""
    read = await storage.device_attributes(device_id)
    as_json = {(each.scope, each.key): json.dumps(each.value, sort_keys=True) for each in read}
    assert len(as_json) == len(read), "an attribute is there twice"
    return as_json


def hand_out(device_id: int, when: When = When.NOT_PROVISIONED, **fields: Any) -> HandOut:
    """Return the write that hands out a device."""
    values: dict[str, Any] = {"at_ms": NOW_MS, "audit": an_audit_entry("device-provisioned")}
    return HandOut(device_id=device_id, when=when, **values | fields)


def replace_credentials(device_id: int, old: str, new: str, **fields: Any) -> ReplaceCredentials:
    """Return the write that replaces the credentials of one token by those of another."""
    values: dict[str, Any] = {
        "when": When.ALWAYS,
        "keep_old_until_ms": None,
        "at_ms": NOW_MS,
        "provisioned": False,
        "audit": an_audit_entry("credentials-replaced"),
    }
    return ReplaceCredentials(
        device_id=device_id, replaces=digest(old), credentials=sealed(new), **values | fields
    )


@pytest.mark.asyncio
class StorageSuite(NoLeaks):
    """Fixtures of all parts of the suite."""

    opens_twice: ClassVar[bool] = True
    """Whether two storages can be open on the same data at the same time."""

    @pytest.fixture
    def open_storage(self) -> OpenStorage:
        """Return what opens the storage under test: empty in each test, and then on the same data again."""
        raise NotImplementedError("Override the fixture 'open_storage' to return what opens yours.")

    @pytest_asyncio.fixture
    async def storage(self, open_storage: OpenStorage) -> AsyncIterator[Storage]:
        """Return an open storage."""
        storage = await open_storage()
        yield storage
        await storage.close()

    @pytest_asyncio.fixture
    async def other_storage(self, storage: Storage, open_storage: OpenStorage) -> AsyncIterator[Storage]:
        """Return another storage that is open on the same data."""
        if not self.opens_twice:
            pytest.skip("it cannot be opened twice")
        other = await open_storage()
        yield other
        await other.close()

    async def rivals(self, worlds: Sequence[World], writes: Sequence[Write]) -> Counter[Outcome]:
        """Do each write in a batch of its own, all at the same time; count how they ended."""
        ended = await asyncio.gather(
            *(worlds[number % len(worlds)].do(write) for number, write in enumerate(writes))
        )
        return Counter(outcome for (outcome,) in ended)

    @pytest.fixture
    def chain(self) -> AuditChain:
        """Return an audit chain with a key of its own."""
        return Keyring.generate().link

    @pytest_asyncio.fixture
    async def other_world(self, world: World) -> World:
        """Return another tenant of the same storage, with a profile in it."""
        await world.make(CreateTenant(tenant=a_tenant(), audit=an_audit_entry("tenant-created")))
        tenant = await world.storage.find_tenant("other")
        assert tenant is not None
        return await World.begin(world.storage, world.chain, tenant)

    @pytest_asyncio.fixture
    async def world(self, storage: Storage, chain: AuditChain) -> World:
        """Return the storage with a profile in it."""
        tenant = await storage.find_tenant(DEFAULT_TENANT)
        assert tenant is not None, "the default tenant exists from the start"
        return await World.begin(storage, chain, tenant)
