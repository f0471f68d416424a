"""The storage suite catches broken storages (PL-9)."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from tests.unit.testing_kit.catching import FAILURES, catches

from firstboot.keyring import Keyring
from firstboot.model import (
    DEFAULT_TENANT,
    Attribute,
    ClaimOpener,
    Customer,
    Device,
    LatestValue,
    Scope,
    StoredAttribute,
)
from firstboot.storage import (
    AuditChain,
    AuditEntry,
    AuditQuery,
    AuditRow,
    Change,
    ChangeOwner,
    CloseClaimWindows,
    CreateCustomer,
    CreateDevice,
    DeviceQuery,
    EndUserSession,
    FoundCredentials,
    NewClaimWindow,
    OpenClaimWindow,
    Outcome,
    Page,
    PageQuery,
    RecordLogin,
    RenewUserSession,
    ReopenDevice,
    ReplaceCredentials,
    SaveTelemetry,
    SignUp,
    Storage,
    UpdateDevice,
    Write,
    WriteResult,
)
from firstboot.testing import (
    NOW_MS,
    MemoryStorage,
    StorageConformance,
)
from firstboot.testing.memory_claims import ClaimWrite
from firstboot.testing.storage_base import World
from firstboot.testing.storage_pages import pages_of


class Forgetful(MemoryStorage):
    """Does not look at one of the obstacles."""

    forgets: Outcome

    def obstacles(self, write: Write) -> Iterator[Outcome]:
        return (obstacle for obstacle in super().obstacles(write) if obstacle is not self.forgets)


class ForgetsNames(Forgetful):
    forgets = Outcome.NAME_TAKEN


class ForgetsCredentials(Forgetful):
    forgets = Outcome.CREDENTIALS_IN_USE


class ForgetsLimit(Forgetful):
    forgets = Outcome.DEVICE_LIMIT


class ForgetsState(Forgetful):
    forgets = Outcome.STALE


class ForgetsUse(Forgetful):
    forgets = Outcome.IN_USE


class ForgetsKeys(Forgetful):
    forgets = Outcome.KEY_TAKEN


class ForgetsCustomers(Forgetful):
    forgets = Outcome.CUSTOMER_GONE


class ForgetsProfiles(Forgetful):
    forgets = Outcome.PROFILE_GONE


class ForgetsDefaults(Forgetful):
    forgets = Outcome.DEFAULT_TAKEN


class CountsBeforeTheBatch(MemoryStorage):
    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        self.before = len(self._tables.devices)
        return await super().write(batch, chain)

    def _count(self, profile_id: int) -> int:
        return self.before


class LooksThenInserts(MemoryStorage):
    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        obstacles = [next(self.obstacles(write), None) for write in batch]
        await asyncio.sleep(0)
        results = []
        for write, obstacle in zip(batch, obstacles, strict=True):
            results.append(WriteResult(obstacle) if obstacle else self._apply(write))
        return results


class FailsAsAWhole(MemoryStorage):
    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        saved = self._tables.saved()
        results = await super().write(batch, chain)
        if any(result.outcome is not Outcome.DONE for result in results):
            self._tables.restore(saved)
        return results


class HasNoTransaction(MemoryStorage):
    async def write(self, batch: Sequence[Write], chain: AuditChain) -> Sequence[WriteResult]:
        return [self._write(write, chain) for write in batch]


class LeavesCredentialsBehind(MemoryStorage):
    def _write(self, write: Write, chain: AuditChain) -> WriteResult:
        result = super()._write(write, chain)
        if isinstance(write, CreateDevice) and result.outcome is Outcome.NAME_TAKEN:
            device_id = self._tables.names[write.tenant_id, write.name]
            self._tables.credentials[write.credentials.digest] = replace(
                next(iter(self._tables.credentials.values())), credentials=write.credentials, device_id=device_id
            )
        return result


class AuditsFailures(MemoryStorage):
    def _write(self, write: Write, chain: AuditChain) -> WriteResult:
        result = super()._write(write, chain)
        entry = getattr(write, "audit", None)
        if result.outcome is not Outcome.DONE and entry is not None:
            self._append(entry, chain)
        return result


class DoesNotChain(MemoryStorage):
    def _append(self, entry: AuditEntry, chain: AuditChain) -> None:
        super()._append(entry, lambda previous, row: chain(b"", row))


class TellsNobody(MemoryStorage):
    async def changes_since(self, change_id: int) -> Sequence[Change]:
        return []


class KeepsAttributesOfTheDead(MemoryStorage):
    def _delete(self, device_id: int) -> None:
        kept = dict(self._tables.attributes)
        super()._delete(device_id)
        self._tables.attributes = kept


class SearchesWithCase(MemoryStorage):
    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        found = await super().list_devices(query)
        return [device for device in found if (query.text or "") in device.name]


class SearchesWithWildcards(MemoryStorage):
    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        return await super().list_devices(replace(query, text=(query.text or "").replace("%", "")))


class ForgetsOffsets(MemoryStorage):
    async def list_devices(self, query: DeviceQuery) -> Sequence[Device]:
        return (await super().list_devices(replace(query, after_id=0)))[: 2 if query.after_id else None]


class EndsGraceAtOnce(MemoryStorage):
    def _replace(self, write: ReplaceCredentials) -> None:
        super()._replace(replace(write, keep_old_until_ms=None))


class KeepsOldOnesCurrent(MemoryStorage):
    async def find_credentials(self, digests: Sequence[bytes]) -> Sequence[FoundCredentials]:
        return [replace(each, valid_until_ms=None) for each in await super().find_credentials(digests)]


class StoresTextOnly(MemoryStorage):
    async def device_attributes(
        self, device_id: int, scope: Scope | None = None, keys: Collection[str] | None = None
    ) -> Sequence[StoredAttribute]:
        read = await super().device_attributes(device_id, scope, keys)
        return [replace(each, value=str(each.value)) for each in read]


class OverwritesMeta(MemoryStorage):
    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        return await super().write_meta(name, value, await self.read_meta(name))


class TruncatesNames(MemoryStorage):
    def _create(self, write: CreateDevice) -> int:
        return super()._create(replace(write, name=write.name[:64]))


class FoldsNames(MemoryStorage):
    async def find_device(self, tenant_id: int, name: str) -> Device | None:
        found = await self.list_devices(DeviceQuery(tenant_id=tenant_id, text=name))
        return found[0] if found else None


class KnowsNoTenants(MemoryStorage):
    async def device_by_id(self, tenant_id: int, device_id: int) -> Device | None:
        return self._tables.devices.get(device_id)


class RecordsEachLogin(MemoryStorage):
    def _apply(self, write: Write) -> WriteResult:
        if isinstance(write, RecordLogin):
            self._tables.change_device(write.device_id, first_login_at_ms=write.at_ms)
            return WriteResult(Outcome.DONE)
        return super()._apply(write)


class ReopensHalf(MemoryStorage):
    def _apply(self, write: Write) -> WriteResult:
        if isinstance(write, ReopenDevice):
            self._tables.change_device(write.device_id, reopened_at_ms=write.at_ms)
            return WriteResult(Outcome.DONE)
        return super()._apply(write)


class KeepsAnyTelemetry(MemoryStorage):
    def _save_telemetry(self, write: SaveTelemetry) -> None:
        for point in write.points:
            for key, value in point.values.items():
                self._tables.telemetry[write.device_id, key] = LatestValue(key, point.at_ms, value)


class KeepsUsersOfDeletedCustomers(MemoryStorage):
    def _delete_customer(self, customer_id: int) -> None:
        users = dict(self._tables.users)
        super()._delete_customer(customer_id)
        self._tables.users = users


class LetsThievesRenew(MemoryStorage):
    def _end_session(self, write: EndUserSession | RenewUserSession) -> None:
        if isinstance(write, EndUserSession):
            super()._end_session(write)


class LeavesUsageBehind(MemoryStorage):
    def _update(self, write: UpdateDevice) -> int:
        profile_id = self._tables.devices[write.device.id].profile_id
        return super()._update(replace(write, device=replace(write.device, profile_id=profile_id)))


class CountsNoVersions(MemoryStorage):
    def _apply(self, write: Write) -> WriteResult:
        return replace(super()._apply(write), version=0)


class ShowsAuditOfAll(MemoryStorage):
    async def list_audit(self, query: AuditQuery) -> Sequence[AuditRow]:
        return await super().list_audit(replace(query, tenant_id=None))


class CountsOnePage(MemoryStorage):
    async def page_customers(self, tenant_id: int, query: PageQuery) -> Page[Customer]:
        page = await super().page_customers(tenant_id, query)
        return Page(page.rows, len(page.rows))


class KeepsWindowsOfTheOwned(MemoryStorage):
    def _change_owner(self, write: ChangeOwner) -> int:
        windows = dict(self._tables.windows)
        version = super()._change_owner(write)
        self._tables.windows = windows
        return version


class LeavesFollowersBehind(MemoryStorage):
    def _change_owner(self, write: ChangeOwner) -> int:
        return super()._change_owner(replace(write, followers=()))


class IsLateByAMoment(MemoryStorage):
    def _owner_obstacles(self, write: ChangeOwner) -> Iterator[Outcome]:
        return super()._owner_obstacles(replace(write, at_ms=write.at_ms - 1))


class KeepsTheFirstWindow(MemoryStorage):
    def _apply_to_claims(self, write: ClaimWrite) -> WriteResult:
        before = dict(self._tables.windows)
        result = super()._apply_to_claims(write)
        if isinstance(write, OpenClaimWindow):
            self._tables.windows |= before
        return result


class ForgetsKeptSecrets(MemoryStorage):
    def _open_for_administrator(self, device_id: int, window: NewClaimWindow, at_ms: int) -> None:
        self._tables.windows.pop((device_id, ClaimOpener.ADMINISTRATOR), None)
        super()._open_for_administrator(device_id, window, at_ms)


class ClosesWindowsButNotTheData(MemoryStorage):
    def _close(self, write: CloseClaimWindows) -> None:
        for opener in write.opened_by:
            self._tables.windows.pop((write.device_id, opener), None)


class LeavesHalfOfASignUp(MemoryStorage):
    def _write(self, write: Write, chain: AuditChain) -> WriteResult:
        result = super()._write(write, chain)
        if isinstance(write, SignUp) and result.outcome is Outcome.STALE:
            super()._write(CreateCustomer(customer=write.customer, audit=write.customer_audit), chain)
        return result


class LosesGateways(MemoryStorage):
    def _update(self, write: UpdateDevice) -> int:
        return super()._update(replace(write, device=replace(write.device, gateway_id=None)))


class ForgetsDevices(Forgetful):
    forgets = Outcome.DEVICE_GONE


SEARCH = "text_is_searched_literally_and_whatever_the_case"
MOMENT = "a_window_is_open_up_to_its_last_moment"
BROKEN_STORAGES: Sequence[tuple[type[MemoryStorage], str, Mapping[str, Any]]] = (
    (ForgetsNames, "duplicate_names_in_a_batch_fail_alone", {"duplicates": 1}),
    (ForgetsNames, "names_that_are_stored_fail_alone", {"duplicates": 32}),
    (ForgetsNames, "one_of_many_gets_a_name", {}),
    (ForgetsNames, "two_profiles_cannot_have_one_name", {}),
    (ForgetsCredentials, "duplicate_tokens_in_a_batch_fail_alone", {"duplicates": 63}),
    (ForgetsCredentials, "tokens_that_are_stored_fail_alone", {"duplicates": 1}),
    (ForgetsCredentials, "one_of_many_gets_a_token", {}),
    (ForgetsCredentials, "credentials_in_use_replace_nothing", {}),
    (ForgetsLimit, "the_limit_of_devices_holds_at_n_and_n_plus_1", {}),
    (ForgetsLimit, "the_limit_of_devices_holds_over_two_storages_on_the_data", {}),
    (ForgetsState, "one_of_many_is_handed_the_device", {}),
    (ForgetsState, "one_device_is_handed_out_once_in_a_batch", {}),
    (ForgetsUse, "a_profile_with_devices_stays", {}),
    (ForgetsKeys, "two_profiles_cannot_have_one_key", {}),
    (CountsBeforeTheBatch, "the_limit_of_devices_counts_those_of_the_same_batch", {}),
    (LooksThenInserts, "one_of_many_gets_a_name", {}),
    (LooksThenInserts, "one_of_many_gets_a_token", {}),
    (LooksThenInserts, "one_of_many_is_handed_the_device", {}),
    (LooksThenInserts, "the_limit_of_devices_holds_under_many_at_once", {}),
    (LooksThenInserts, "one_of_many_wins_over_two_storages_on_the_data", {}),
    (FailsAsAWhole, "duplicate_names_in_a_batch_fail_alone", {"duplicates": 1}),
    (HasNoTransaction, "a_batch_that_breaks_off_has_not_happened", {}),
    (LeavesCredentialsBehind, "attempts_that_lose_leave_no_credentials", {}),
    (AuditsFailures, "only_those_that_succeed_are_audited_and_in_order", {}),
    (DoesNotChain, "the_audit_chain_holds", {}),
    (TellsNobody, "other_processes_are_told_of_a_deleted_device", {}),
    (TellsNobody, "other_processes_are_told_of_replaced_credentials", {}),
    (TellsNobody, "other_processes_are_told_of_a_replaced_profile", {}),
    (KeepsAttributesOfTheDead, "deleting_a_device_removes_all_that_is_its_own", {}),
    (SearchesWithCase, SEARCH, {"text": "METER-", "found": {"Meter-1", "METER-2"}}),
    (SearchesWithWildcards, SEARCH, {"text": "%", "found": {"100%"}}),
    (ForgetsOffsets, "devices_are_listed_page_by_page", {}),
    (EndsGraceAtOnce, "old_credentials_stay_until_their_grace_is_over", {}),
    (KeepsOldOnesCurrent, "old_credentials_stay_until_their_grace_is_over", {}),
    (KeepsOldOnesCurrent, "credentials_after_their_grace_are_never_current_again", {}),
    (StoresTextOnly, "attributes_of_every_json_type_come_back_equal", {}),
    (OverwritesMeta, "meta_is_set_only_from_what_is_expected", {}),
    (OverwritesMeta, "one_of_many_sets_meta", {}),
    (TruncatesNames, "any_name_is_kept_and_found", {"name": "x" * 255}),
    (FoldsNames, "names_that_differ_in_case_only_are_two", {}),
    (KnowsNoTenants, "a_device_cannot_be_changed_as_if_it_were_another_tenants", {}),
    (RecordsEachLogin, "only_the_first_login_is_recorded", {}),
    (ReopensHalf, "re_opening_ends_the_provision_state", {}),
    (ForgetsCustomers, "a_device_is_not_made_for_a_customer_of_another_tenant", {}),
    (ForgetsCustomers, "neither_a_device_nor_a_customer_must_be_missing", {}),
    (ForgetsCustomers, "tenant_and_customer_of_a_user_must_be_there_and_fit", {}),
    (ForgetsProfiles, "profiles_of_other_tenants_are_refused", {}),
    (ForgetsLimit, "the_limit_of_devices_holds_for_those_that_come_from_another_profile", {}),
    (ForgetsDefaults, "a_tenant_has_one_default_profile", {}),
    (ForgetsNames, "two_customers_of_a_tenant_cannot_have_one_title", {}),
    (ForgetsNames, "an_address_is_unique_over_all_tenants", {}),
    (ForgetsNames, "two_tokens_of_a_tenant_cannot_have_one_name", {}),
    (ForgetsState, "a_version_is_replaced_once", {}),
    (ForgetsState, "a_version_of_a_profile_is_replaced_once", {}),
    (ForgetsState, "a_refresh_token_that_is_used_again_ends_the_session", {}),
    (LetsThievesRenew, "a_refresh_token_that_is_used_again_ends_the_session", {}),
    (KeepsUsersOfDeletedCustomers, "a_customer_goes_with_its_users_and_their_logins", {}),
    (KeepsAnyTelemetry, "the_newest_value_of_each_key_is_kept", {}),
    (LeavesUsageBehind, "a_device_that_changes_its_profile_counts_there", {}),
    (CountsNoVersions, "title_and_details_are_replaced_and_counted", {}),
    (TellsNobody, "others_are_told_which_shared_attributes_changed", {}),
    (TellsNobody, "other_processes_are_told_when_a_device_is_disabled", {}),
    (TellsNobody, "a_token_that_is_revoked_is_gone_and_others_are_told", {}),
    (ShowsAuditOfAll, "the_audit_log_is_filtered", {}),
    (ForgetsState, "only_the_expected_owner_is_replaced", {"owner": "one", "expected": "nobody"}),
    (ForgetsState, "a_window_is_opened_only_while_the_owner_is_the_expected_one", {}),
    (ForgetsState, "a_secret_opens_once", {}),
    (ForgetsState, "without_the_window_that_is_asked_for_nothing_changes", {}),
    (ForgetsState, "of_rivals_over_two_storages_one_gets_the_device", {}),
    (ForgetsState, "of_rivals_over_two_storages_one_signs_up", {}),
    (LooksThenInserts, "of_rivals_over_two_storages_one_gets_the_device", {}),
    (LooksThenInserts, "of_rivals_over_two_storages_one_signs_up", {}),
    (ForgetsDevices, "a_gateway_must_be_a_device_of_the_tenant", {}),
    (KeepsWindowsOfTheOwned, "all_that_opens_a_device_ends_with_its_owner", {"to_nobody": False}),
    (KeepsWindowsOfTheOwned, "all_that_opens_a_device_ends_with_its_owner", {"to_nobody": True}),
    (LeavesFollowersBehind, "followers_get_what_the_gateway_gets", {}),
    (LeavesFollowersBehind, "a_gateway_brings_its_devices", {}),
    (IsLateByAMoment, MOMENT, {"opener": ClaimOpener.OWNER, "late_ms": 1, "is_open": False}),
    (KeepsTheFirstWindow, "the_latest_window_of_an_opener_replaces_only_that_one", {}),
    (ForgetsKeptSecrets, "a_window_without_a_secret_keeps_the_one_that_was_there", {}),
    (ClosesWindowsButNotTheData, "claiming_data_goes_with_the_administrators_window_alone", {}),
    (LeavesHalfOfASignUp, "whatever_stands_against_it_nothing_is_left_behind", {}),
    (LosesGateways, "devices_behind_a_gateway_are_listed", {}),
    (TellsNobody, "others_are_told_of_shared_attributes_only", {}),
)  # fmt: skip


async def storage_arguments(kind: type[MemoryStorage], test: Callable[..., Any]) -> dict[str, Any]:
    """Return what the fixtures of the suite would give a test."""
    storage = kind()
    chain = Keyring.generate().link
    tenant = await storage.find_tenant(DEFAULT_TENANT)
    assert tenant is not None

    async def open_storage() -> Storage:
        return kind(same_as=storage)

    wanted = inspect.signature(test).parameters
    arguments: dict[str, Any] = {"storage": storage, "chain": chain, "open_storage": open_storage}
    if "world" in wanted:
        arguments["world"] = await World.begin(storage, chain, tenant)
    if "other_world" in wanted:
        arguments["other_world"] = await World.begin(storage, chain, storage.add_tenant("other"))
    if "other_storage" in wanted:
        arguments["other_storage"] = await open_storage()
    return {name: value for name, value in arguments.items() if name in wanted}


@pytest.mark.parametrize(("kind", "name", "more"), BROKEN_STORAGES)
async def test_the_suite_catches_a_broken_storage_and_passes_a_whole_one(
    kind: type[MemoryStorage], name: str, more: Mapping[str, Any]
) -> None:
    test = getattr(StorageConformance(), f"test_{name}")

    await test(**await storage_arguments(MemoryStorage, test), **more)
    await catches(test, **await storage_arguments(kind, test), **more)


async def test_the_suite_catches_a_storage_that_forgets_when_it_is_closed() -> None:
    async def open_storage() -> Storage:
        return MemoryStorage()

    await catches(
        StorageConformance().test_everything_is_there_after_closing_and_opening,
        open_storage=open_storage,
        chain=Keyring.generate().link,
    )


async def test_the_suite_catches_a_storage_that_counts_one_page() -> None:
    async def check(kind: type[MemoryStorage]) -> None:
        world = (await storage_arguments(kind, lambda world: None))["world"]
        await StorageConformance().test_pages_have_borders_and_a_total(pages_of(world, "customers"))

    await check(MemoryStorage)
    await catches(check, kind=CountsOnePage)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(
            (kind, "batches")
            for kind in (ForgetsCredentials, ForgetsState, RecordsEachLogin, AuditsFailures, ReopensHalf)
        ),
        *(
            (kind, "claims")
            for kind in (
                ForgetsState, ForgetsDevices, KeepsWindowsOfTheOwned, LeavesFollowersBehind,
                KeepsTheFirstWindow, ForgetsKeptSecrets, ClosesWindowsButNotTheData, LeavesHalfOfASignUp,
                LosesGateways,
            )
        ),
    ],
)  # fmt: skip
def test_random_batches_catch_a_broken_storage(kind: type[MemoryStorage], name: str) -> None:
    test: Any = getattr(StorageConformance, f"test_random_{name}_end_as_in_memory")
    batches = test.hypothesis._given_kwargs["batches"]

    @settings(max_examples=200, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(batches=batches)
    def run(batches: Any) -> None:
        asyncio.run(
            test.hypothesis.inner_test(
                StorageConformance(), storage=kind(), chain=Keyring.generate().link, batches=batches
            )
        )

    with pytest.raises((*FAILURES, KeyError)):  # some stumble over what they forgot
        run()


class TestMemoryStorage:
    """What is the storage's own, beside what the suite asks of every storage."""

    async def test_what_a_caller_does_to_a_value_later_changes_nothing(self) -> None:
        storage = MemoryStorage()
        tenant = await storage.find_tenant(DEFAULT_TENANT)
        assert tenant is not None
        world = await World.begin(storage, Keyring.generate().link, tenant)
        value, info = [1], {"list": [1]}
        device = await world.make_device(attributes=(Attribute(Scope.SERVER, "a", value),), additional_info=info)

        value.append(2)
        info["list"].append(2)

        assert await storage.device_attributes(device.id) == [StoredAttribute(Scope.SERVER, "a", [1], NOW_MS)]
        assert (await world.read("meter-7")).additional_info == {"list": [1]}

    async def test_two_storages_share_nothing_unless_told_to(self) -> None:
        one = MemoryStorage()

        await one.write_meta("name", b"value", None)

        assert await MemoryStorage().read_meta("name") is None
        assert await MemoryStorage(same_as=one).read_meta("name") == b"value"
