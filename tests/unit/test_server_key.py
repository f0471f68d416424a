"""The server key: made once, never overwritten, replaced in steps that a crash may fall between (SE-3)."""

# ruff: noqa: ASYNC240 - nobody else is on a test's event loop

from __future__ import annotations

import asyncio
import fcntl
import os
import stat
from pathlib import Path

import pytest

from firstboot import server_key
from firstboot.config import ServerConfig
from firstboot.errors import StorageRefused
from firstboot.keyring import Keyring
from firstboot.secret import Secret
from firstboot.server_key import open_keyring, rotate_server_key
from firstboot.testing.memory import MemoryStorage


@pytest.fixture
def config(tmp_path: Path) -> ServerConfig:
    return ServerConfig(data_dir=tmp_path)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "server.key"


def is_same(one: Keyring, other: Keyring) -> bool:
    """Whether two keyrings have the same data key."""
    return one.digest("purpose", "text") == other.digest("purpose", "text")


async def test_a_new_database_gets_a_key_that_only_its_owner_reads(config: ServerConfig, key_file: Path) -> None:
    """SE-1, SE-12."""
    await open_keyring(MemoryStorage(), config)

    assert stat.S_IMODE(key_file.stat().st_mode) == 0o600
    assert len(bytes.fromhex(key_file.read_text())) == 32
    assert [file.name for file in key_file.parent.iterdir()] == ["server.key"]


async def test_the_keyring_is_the_same_at_every_start(config: ServerConfig) -> None:
    storage = MemoryStorage()

    assert is_same(await open_keyring(storage, config), await open_keyring(storage, config))


async def test_two_installations_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()

    one = await open_keyring(MemoryStorage(), ServerConfig(data_dir=tmp_path / "a"))
    other = await open_keyring(MemoryStorage(), ServerConfig(data_dir=tmp_path / "b"))

    assert not is_same(one, other)
    assert (tmp_path / "a/server.key").read_text() != (tmp_path / "b/server.key").read_text()


async def test_the_key_file_is_only_written_while_no_other_process_can(
    config: ServerConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first start had overwritten the key with which another had just made the keyring: all was lost."""
    really_write = server_key._write
    attempts: list[str] = []

    def write(file: Path, keys: list[bytes]) -> None:
        other = os.open(file.parent, os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        finally:
            os.close(other)
        attempts.append(file.name)
        really_write(file, keys)

    monkeypatch.setattr(server_key, "_write", write)
    storage = MemoryStorage()

    await open_keyring(storage, config)
    await rotate_server_key(storage, config)

    assert attempts == ["server.key"] * 3


async def test_many_first_starts_at_once_agree_on_one_key(config: ServerConfig) -> None:
    storage = SlowStorage()

    keyrings = await asyncio.gather(*[open_keyring(storage, config) for _ in range(5)])

    assert all(is_same(keyrings[0], keyring) for keyring in keyrings)
    assert is_same(keyrings[0], await open_keyring(storage, config))


async def test_a_node_that_comes_second_to_a_shared_database_keeps_no_useless_key(tmp_path: Path) -> None:
    first, second = ServerConfig(data_dir=tmp_path / "a"), ServerConfig(data_dir=tmp_path / "b")
    for node in (first, second):
        node.data_dir.mkdir()
    storage = SlowStorage()

    outcomes = await asyncio.gather(
        open_keyring(storage, first), open_keyring(storage, second), return_exceptions=True
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(refusal) for refusal in refused] == [StorageRefused]
    assert "is missing" in str(refused[0])
    assert len(list(tmp_path.glob("*/server.key"))) == 1


async def test_a_missing_key_is_refused_with_the_remedy(config: ServerConfig, key_file: Path) -> None:
    storage = MemoryStorage()
    await open_keyring(storage, config)
    key_file.unlink()

    with pytest.raises(StorageRefused, match=r"missing.*Put back .*server\.key.*FIRSTBOOT_SERVER__KEY"):
        await open_keyring(storage, config)

    assert not key_file.exists()


async def test_the_key_of_another_installation_is_refused(config: ServerConfig, key_file: Path) -> None:
    storage = MemoryStorage()
    await open_keyring(storage, config)
    foreign = "ab" * 32
    key_file.write_text(foreign)

    with pytest.raises(StorageRefused, match="does not belong to this database") as refusal:
        await open_keyring(storage, config)

    assert foreign not in str(refusal.value)
    assert key_file.read_text() == foreign


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"xyz", b"ab" * 31, b"ab" * 33, b"\xff\xfe", b"ab" * 32 + b"\ncd"]
)
async def test_a_broken_key_is_refused_and_left_as_it_is(
    config: ServerConfig, key_file: Path, content: bytes
) -> None:
    for storage in (MemoryStorage(), await founded(config, key_file)):
        key_file.write_bytes(content)
        key_file.chmod(0o600)

        with pytest.raises(StorageRefused, match=r"server\.key.*Put back the file"):
            await open_keyring(storage, config)

        assert key_file.read_bytes() == content


async def test_a_key_that_cannot_be_read_is_refused(config: ServerConfig, key_file: Path) -> None:
    key_file.mkdir()

    with pytest.raises(StorageRefused, match="cannot be read"):
        await open_keyring(MemoryStorage(), config)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
async def test_a_key_that_others_may_touch_is_refused_with_the_command_to_run(
    config: ServerConfig, key_file: Path, mode: int
) -> None:
    """SE-12."""
    storage = await founded(config, key_file)
    key_file.chmod(mode)

    with pytest.raises(StorageRefused, match=f"chmod 600 {key_file}"):
        await open_keyring(storage, config)


async def test_a_key_from_the_configuration_writes_no_file(tmp_path: Path) -> None:
    config = ServerConfig(data_dir=tmp_path, key=Secret("cd" * 32))
    storage = MemoryStorage()

    first = await open_keyring(storage, config)

    assert is_same(first, await open_keyring(storage, config))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StorageRefused, match="does not belong"):
        await open_keyring(storage, ServerConfig(data_dir=tmp_path, key=Secret("ce" * 32)))


async def test_a_key_left_by_a_start_that_never_reached_the_database_is_used(
    config: ServerConfig, key_file: Path
) -> None:
    await open_keyring(MemoryStorage(), config)
    left = key_file.read_text()

    await open_keyring(MemoryStorage(), config)

    assert key_file.read_text() == left


async def test_rotation_keeps_the_data_and_makes_the_old_key_useless(config: ServerConfig, key_file: Path) -> None:
    storage = MemoryStorage()
    before = await open_keyring(storage, config)
    old = key_file.read_text()

    assert await rotate_server_key(storage, config) == key_file

    assert is_same(before, await open_keyring(storage, config))
    assert old.strip() not in key_file.read_text()
    key_file.write_text(old)
    with pytest.raises(StorageRefused, match="does not belong"):
        await open_keyring(storage, config)


@pytest.mark.parametrize("step", range(3))
async def test_rotation_may_be_killed_between_any_two_steps(
    config: ServerConfig, key_file: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The steps: both keys into the file, the database, the new key alone into the file."""
    storage = KilledStorage()
    before = await open_keyring(storage, config)
    really_write = server_key._write
    steps = iter(range(3))

    def write(file: Path, keys: list[bytes]) -> None:
        die_at(next(steps), step)
        really_write(file, keys)

    monkeypatch.setattr(server_key, "_write", write)
    storage.before_write = lambda: die_at(next(steps), step)

    with pytest.raises(KilledError):
        await rotate_server_key(storage, config)
    monkeypatch.undo()
    storage.before_write = lambda: None

    assert is_same(before, await open_keyring(storage, config))
    await rotate_server_key(storage, config)
    assert len(key_file.read_text().split()) == 1
    assert is_same(before, await open_keyring(storage, config))


async def test_rotations_at_the_same_time_leave_a_key_that_fits(config: ServerConfig, key_file: Path) -> None:
    storage = SlowStorage()
    before = await open_keyring(storage, config)

    await asyncio.gather(*[rotate_server_key(storage, config) for _ in range(4)])

    assert is_same(before, await open_keyring(storage, config))
    assert len(key_file.read_text().split()) == 1


async def test_the_key_file_is_replaced_as_a_whole(
    config: ServerConfig, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that is full while the key is written must not cost the key."""
    storage = await founded(config, key_file)
    old = key_file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        await rotate_server_key(storage, config)

    assert key_file.read_bytes() == old


class SlowStorage(MemoryStorage):
    """Lets others run at every step."""

    async def read_meta(self, name: str) -> bytes | None:
        await asyncio.sleep(0)
        found = await super().read_meta(name)
        await asyncio.sleep(0)
        return found

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        await asyncio.sleep(0)
        done = await super().write_meta(name, value, expected)
        await asyncio.sleep(0)
        return done


class KilledError(Exception):
    """The process is gone."""


class KilledStorage(MemoryStorage):
    """Tells when the database is about to be changed."""

    before_write = staticmethod(lambda: None)

    async def write_meta(self, name: str, value: bytes, expected: bytes | None) -> bool:
        self.before_write()
        return await super().write_meta(name, value, expected)


def die_at(now: int, step: int) -> None:
    if now == step:
        raise KilledError


async def founded(config: ServerConfig, key_file: Path) -> MemoryStorage:
    """Return a storage that has a keyring; its key is in the file."""
    if key_file.exists():
        key_file.unlink()
    storage = MemoryStorage()
    await open_keyring(storage, config)
    return storage
