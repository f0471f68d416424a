"""Pooled random bytes are as good as those of the system: each is handed out once."""

from __future__ import annotations

import os
import threading

import pytest

from firstboot import randomness


def test_se_1_bytes_come_from_the_operating_system_and_each_is_handed_out_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = bytes(range(256)) * 128
    drawn = 0

    def urandom(size: int) -> bytes:
        nonlocal drawn
        drawn += size
        return source[drawn - size : drawn]

    monkeypatch.setattr(randomness.os, "urandom", urandom)
    pool = randomness._Pool()

    taken = [pool.take(size) for size in (16, 1, 300, 4096, 40)]

    assert taken[0] + taken[1] + taken[2] == source[:317]
    assert taken[3] == source[4096:8192]
    assert taken[4] == source[8192:8232]
    assert len(pool.take(5000)) == 5000


def test_se_1_threads_never_draw_the_same_bytes() -> None:
    pool = randomness._Pool()
    drawn: list[bytes] = []

    def draw() -> None:
        drawn.extend(pool.take(16) for _ in range(2000))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(drawn)) == 8000


def test_se_1_a_forked_child_does_not_draw_the_bytes_of_its_parent() -> None:
    randomness.random_bytes(16)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, randomness.random_bytes(64))
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reading, 64) != randomness.random_bytes(64)
    os.close(reading)
    os.close(writing)
