"""Whatever people, devices and administrators do, in any order: one owner always, and no secret works twice."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.integration.claiming.shop import BUYERS_ORIGIN, Shop

from firstboot.errors import NotFound
from firstboot.model import ClaimOpener, Device, User

DEVICE, ADMINISTRATOR, OWNER = ClaimOpener.DEVICE, ClaimOpener.ADMINISTRATOR, ClaimOpener.OWNER
PEOPLE, DEVICES = 3, 2
DAY_MS = 86_400_000
EXAMPLES = {"sqlite": 80, "postgres": 30}

numbers = st.integers(0, PEOPLE - 1)
devices = st.integers(0, DEVICES - 1)
durations = st.sampled_from([1, 1000, 60_000, DAY_MS])


@dataclass
class Known:
    """What the model knows of a device."""

    device: Device
    owner: int | None = None
    open: dict[ClaimOpener, tuple[str, int]] = field(default_factory=dict)
    """Secret and last moment of the windows that nobody has closed."""

    def belongs_to(self, owner: int | None) -> None:
        self.owner = owner
        self.open.clear()


class Claims(RuleBasedStateMachine):
    """One shop, two devices and three customers."""

    shop: Shop
    runner: asyncio.Runner

    @initialize()
    def fill_the_shop(self) -> None:
        self.people: list[User] = [self._do(self.shop.buyer()) for _ in range(PEOPLE)]
        self.known = [Known(self._do(self.shop.device())) for _ in range(DEVICES)]
        self.secrets = ["never set"]
        self.used: set[tuple[int, str]] = set()

    def _do(self, doing: Any) -> Any:
        return self.runner.run(doing)

    def _new_secret(self) -> str:
        self.secrets.append(f"secret {len(self.secrets)}")
        return self.secrets[-1]

    # -- opening -----------------------------------------------------------------------------------

    @rule(number=devices, duration_ms=durations)
    def a_device_opens_itself(self, number: int, duration_ms: int) -> None:
        known, secret = self.known[number], self._new_secret()

        self._do(self.shop.device_opens(known.device, secret, duration_ms))

        if known.owner is None:
            known.open[DEVICE] = (secret, self.shop.now.now_ms + duration_ms)

    @rule(number=devices, duration_ms=durations)
    def an_administrator_opens_a_device(self, number: int, duration_ms: int) -> None:
        known, secret = self.known[number], self._new_secret()
        until_ms = self.shop.now.now_ms + duration_ms

        self._do(self.shop.administrator_opens(known.device, secret, until_ms))

        known.open[ADMINISTRATOR] = (secret, until_ms)

    @precondition(lambda self: any(known.owner is not None for known in self.known))
    @rule(number=devices, person=numbers)
    def somebody_offers_a_device(self, number: int, person: int) -> None:
        known, user = self.known[number], self.people[person]
        device = self._do(self.shop.again(known.device))
        if known.owner != person:
            with suppress(NotFound):
                self._do(self.shop.services.releasing.offer(user, device, BUYERS_ORIGIN))
                raise AssertionError("somebody has offered what is not his")
            return

        offered = self._do(self.shop.services.releasing.offer(user, device, BUYERS_ORIGIN))

        self.secrets.append(offered.secret.reveal())
        known.open[OWNER] = (offered.secret.reveal(), offered.until_ms)

    # -- claiming ----------------------------------------------------------------------------------

    @rule(number=devices, person=numbers, data=st.data())
    def somebody_tries_any_secret(self, number: int, person: int, data: st.DataObject) -> None:
        self._claim(number, person, data.draw(st.sampled_from(self.secrets)))

    @precondition(lambda self: any(known.open for known in self.known))
    @rule(person=numbers, data=st.data())
    def somebody_tries_a_secret_of_the_device(self, person: int, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([number for number, known in enumerate(self.known) if known.open]))
        secret, _ = data.draw(st.sampled_from(sorted(self.known[number].open.values())))
        self._claim(number, person, secret)

    def _claim(self, number: int, person: int, secret: str) -> None:
        known = self.known[number]
        now_ms = self.shop.now.now_ms
        fitting = {by for by, (right, until_ms) in known.open.items() if right == secret and until_ms >= now_ms}
        in_time = {by for by, (_, until_ms) in known.open.items() if until_ms >= now_ms}
        former = known.owner

        answer = self._do(self.shop.claim(self.people[person], known.device, secret))

        if answer == "yours":
            assert former != person
            assert fitting & ({DEVICE, ADMINISTRATOR} if former is None else {OWNER})
            assert (number, secret) not in self.used, "a secret has worked twice"
            self.used.add((number, secret))
            known.belongs_to(person)
            return
        if fitting and former is None:
            assert fitting == {ADMINISTRATOR}, answer
            assert DEVICE in in_time, "only the device's own window stands before the administrator's"
        if former not in (None, person):
            assert OWNER not in fitting, answer
        if answer == "already-yours":
            assert former == person
        if answer == "already-claimed":
            assert former not in (None, person)
        if answer.startswith("already") and fitting & {DEVICE, ADMINISTRATOR}:
            for by in (DEVICE, ADMINISTRATOR):
                known.open.pop(by, None)

    # -- giving back -------------------------------------------------------------------------------

    @rule(number=devices, person=numbers)
    def somebody_gives_a_device_back(self, number: int, person: int) -> None:
        known, release = self.known[number], self.shop.services.releasing.release
        if known.owner != person:
            with suppress(NotFound):
                self._do(release(self.people[person], known.device.name, BUYERS_ORIGIN))
                raise AssertionError("somebody has given back what is not his")
            return

        self._do(release(self.people[person], known.device.name, BUYERS_ORIGIN))

        known.belongs_to(None)

    @rule(number=devices)
    def a_device_is_reset(self, number: int) -> None:
        known = self.known[number]

        self._do(self.shop.services.releasing.release_by_device(known.device.ref, BUYERS_ORIGIN))

        if known.owner is not None:
            known.belongs_to(None)

    @rule(number=devices)
    def an_administrator_releases(self, number: int) -> None:
        known, release = self.known[number], self.shop.services.releasing.release_as_administrator
        device = self._do(self.shop.again(known.device))

        self._do(release(device, actor="test", origin=BUYERS_ORIGIN))

        if known.owner is not None:
            known.belongs_to(None)
        known.open.pop(DEVICE, None)

    @rule(number=devices, person=numbers | st.none())
    def an_administrator_assigns(self, number: int, person: int | None) -> None:
        known = self.known[number]

        self._do(self.shop.assign(known.device, None if person is None else self.people[person]))

        known.belongs_to(person)

    @precondition(lambda self: any(OWNER in known.open for known in self.known))
    @rule(number=devices, person=numbers)
    def somebody_withdraws(self, number: int, person: int) -> None:
        known = self.known[number]
        device = self._do(self.shop.again(known.device))

        with suppress(NotFound):
            self._do(self.shop.services.releasing.withdraw(self.people[person], device))
            assert known.owner == person
            known.open.pop(OWNER, None)

    @rule(seconds=st.sampled_from([0.5, 2, 61, 86_401]))
    def time_passes(self, seconds: float) -> None:
        self.shop.now.advance(seconds)

    # -- what always holds -------------------------------------------------------------------------

    @invariant()
    def every_device_has_the_owner_that_was_told_so(self) -> None:
        for known in getattr(self, "known", ()):
            stored = self._do(self.shop.again(known.device))
            owner_id = None if known.owner is None else self.people[known.owner].customer_id
            assert stored.customer_id == owner_id
            assert self._do(self.shop.openers(known.device)) == set(known.open)


def test_in_any_order_a_device_has_one_owner_and_no_secret_works_twice(
    tmp_path: Path, database: str | None
) -> None:
    """CL-2 to CL-24 as corrected, CM-5, CM-8."""
    with asyncio.Runner() as runner:
        running = Shop.running(tmp_path, database)
        Claims.shop, Claims.runner = runner.run(running.__aenter__()), runner
        try:
            run_state_machine_as_test(
                Claims,
                settings=settings(
                    max_examples=EXAMPLES["postgres" if database else "sqlite"],
                    stateful_step_count=60,
                    deadline=None,
                    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
                ),
            )
        finally:
            runner.run(running.__aexit__(None, None, None))
