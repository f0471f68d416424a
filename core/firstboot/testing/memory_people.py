"""How a storage in memory writes tenants, customers, users with their logins, and API tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from firstboot.model import ApiToken, User
from firstboot.storage import (
    MAX_USER_SESSIONS,
    TOKEN_CREATED,
    ChangeKind,
    CreateApiToken,
    CreateCustomer,
    CreateTenant,
    CreateUser,
    DeleteApiToken,
    DeleteCustomer,
    DeleteUser,
    EndUserSession,
    OpenUserSession,
    Outcome,
    RecordTokenUse,
    RenewUserSession,
    UpdateApiToken,
    UpdateCustomer,
    UpdateUser,
    WriteResult,
)
from firstboot.testing.memory_tables import Tables, json_copy

PeopleWrite = (
    CreateTenant
    | CreateCustomer
    | UpdateCustomer
    | DeleteCustomer
    | CreateUser
    | UpdateUser
    | DeleteUser
    | OpenUserSession
    | RenewUserSession
    | EndUserSession
    | CreateApiToken
    | UpdateApiToken
    | DeleteApiToken
    | RecordTokenUse
)


class PeopleWrites:
    """The part of a `firstboot.testing.MemoryStorage` that writes people and their tokens."""

    _tables: Tables

    def _people_obstacles(self, write: PeopleWrite) -> Iterator[Outcome]:
        tables = self._tables
        gone = False
        match write:
            case CreateTenant():
                if any(each.name == write.tenant.name for each in tables.tenants.values()):
                    yield Outcome.NAME_TAKEN
            case CreateCustomer():
                gone = write.customer.tenant_id not in tables.tenants
                yield from self._title_taken(write)
            case UpdateCustomer():
                before = tables.customers.get(write.customer.id)
                gone = before is None or before.tenant_id != write.customer.tenant_id
                if before is not None and not gone and write.expected_version not in (None, before.version):
                    yield Outcome.STALE
                yield from self._title_taken(write)
            case DeleteCustomer():
                gone = write.customer_id not in tables.customers
            case CreateUser():
                gone = write.user.tenant_id is not None and write.user.tenant_id not in tables.tenants
                yield from self._user_clashes(write.user, own_id=0)
            case UpdateUser():
                user = tables.users.get(write.user.id)
                gone = user is None or user.tenant_id != write.user.tenant_id
                if user is not None and not gone and write.expected_version not in (None, user.version):
                    yield Outcome.STALE
                yield from self._user_clashes(write.user, own_id=write.user.id)
            case DeleteUser():
                gone = write.user_id not in tables.users
            case OpenUserSession():
                gone = write.session.user_id not in tables.users
            case RenewUserSession():
                session = tables.sessions.get(write.session_id)
                gone = session is None
                if session is not None and session.refresh_digest != write.replaces:
                    yield Outcome.STALE
            case EndUserSession():
                gone = write.session_id not in tables.sessions
            case CreateApiToken():
                wanted = (write.token.tenant_id, write.token.name)
                gone = write.token.tenant_id not in tables.tenants
                if any((each.tenant_id, each.name) == wanted for each in tables.tokens.values()):
                    yield Outcome.NAME_TAKEN
            case UpdateApiToken():
                token = tables.tokens.get(write.token.id)
                gone = token is None or token.tenant_id != write.token.tenant_id
            case DeleteApiToken() | RecordTokenUse():
                gone = write.token_id not in tables.tokens
        if gone:
            yield Outcome.GONE

    def _title_taken(self, write: CreateCustomer | UpdateCustomer) -> Iterator[Outcome]:
        own_id = write.customer.id if isinstance(write, UpdateCustomer) else 0
        for other in self._tables.customers.values():
            same = (other.tenant_id, other.title) == (write.customer.tenant_id, write.customer.title)
            if same and other.id != own_id:
                yield Outcome.NAME_TAKEN

    def _user_clashes(self, user: User, own_id: int) -> Iterator[Outcome]:
        if any(each.email == user.email and each.id != own_id for each in self._tables.users.values()):
            yield Outcome.NAME_TAKEN
        if not self._tables.has_customer(user.customer_id, user.tenant_id):
            yield Outcome.CUSTOMER_GONE

    def _apply_to_people(self, write: PeopleWrite) -> WriteResult:
        tables = self._tables
        new_id = version = 0
        match write:
            case CreateTenant():
                new_id = tables.new_id()
                tables.tenants[new_id] = replace(write.tenant, id=new_id)
            case CreateCustomer():
                new_id = tables.new_id()
                details = json_copy(dict(write.customer.details))
                tables.customers[new_id] = replace(write.customer, id=new_id, version=1, details=details)
            case UpdateCustomer():
                customer = tables.customers[write.customer.id]
                version = customer.version + 1
                details = json_copy(dict(write.customer.details))
                tables.customers[customer.id] = replace(
                    customer, title=write.customer.title, details=details, version=version
                )
            case DeleteCustomer():
                self._delete_customer(write.customer_id)
            case CreateUser():
                new_id = tables.new_id()
                details = json_copy(dict(write.user.details))
                tables.users[new_id] = replace(write.user, id=new_id, version=1, details=details)
            case UpdateUser():
                version = self._update_user(write)
            case DeleteUser():
                self._delete_user(write.user_id)
            case OpenUserSession():
                opened = write.session
                for each in list(tables.sessions.values()):
                    if each.expires_at_ms <= opened.created_at_ms:
                        del tables.sessions[each.public_id]
                same = [each for each in tables.sessions.values() if each.user_id == opened.user_id]
                same.sort(key=lambda each: each.created_at_ms, reverse=True)
                for each in same[MAX_USER_SESSIONS - 1 :]:
                    del tables.sessions[each.public_id]
                tables.sessions[opened.public_id] = opened
            case RenewUserSession():
                tables.sessions[write.session_id] = replace(
                    tables.sessions[write.session_id],
                    refresh_digest=write.refresh_digest,
                    expires_at_ms=write.expires_at_ms,
                )
            case EndUserSession():
                self._end_session(write)
            case CreateApiToken():
                new_id = tables.new_id()
                details = json_copy(dict(write.token.details))
                tables.tokens[new_id] = replace(write.token, id=new_id, details=details)
                tables.tell(ChangeKind.API_TOKEN, new_id, TOKEN_CREATED)
            case UpdateApiToken():
                self._update_token(write.token)
            case DeleteApiToken():
                del tables.tokens[write.token_id]
                tables.tell(ChangeKind.API_TOKEN, write.token_id)
            case RecordTokenUse():
                token = tables.tokens[write.token_id]
                last_used_at_ms = max(write.at_ms, token.last_used_at_ms or 0)
                tables.tokens[token.id] = replace(token, last_used_at_ms=last_used_at_ms)
        return WriteResult(Outcome.DONE, new_id, version)

    def _update_user(self, write: UpdateUser) -> int:
        before = self._tables.users[write.user.id]
        self._tables.users[before.id] = replace(
            write.user,
            public_id=before.public_id,
            created_at_ms=before.created_at_ms,
            details=json_copy(dict(write.user.details)),
            version=before.version + 1,
        )
        if write.end_sessions:
            self._end_sessions(before.id)
        self._tables.tell(ChangeKind.USER, before.id)
        return before.version + 1

    def _update_token(self, wanted: ApiToken) -> None:
        self._tables.tokens[wanted.id] = replace(
            self._tables.tokens[wanted.id],
            scopes=wanted.scopes,
            digest=wanted.digest,
            enabled=wanted.enabled,
            expires_at_ms=wanted.expires_at_ms,
            details=json_copy(dict(wanted.details)),
        )
        self._tables.tell(ChangeKind.API_TOKEN, wanted.id)

    def _delete_customer(self, customer_id: int) -> None:
        tables = self._tables
        for user in [each for each in tables.users.values() if each.customer_id == customer_id]:
            self._delete_user(user.id)
        for device in [each for each in tables.devices.values() if each.customer_id == customer_id]:
            tables.change_device(device.id, customer_id=None)
        del tables.customers[customer_id]

    def _delete_user(self, user_id: int) -> None:
        self._end_sessions(user_id)
        del self._tables.users[user_id]
        self._tables.tell(ChangeKind.USER, user_id)

    def _end_sessions(self, user_id: int) -> None:
        kept = {key: each for key, each in self._tables.sessions.items() if each.user_id != user_id}
        self._tables.sessions = kept

    def _end_session(self, write: EndUserSession | RenewUserSession) -> None:
        session = self._tables.sessions.pop(write.session_id)
        self._tables.tell(ChangeKind.USER, session.user_id)
