"""Writing the planned rows of a delivery list: many in one commit, and each secret on disk before its device."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from firstboot.attributes import AttributeService
from firstboot.claim_secrets import claim_digest
from firstboot.claiming_data import ClaimingData
from firstboot.config import ClaimingConfig
from firstboot.devices import raise_unless_done
from firstboot.errors import FirstbootError, InvalidValue, NotFound, Unavailable, VersionConflict
from firstboot.import_plans import Plan, Wishes
from firstboot.model import GATEWAY, ClaimOpener, Device, Scope
from firstboot.mqtt_passwords import is_same
from firstboot.secrets_file import GivenSecret, SecretsFile
from firstboot.storage import Outcome, WriteResult

if TYPE_CHECKING:
    from firstboot.core import Core

WAITS_S = (0.5, 1.0, 2.0, 4.0, 8.0)
"""How long the database may be away, from one try to the next."""


class Done(enum.Enum):
    """What became of a row that has not failed."""

    CREATED = enum.auto()
    UPDATED = enum.auto()
    LEFT_ALONE = enum.auto()


Result: TypeAlias = Done | FirstbootError


class ImportWriter:
    """Writes the rows of one import."""

    def __init__(self, core: Core, wishes: Wishes, secrets: SecretsFile | None) -> None:
        self._core = core
        self._wishes = wishes
        self._secrets = secrets
        self._of_before: set[UUID] = set()
        """Devices with a secret of an import that was cut off: what is wished for them was done then."""
        claiming_data = ClaimingData(core.keyring, core.foundation.config.section(ClaimingConfig))
        self._attributes = AttributeService(core.storage, core.commits, None, core.clock, claiming_data)

    async def go_on(self) -> int:
        """Find out which secrets of an import that was cut off are in use; return how many.

        Raises: `Unavailable`.
        """
        for number, given in self._secrets.earlier() if self._secrets is not None else ():
            device = await self._core.storage.device_by_public_id(self._wishes.tenant_id, given.device_id)
            if device is not None and (not given.existed or await self._opens(given, device)):
                self._confirm(number)
                self._of_before.add(given.device_id)
        return len(self._of_before)

    async def _opens(self, given: GivenSecret, device: Device) -> bool:
        digest = claim_digest(self._core.keyring, device.public_id, given.secret)
        windows = await self._core.storage.claim_windows(device.id)
        return any(
            each.opened_by is ClaimOpener.ADMINISTRATOR and each.secret_digest == digest for each in windows
        )

    async def write(self, plans: Sequence[Plan]) -> list[Result]:
        """Make the devices, or change those that exist as far as that is wished; return how each row ended.

        Raises: `Unavailable` when the database stays away; `OSError`.
        """
        numbers = await self._keep(plans, [plan.device for plan in plans], existed=False)
        written, tried_again = await self._create(plans)
        results: list[Result] = []
        there: list[int] = []
        for index, (plan, result) in enumerate(zip(plans, written, strict=True)):
            if result.outcome is Outcome.NAME_TAKEN:
                there.append(index)
                results.append(Done.LEFT_ALONE)
                continue
            try:
                raise_unless_done(result, plan.device, plan.profile)
            except FirstbootError as error:
                results.append(error)
            else:
                self._confirm(numbers[index])
                results.append(Done.CREATED)
        changes = self._wishes.update or self._wishes.replace_secrets
        look = [index for index in there if changes or index in tried_again]
        if look:
            met = await self._meet([plans[index] for index in look], [numbers[index] for index in look])
            for index, outcome in zip(look, met, strict=True):
                results[index] = outcome
        return results

    async def _create(self, plans: Sequence[Plan]) -> tuple[list[WriteResult], set[int]]:
        """Commit; what the database was away for is tried again. Return which were, too."""
        results: dict[int, WriteResult | BaseException] = {}
        tried_again: set[int] = set()
        left = list(range(len(plans)))
        for wait_s in (0.0, *WAITS_S):
            if wait_s:
                await asyncio.sleep(wait_s)
                tried_again.update(left)
            done = await self._core.commits.submit_all(plans[index].write for index in left)
            results.update(zip(left, done, strict=True))
            left = [index for index in left if isinstance(results[index], Unavailable)]
            if not left:
                break
        settled: list[WriteResult] = []
        for index in range(len(plans)):
            result = results[index]
            if isinstance(result, BaseException):
                raise result
            settled.append(result)
        return settled, tried_again

    # -- devices that exist ------------------------------------------------------------------------

    async def _meet(self, plans: Sequence[Plan], numbers: Sequence[int | None]) -> list[Result]:
        """Change the devices whose names the rows have."""
        storage, tenant_id = self._core.storage, self._wishes.tenant_id
        found = await asyncio.gather(*(storage.find_device(tenant_id, plan.device.name) for plan in plans))
        results: list[Result] = []
        changing: list[tuple[int, Plan, Device]] = []
        for index, (plan, device, number) in enumerate(zip(plans, found, numbers, strict=True)):
            results.append(Done.LEFT_ALONE)
            if device is None:
                results[index] = NotFound("The device was deleted meanwhile.")
            elif device.public_id == plan.device.public_id:  # a commit that seemed to have failed
                results[index] = Done.CREATED
                self._confirm(number)
            elif device.public_id not in self._of_before and (self._wishes.update or self._replaces(plan)):
                changing.append((index, plan, device))
        replacing = [each for each in changing if self._replaces(each[1]) and each[2].customer_id is None]
        kept = await self._keep(
            [plan for _, plan, _ in replacing], [device for _, _, device in replacing], existed=True
        )
        number_of = dict(zip((index for index, _, _ in replacing), kept, strict=True))
        changed = await asyncio.gather(
            *(self._change(plan, device, number_of.get(index)) for index, plan, device in changing),
            return_exceptions=True,
        )
        for (index, _, _), outcome in zip(changing, changed, strict=True):
            if isinstance(outcome, BaseException) and (
                isinstance(outcome, Unavailable) or not isinstance(outcome, FirstbootError)
            ):
                raise outcome
            results[index] = outcome
        return results

    def _replaces(self, plan: Plan) -> bool:
        return self._wishes.replace_secrets and plan.secret is not None

    async def _change(self, plan: Plan, device: Device, number: int | None) -> Done:
        actor = self._wishes.actor
        if self._replaces(plan) and device.customer_id is not None:
            raise InvalidValue("The device belongs to a customer; its secret is not replaced.")
        if self._wishes.update:
            await self._update(plan, device)
        if self._replaces(plan):
            await self._core.claim_windows.open_by_administrator(
                device, secret=plan.secret, until_ms=plan.until_ms, actor=actor
            )
            self._confirm(number)
        return Done.UPDATED

    async def _update(self, plan: Plan, device: Device) -> None:
        core, row, actor = self._core, plan.row, self._wishes.actor
        while True:
            moved = plan.profile if row.profile is not None and plan.profile.id != device.profile_id else None
            changed = replace(device, label=plan.device.label or device.label, additional_info=_info(plan, device))
            if moved is None and changed == device:
                break
            try:
                device = await core.devices.update(
                    changed, expected_version=device.version, actor=actor, profile=moved
                )
                break
            except VersionConflict:
                device = await core.devices.by_public_id(device.tenant_id, device.public_id)
        if row.wanted is not None and not is_same(await core.devices.credentials(device), plan.credentials):
            await core.devices.change_credentials(device, plan.credentials, actor=actor)
        for scope in (Scope.SERVER, Scope.SHARED):
            values = {each.key: each.value for each in row.attributes if each.scope is scope}
            await self._attributes.save(device.ref, scope, values, actor=actor)
        if self._wishes.customer is not None and device.customer_id != self._wishes.customer.id:
            await core.ownership.assign(device, self._wishes.customer, actor=actor)

    # -- secrets -----------------------------------------------------------------------------------

    async def _keep(
        self, plans: Sequence[Plan], devices: Sequence[Device], *, existed: bool
    ) -> Sequence[int | None]:
        """Put the secrets of the plans that have one on disk; return the number of each."""
        if self._secrets is None:
            return [None] * len(plans)
        given = [
            GivenSecret(
                device_id=device.public_id,
                name=device.name,
                secret=plan.secret,
                until_ms=plan.until_ms,
                existed=existed,
            )
            for plan, device in zip(plans, devices, strict=True)
            if plan.secret is not None
        ]
        numbers = iter(await self._secrets.keep(given))
        return [next(numbers) if plan.secret is not None else None for plan in plans]

    def _confirm(self, number: int | None) -> None:
        if self._secrets is not None and number is not None:
            self._secrets.confirm(number)


def _info(plan: Plan, device: Device) -> dict[str, object] | None:
    info = dict(device.additional_info or {})
    if plan.row.description is not None:
        info["description"] = plan.row.description
    if plan.row.gateway is not None:
        info[GATEWAY] = plan.row.gateway
    return info or None
