"""Passwords of people: slow to guess, and never more at a time than the machine bears."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from firstboot.errors import InvalidValue, Unavailable
from firstboot.passwords import MAX_LENGTH, MAX_WAITING, MIN_LENGTH, Passwords, check_password
from firstboot.secret import Secret

RIGHT, WRONG = Secret("correct horse"), Secret("battery staple")


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(memory_kib=8, passes=1)


class Held(Passwords):
    """Passwords whose checks take as long as the test wants, and which counts them."""

    def __init__(self, parallel: int) -> None:
        super().__init__(memory_kib=8, passes=1, parallel=parallel)
        self.go = threading.Event()
        self.checked: list[str] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()

    def _verify(self, stored: str, password: bytes) -> bool:
        with self._lock:
            self.checked.append(stored)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        assert self.go.wait(10)
        with self._lock:
            self.at_once -= 1
        return super()._verify(stored, password)


async def test_se_2_the_right_password_is_known_again_and_a_wrong_one_is_not(passwords: Passwords) -> None:
    stored = await passwords.hash(RIGHT)

    assert await passwords.verify(stored, RIGHT)
    assert not await passwords.verify(stored, WRONG)
    assert not await passwords.verify(stored, Secret(""))


async def test_se_2_a_hash_is_argon2id_with_a_salt_of_its_own_and_shows_nothing(passwords: Passwords) -> None:
    one, other = await passwords.hash(RIGHT), await passwords.hash(RIGHT)

    assert one != other
    assert one.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert RIGHT.reveal() not in one


async def test_a_hash_with_other_parameters_still_is_checked(passwords: Passwords) -> None:
    stored = await Passwords(memory_kib=16, passes=2).hash(RIGHT)

    assert await passwords.verify(stored, RIGHT)


@pytest.mark.parametrize("stored", ["", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$AAAA$AAAA", "\0"])
async def test_a_broken_hash_is_nobodys(passwords: Passwords, stored: str) -> None:
    assert not await passwords.verify(stored, RIGHT)


async def test_lg_3_an_unknown_user_costs_the_same_check_and_is_never_right() -> None:
    passwords = Held(parallel=1)
    passwords.go.set()
    stored = await passwords.hash(RIGHT)

    assert await passwords.verify(stored, RIGHT)
    assert not await passwords.verify(None, RIGHT)

    known, unknown = passwords.checked
    assert unknown.rpartition("$")[0].rpartition("$")[0] == known.rpartition("$")[0].rpartition("$")[0]
    assert [len(part) for part in unknown.split("$")] == [len(part) for part in known.split("$")]


async def test_lg_4_no_more_are_checked_at_once_than_may_be() -> None:
    passwords = Held(parallel=2)
    checks = [asyncio.create_task(passwords.verify(None, WRONG)) for _ in range(20)]
    await asyncio.sleep(0)
    passwords.go.set()

    assert await asyncio.gather(*checks) == [False] * 20
    assert passwords.most_at_once <= 2


async def test_lg_4_sixty_four_wait_and_the_next_one_is_told_to_come_back() -> None:
    passwords = Held(parallel=1)
    checks = [asyncio.create_task(passwords.verify(None, WRONG)) for _ in range(1 + MAX_WAITING)]
    await asyncio.sleep(0)

    with pytest.raises(Unavailable):
        await passwords.verify(None, WRONG)
    with pytest.raises(Unavailable):
        await passwords.hash(RIGHT)

    assert MAX_WAITING == 64
    passwords.go.set()
    await asyncio.gather(*checks)
    assert not await passwords.verify(None, WRONG)


async def test_lg_4_one_that_is_given_up_keeps_its_core_until_it_ends_and_those_that_wait_go_on() -> None:
    passwords = Held(parallel=1)
    given_up = asyncio.create_task(passwords.verify(None, WRONG))
    waiting = asyncio.create_task(passwords.verify(None, WRONG))
    never_begun = asyncio.create_task(passwords.verify(None, WRONG))
    await asyncio.sleep(0)
    given_up.cancel()
    never_begun.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up

    assert not waiting.done()
    passwords.go.set()
    assert not await waiting
    assert passwords.most_at_once == 1
    assert len(passwords.checked) == 2


async def test_a_password_may_be_typed_on_another_keyboard(passwords: Passwords) -> None:
    stored = await passwords.hash(Secret("sch\u00f6nes Wetter"))

    assert await passwords.verify(stored, Secret("scho\u0308nes Wetter"))


@pytest.mark.parametrize("length", [MIN_LENGTH, MAX_LENGTH])
def test_six_to_seventy_two_characters_are_taken(length: int) -> None:
    check_password(Secret("x" * length))


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "Password must be 6 or more characters in length."),
        (5, "Password must be 6 or more characters in length."),
        (73, "Password must be no more than 72 characters in length."),
    ],
)
async def test_other_lengths_are_refused_before_any_work(passwords: Passwords, length: int, text: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await passwords.hash(Secret("x" * length))

    assert str(refused.value) == text


async def test_any_text_may_be_tried(passwords: Passwords) -> None:
    stored = await passwords.hash(RIGHT)

    for text in ("\ud800" * 8, "\0" * 8, "x" * 100_000):
        assert not await passwords.verify(stored, Secret(text))


def test_the_libraries_of_logins_are_loaded_with_the_first_login_only() -> None:
    code = "import sys, firstboot.app, firstboot.cli; print({'argon2', 'jwt'} & set(sys.modules))"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "set()"
