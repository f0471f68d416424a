"""Waiting for a member of a pool."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from firstboot import pool_news
from firstboot.clock import Clock
from firstboot.errors import Unavailable
from firstboot.pool_news import PoolNews
from firstboot.storage import Change, ChangeKind
from firstboot.testing import MemoryStorage

POOL = 7


class Stock(MemoryStorage):
    """A storage of which a test says how many members are ready, and sees when that is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.ready: list[int | Unavailable] = []
        self.asked = asyncio.Event()

    async def count_ready(self, profile_id: int, now_ms: int) -> int:
        self.asked.set()
        answer = self.ready.pop(0)
        if isinstance(answer, Unavailable):
            raise answer
        return answer


class Attempts:
    """What is tried: it fails until it is told to succeed."""

    def __init__(self, *answers: bool) -> None:
        self.answers: Sequence[bool] = answers
        self.made = 0
        self.tried = asyncio.Event()

    async def __call__(self) -> bool:
        self.made += 1
        self.tried.set()
        return self.answers[self.made - 1]


def news_of(profile_id: int) -> list[Change]:
    return [Change(1, ChangeKind.POOL, profile_id, None)]


async def test_who_succeeds_at_once_does_not_wait() -> None:
    stock, attempts = Stock(), Attempts(True)

    await PoolNews(stock, Clock()).wait_until(POOL, attempts)

    assert attempts.made == 1
    assert not stock.asked.is_set()


async def test_who_waits_tries_again_when_his_pool_has_a_member() -> None:
    stock, attempts = Stock(), Attempts(False, True)
    news = PoolNews(stock, Clock())
    waiting = asyncio.create_task(news.wait_until(POOL, attempts))
    await attempts.tried.wait()
    stock.ready = [0, 1]

    await news.follow(news_of(POOL + 1))
    assert not stock.asked.is_set()
    await news.follow(news_of(POOL))
    await stock.asked.wait()
    assert attempts.made == 1  # there was none
    await news.follow(news_of(POOL))
    await waiting

    assert attempts.made == 2


async def test_a_lease_that_ends_without_news_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_news, "RECHECK_S", 0.001)
    stock, attempts = Stock(), Attempts(False, True)
    stock.ready = [0, Unavailable("away"), 1]

    await PoolNews(stock, Clock()).wait_until(POOL, attempts)

    assert attempts.made == 2


async def test_who_goes_away_is_forgotten() -> None:
    stock, attempts = Stock(), Attempts(False)
    news = PoolNews(stock, Clock())
    waiting = asyncio.create_task(news.wait_until(POOL, attempts))
    await attempts.tried.wait()

    waiting.cancel()
    await asyncio.wait([waiting])
    await news.follow(news_of(POOL))

    assert not stock.asked.is_set()
