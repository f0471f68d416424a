"""People make their own account while they claim their first device, where the administrator allows it."""

from __future__ import annotations

from dataclasses import replace

from firstboot.batching import Batcher
from firstboot.claimants import Asker, Claimant
from firstboot.claiming import Claiming
from firstboot.clock import Clock, new_public_id
from firstboot.config import ClaimingConfig
from firstboot.emails import clean_email
from firstboot.errors import AlreadyExists, ClaimRefused, NotFound
from firstboot.model import Authority, ClaimWindow, Customer, Device, Origin, User
from firstboot.ownership import OwnerChanged, Ownership
from firstboot.passwords import Passwords, check_password
from firstboot.secret import Secret, random_text
from firstboot.storage import AuditEntry, Outcome, SignUp, Storage, Write, WriteResult
from firstboot.throttle import source_of


class SigningUp:
    """Makes a customer with a user who owns a device: all of it or nothing.

    Nobody proves an e-mail address. What stands for that is the secret of a device that is for sale.
    """

    def __init__(
        self,
        *,
        config: ClaimingConfig,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        passwords: Passwords,
        clock: Clock,
        claiming: Claiming,
        ownership: Ownership,
    ) -> None:
        self._config = config
        self._storage = storage
        self._commits = commits
        self._passwords = passwords
        self._clock = clock
        self._claiming = claiming
        self._ownership = ownership

    def is_open(self, tenant: str) -> bool:
        """Say whether people may sign up with this tenant."""
        return tenant in self._config.sign_up

    async def sign_up(
        self, tenant: str, email: str, password: Secret, name: str, secret: Secret, origin: Origin
    ) -> tuple[User, Device]:
        """Make an account of a tenant's new customer, who claims a device.

        Nothing is told of an e-mail address before the secret of a device is proven.

        Raises: `ClaimRefused`, `InvalidValue` for an address or password that cannot be used, `AlreadyExists`
        when the address has an account, `Unavailable`.
        """
        found = await self._storage.find_tenant(tenant) if self.is_open(tenant) else None
        if found is None:
            raise ClaimRefused("sign-up-closed", "Here nobody can make an account by himself.")
        email = clean_email(email)
        check_password(password)
        asker = Asker(
            tenant_id=found.id,
            claimant=Claimant(
                person=("sign-up", source_of(origin.address)), customer_id=None, address=origin.address
            ),
            actor=f"user:{email}",
            origin=origin,
        )
        made: list[User] = []

        async def take(device: Device, window: ClaimWindow) -> Device:
            user, owned = await self._take(asker, email, password, device, window)
            made.append(user)
            return owned

        device = await self._claiming.prove(asker, name, secret, take)
        return made[0], device

    async def _take(
        self, asker: Asker, email: str, password: Secret, device: Device, window: ClaimWindow
    ) -> tuple[User, Device]:
        now_ms = self._clock.now_ms()
        customer = Customer(
            id=0,
            public_id=new_public_id(now_ms),
            tenant_id=asker.tenant_id,
            title=email,
            created_at_ms=now_ms,
        )
        user = User(
            id=0,
            public_id=new_public_id(now_ms),
            tenant_id=asker.tenant_id,
            customer_id=None,
            email=email,
            authority=Authority.CUSTOMER_USER,
            password_hash=await self._passwords.hash(password),
            created_at_ms=now_ms,
        )
        new = await self._claiming.new_owner(device, window, customer, asker, how="signed-up")
        while True:
            claim, behind = await self._ownership.plan(device, new)
            write = SignUp(
                customer=customer,
                user=user,
                claim=claim,
                customer_audit=self._audit("customer-created", asker, customer.title),
                user_audit=self._audit("user-created", asker, f"{email} ({user.authority.value})"),
            )
            result = await self._commits.submit(write)
            if result.outcome is not Outcome.NAME_TAKEN:
                break
            if await self._storage.user_by_email(email) is not None:
                raise AlreadyExists(f"User with email '{email}' already present in database!")
            # An administrator has given a customer this address for a title.
            customer = replace(customer, title=f"{email} {random_text(6)}")
            new = replace(new, customer=customer)
        if result.outcome is Outcome.STALE:
            raise OwnerChanged
        if result.outcome is not Outcome.DONE:
            raise NotFound(f"There is no device named {device.name!r}.")
        await self._ownership.tell(device, new, behind, claim.at_ms)
        stored = await self._storage.user_by_email(email)
        if stored is None:
            raise NotFound("The account was deleted at once.")
        return stored, replace(device, customer_id=stored.customer_id, version=result.version)

    def _audit(self, event: str, asker: Asker, detail: str) -> AuditEntry:
        origin = asker.origin
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            tenant_id=asker.tenant_id,
            actor=asker.actor,
            address=origin.address,
            transport=origin.transport,
            dialect=origin.dialect,
            detail=detail,
        )
