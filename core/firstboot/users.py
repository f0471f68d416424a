"""Users: people who may log in. The texts of refusals are ThingsBoard's (contract 5.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from firstboot.activation import (
    activation_digest,
    check_activation,
    read_activation,
    with_new_activation,
    without_activation,
)
from firstboot.attribute_values import check_value
from firstboot.batching import Batcher
from firstboot.clock import Clock, new_public_id
from firstboot.emails import clean_email
from firstboot.errors import AlreadyExists, InvalidValue, NotFound, VersionConflict
from firstboot.keyring import Keyring
from firstboot.model import Authority, User
from firstboot.passwords import Passwords, check_password
from firstboot.secret import Secret
from firstboot.storage import (
    AuditEntry,
    CreateUser,
    DeleteUser,
    Outcome,
    Page,
    PageQuery,
    Storage,
    UpdateUser,
    Write,
    WriteResult,
)

_MAX_NAME_LENGTH = 255


class UserService:
    """What administrators do with users, and users with their passwords."""

    def __init__(
        self,
        storage: Storage,
        commits: Batcher[Write, WriteResult],
        keyring: Keyring,
        passwords: Passwords,
        clock: Clock,
    ) -> None:
        self._storage = storage
        self._commits = commits
        self._keyring = keyring
        self._passwords = passwords
        self._clock = clock

    async def get(self, public_id: UUID, *, tenant_id: int | None = None) -> User:
        """Return a user; with ``tenant_id`` only one of that tenant (threat TN-1).

        Raises: `NotFound`.
        """
        user = await self._storage.user_by_public_id(public_id)
        if user is None or (tenant_id is not None and user.tenant_id != tenant_id):
            raise _gone(public_id)
        return user

    async def by_email(self, email: str) -> User:
        """Return a user of any tenant.

        Raises: `NotFound`, `InvalidValue`.
        """
        email = clean_email(email)
        user = await self._storage.user_by_email(email)
        if user is None:
            raise NotFound(f"There is no user {email!r}.")
        return user

    async def page(self, tenant_id: int | None, query: PageQuery, *, customer_id: int | None = None) -> Page[User]:
        """Return users of a tenant (None: those of no tenant), or only those of one customer."""
        return await self._storage.page_users(tenant_id, query, customer_id=customer_id)

    async def create(
        self,
        tenant_id: int | None,
        *,
        email: str,
        authority: Authority,
        customer_id: int | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        details: Mapping[str, Any] | None = None,
        password: Secret | None = None,
        must_change: bool = False,
        actor: str,
    ) -> User:
        """Make a user: with a password, or inactive and with an activation token.

        Raises: `InvalidValue`, `AlreadyExists`, `NotFound` when the customer is not there, `Unavailable`.
        """
        now_ms = self._clock.now_ms()
        user = User(
            id=0,
            public_id=new_public_id(now_ms),
            tenant_id=tenant_id,
            customer_id=customer_id,
            email=clean_email(email),
            authority=authority,
            first_name=first_name,
            last_name=last_name,
            details=details or {},
            created_at_ms=now_ms,
        )
        _check(user)
        if password is None:
            user = with_new_activation(self._keyring, user, now_ms)
        else:
            hashed = await self._passwords.hash(password)
            user = replace(user, password_hash=hashed, must_change=must_change)
        result = await self._commits.submit(CreateUser(user=user, audit=self._audit("user-created", user, actor)))
        _raise_unless_done(result, user)
        return replace(user, id=result.id)

    async def update(self, user: User, *, expected_version: int | None = None, actor: str) -> User:
        """Replace what administrators may change: names, address, authority, customer, details.

        Raises: `InvalidValue`, `AlreadyExists`, `NotFound`, `VersionConflict`.
        """
        _check(user)
        email = clean_email(user.email)

        def change(current: User) -> User:
            return replace(
                current,
                email=email,
                authority=user.authority,
                customer_id=user.customer_id,
                first_name=user.first_name,
                last_name=user.last_name,
                details=user.details,
            )

        return await self._change(user, change, "user-updated", actor, expected_version=expected_version)

    async def delete(self, user: User, *, actor: str) -> None:
        """Delete a user; all logins end.

        Raises: `NotFound`.
        """
        write = DeleteUser(user_id=user.id, audit=self._audit("user-deleted", user, actor))
        _raise_unless_done(await self._commits.submit(write), user)

    async def disable(self, user: User, *, actor: str) -> User:
        """Let a user log in no more; all logins end."""
        return await self._change(
            user, lambda current: replace(current, enabled=False), "user-disabled", actor, end_sessions=True
        )

    async def enable(self, user: User, *, actor: str) -> User:
        """Let a disabled user log in again."""
        return await self._change(user, lambda current: replace(current, enabled=True), "user-enabled", actor)

    async def unlock(self, user: User, *, actor: str) -> User:
        """Forget the wrong passwords that were tried: `firstboot.login_throttle` counts them by version."""
        return await self._change(user, lambda current: current, "user-unlocked", actor)

    async def set_password(self, user: User, password: Secret, *, must_change: bool = False, actor: str) -> User:
        """Give a user another password; all logins end, and an activation token opens nothing any more.

        Raises: `InvalidValue`, `NotFound`, `Unavailable`.
        """
        hashed = await self._passwords.hash(password)
        changed = replace(without_activation(user), password_hash=hashed, must_change=must_change)
        return await self._put(
            changed, "password-changed", actor, expected_version=user.version, end_sessions=True
        )

    async def activation_token(self, user: User, *, actor: str) -> Secret:
        """Return the token with which the user may choose a first password; a new one if it has expired.

        Raises: `InvalidValue` when the user has a password already, `NotFound`.
        """
        token = read_activation(self._keyring, user, self._clock.now_ms())
        if token is not None:
            return token
        renewed = with_new_activation(self._keyring, user, self._clock.now_ms())
        await self._put(renewed, "activation-renewed", actor, expected_version=user.version)
        token = read_activation(self._keyring, renewed, self._clock.now_ms())
        assert token is not None  # for the type checker: it was made just now
        return token

    async def activate(self, token: Secret, password: Secret) -> User:
        """Give the user of an activation token a first password, once.

        Raises: `InvalidValue`, with ThingsBoard's texts; `Unavailable`.
        """
        check_password(password)
        found = await self._storage.user_by_activation(activation_digest(self._keyring, token))
        user = check_activation(found, token, self._clock.now_ms())
        hashed = await self._passwords.hash(password)
        changed = replace(without_activation(user), password_hash=hashed, must_change=False)
        try:
            return await self._put(changed, "user-activated", f"user:{user.email}", expected_version=user.version)
        except VersionConflict:  # the same link was opened twice
            raise InvalidValue("User credentials already activated") from None

    async def _change(
        self,
        user: User,
        change: Callable[[User], User],
        event: str,
        actor: str,
        *,
        expected_version: int | None = None,
        end_sessions: bool = False,
    ) -> User:
        """Change the user as it is now: what is held may be older than a password that was set since."""
        while True:
            current = await self.get(user.public_id)
            if expected_version not in (None, current.version):
                raise _stale()
            try:
                return await self._put(
                    change(current), event, actor, expected_version=current.version, end_sessions=end_sessions
                )
            except VersionConflict:
                if expected_version is not None:
                    raise

    async def _put(
        self,
        user: User,
        event: str,
        actor: str,
        *,
        expected_version: int,
        end_sessions: bool = False,
    ) -> User:
        write = UpdateUser(
            user=user,
            expected_version=expected_version,
            end_sessions=end_sessions,
            audit=self._audit(event, user, actor),
        )
        result = await self._commits.submit(write)
        _raise_unless_done(result, user)
        return replace(user, version=result.version)

    def _audit(self, event: str, user: User, actor: str) -> AuditEntry:
        return AuditEntry(
            at_ms=self._clock.now_ms(),
            event=event,
            tenant_id=user.tenant_id,
            actor=actor,
            detail=f"{user.email} ({user.authority.value})",
        )


def _check(user: User) -> None:
    """Check that authority, tenant and customer fit each other: rights are read from them."""
    if (user.tenant_id is None) != (user.authority is Authority.SYS_ADMIN):
        raise InvalidValue("A SYS_ADMIN belongs to no tenant, and everybody else to one.")
    if (user.customer_id is None) != (user.authority is not Authority.CUSTOMER_USER):
        raise InvalidValue("A CUSTOMER_USER belongs to a customer, and nobody else does.")
    check_value(dict(user.details), "details")
    for name in (user.first_name, user.last_name):
        if name and (len(name) > _MAX_NAME_LENGTH or not name.isprintable()):
            raise InvalidValue(
                f"A person's name has at most {_MAX_NAME_LENGTH} characters, no control characters."
            )


def _raise_unless_done(result: WriteResult, user: User) -> None:
    match result.outcome:
        case Outcome.DONE:
            return
        case Outcome.NAME_TAKEN:
            raise AlreadyExists(f"User with email '{user.email}' already present in database!")
        case Outcome.CUSTOMER_GONE:
            raise NotFound("The user's customer is not found")
        case Outcome.STALE:
            raise _stale()
        case _:
            raise _gone(user.public_id)


def _stale() -> VersionConflict:
    return VersionConflict("Somebody else has changed the user since it was read.")


def _gone(public_id: UUID) -> NotFound:
    return NotFound(f"User with id [{public_id}] is not found")
